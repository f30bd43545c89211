//! From the crops of an image to what a network sees: normalised floats, channels last.
//!
//! Order: crop and resize, flip, jitter, grey (or grey, jitter), blur, solarise, normalise. Each step agrees with the Pillow and
//! torchvision code that UniVIP's reference implementations call, up to a grey level or two.

mod blur;
mod crop_resize;
mod finish;
mod flip;
mod grey;
mod jitter;
mod normalise;
mod parameters;
mod rows;
mod settings;
mod solarize;

pub use parameters::{Adjustment, Jitter, ViewParameters};
pub use settings::{AugmentSettings, Augmentation, BlurScale, Interpolation};

use crate::error::suggest;
use crate::geometry::{BoundingBox, Size};
use crate::seed::Stream;
use crate::views::CropLimits;
use anyhow::{Context, Result, ensure};
use blur::Blur;
use crop_resize::CropResize;
use finish::{Buffers, Finish, finish};
use image::RgbImage;
use normalise::Normalisation;
use rand::Rng;
use std::cell::RefCell;

/// Renders crops to `[size, size, 3]` floats as `[augment]` says.
#[derive(Debug, Clone)]
pub struct Renderer {
    settings: AugmentSettings,
    normalisation: Normalisation,
}

impl Renderer {
    /// A renderer for one recipe.
    pub fn new(settings: &AugmentSettings) -> Self {
        let normalisation = Normalisation::new(&settings.mean, &settings.std);
        Self { settings: settings.clone(), normalisation }
    }

    /// The settings that it renders with.
    pub fn settings(&self) -> &AugmentSettings {
        &self.settings
    }

    /// The random choices of a view that is augmented as `[augment.<name>]` says.
    ///
    /// # Errors
    /// When there is no such augmentation: with what is known.
    pub fn draw(&self, name: &str, stream: &mut Stream) -> Result<ViewParameters> {
        let views = &self.settings.views;
        let settings = views.get(name).with_context(|| {
            let known: Vec<&str> = views.keys().map(String::as_str).collect();
            format!("there is no [augment.{name}]; {}", suggest(name, &known))
        })?;
        Ok(ViewParameters::draw(settings, stream))
    }

    /// Renders a view whose random choices are made.
    ///
    /// # Errors
    /// When the crop is not inside the image or `out` is not `[size, size, 3]`.
    pub fn render(
        &self,
        image: &RgbImage,
        crop: &BoundingBox,
        size: u32,
        parameters: &ViewParameters,
        out: &mut [f32],
    ) -> Result<()> {
        check_output(Size { width: size, height: size }, out)?;
        with_scratch(|scratch| {
            let Scratch { resize, buffers } = scratch;
            let pixels = resize.crop(image, crop, size, self.settings.interpolation)?;
            if parameters.flip {
                flip::flip(pixels, size as usize);
            }
            if parameters.leaves_colours() {
                self.normalisation.pixels(pixels, out);
                return Ok(());
            }
            let (side, scale) = (size as usize, self.settings.blur_scale);
            let blur = parameters.blur.and_then(|sigma| Blur::of_view(sigma, scale, side));
            finish(
                pixels,
                side,
                Finish { parameters, blur, normalisation: &self.normalisation },
                buffers,
                out,
            );
            Ok(())
        })
    }

    /// Renders what evaluators see of an image: its short side resized to `size * 256 / 224` and the centre
    /// of that cropped, as torchvision's `Resize(256)` and `CenterCrop(224)` do.
    ///
    /// # Errors
    /// When the image is empty or `out` is not `[size, size, 3]`.
    pub fn plain(&self, image: &RgbImage, size: u32, out: &mut [f32]) -> Result<()> {
        check_output(Size { width: size, height: size }, out)?;
        with_scratch(|scratch| {
            let pixels = scratch.resize.centre(image, size, self.settings.interpolation)?;
            self.normalisation.pixels(pixels, out);
            Ok(())
        })
    }

    /// Renders the whole image at another size, mirrored if `mirrored`: what detectors see. `[height, width, 3]`.
    ///
    /// # Errors
    /// When a size is 0 or `out` has another length.
    pub fn whole(&self, image: &RgbImage, size: Size, mirrored: bool, out: &mut [f32]) -> Result<()> {
        check_output(size, out)?;
        with_scratch(|scratch| {
            let pixels = scratch.resize.whole(image, size, self.settings.interpolation)?;
            if mirrored {
                flip::flip(pixels, size.width as usize);
            }
            self.normalisation.pixels(pixels, out);
            Ok(())
        })
    }

    /// Renders a random resized crop, flipped half of the time: how linear classifiers are trained.
    ///
    /// # Errors
    /// As [`Renderer::plain`].
    pub fn random_crop_flip(
        &self,
        image: &RgbImage,
        size: u32,
        stream: &mut Stream,
        out: &mut [f32],
    ) -> Result<()> {
        let (width, height) = image.dimensions();
        ensure!(width > 0 && height > 0, "an image of {width} x {height} pixels has nothing to crop");
        let crop = CropLimits::default().sample(Size { width, height }, stream);
        let parameters = ViewParameters { flip: stream.random_bool(0.5), ..ViewParameters::default() };
        self.render(image, &crop, size, &parameters, out)
    }
}

fn check_output(Size { width, height }: Size, out: &[f32]) -> Result<()> {
    let expected = 3 * width as usize * height as usize;
    ensure!(expected > 0, "a view of {width} x {height} pixels cannot be rendered");
    ensure!(
        out.len() == expected,
        "a view of {width} x {height} pixels needs {expected} floats, not {}",
        out.len()
    );
    Ok(())
}

/// Buffers that a thread reuses: a view is rendered without allocating.
#[derive(Default)]
struct Scratch {
    resize: CropResize,
    buffers: Buffers,
}

fn with_scratch<T>(work: impl FnOnce(&mut Scratch) -> T) -> T {
    thread_local! {
        static SCRATCH: RefCell<Scratch> = RefCell::default();
    }
    SCRATCH.with_borrow_mut(work)
}
