//! The engine of univip: the traits that plugins implement, and what runs a recipe with them.
//!
//! # Data flow
//!
//! ```text
//! recipe::Recipe   -> assemble::Assembly                      the only place where names become objects
//!
//! dataset::Dataset    images, annotations, labels
//!   | + proposals::ProposalSource                             boxes that may hold an object
//!   v
//! views::ViewSampler  -> views::ViewPlan                      pure geometry: named groups of views
//!   v
//! views::BatchMaker   -> views::Batch                         pixels, [V B, S, S, 3] per group
//!   v
//! networks::Networks  -> networks::Features                   outputs of the backbone and of networks::Head
//!   v
//! loss::Loss          -> loss::LossTerm                       scalars, weighted and added (Eq. 12)
//!   v
//! step::step          backward, optimiser, target network     one step; trainer::Trainer takes all of them
//!   v
//! event::Observer                                             is told of each step; `core` itself prints nothing
//!
//! evaluate::Evaluator <- nn::FrozenBackbone                   measures what was learned
//! ```
//!
//! # Rooms
//!
//! The source has a folder for each room, and a room uses only those before it in this list.
//!
//! **Data** ([`dataset`], [`image_file`], [`below`], [`identity`], [`skipped`]): a [`dataset::Dataset`] returns images by index, with
//! what is known of them. Files are decoded and refused in one place, and digested so that changed images are noticed.
//!
//! **Proposals** ([`proposals`]): a [`proposals::ProposalSource`] proposes boxes. Those that are expensive are kept on disk, filtered
//! when they are read, and completed by naive boxes.
//!
//! **Views** ([`views`]): a [`views::ViewSampler`] plans the crops of an image in named groups,
//! without a pixel. [`views::BatchMaker`] renders plans into batches, ahead of their use and in an order that no thread decides.
//!
//! **Networks** ([`networks`]): the online network learns, and the target network, where a loss asks for it, is its
//! moving average (Eq. 1). Heads are plugins. The networks compute the union of what the losses ask for, once.
//!
//! **Losses** ([`loss`], [`similarity`], [`contrast`], [`transport`], [`memory`]): a [`loss::Loss`] maps features and the batch's
//! facts to a scalar. It may own parameters and buffers, and runs no network. The other modules are arithmetic that methods share.
//!
//! **Evaluation** ([`evaluate`], [`canvas`], [`online_probe`], [`diagnostics`]): an [`evaluate::Evaluator`] measures a frozen
//! backbone and yields numbers with their protocol.
//!
//! **Registry** ([`registry`]): the plugins that are linked into a binary, by kind and name. `register_loss!` and its siblings put
//! them there.
//!
//! **Training** ([`step`], [`trainer`], [`checkpoint`], [`event`]): one step fits on a screen; the trainer repeats it, writes
//! checkpoints, resumes from them, and tells observers.
//!
//! **Recipe** ([`recipe`]): the settings of all rooms, which are named here, read from layers of TOML; where each value came from, and
//! the fingerprint of them all.
//!
//! **Assembly** ([`assemble`]): makes the objects that a recipe names. Everything before it takes objects.
//!
//! Crates below know no recipe: [`nn`] (networks on candle), `univip-vision` ([`geometry`], [`metrics`]) and `univip-stdx`
//! ([`seed`], [`files`], [`config`]). A plugin depends on this crate alone and finds them here.
//!
//! # Two training steps
//!
//! A plugin author implements one of these traits; this example implements four and leaves out recipe and registry.
//! `cargo xtask new-plugin` writes a crate with one of them, its settings and a test.
//!
//! ```
//! use anyhow::Result;
//! use candle_core::{Device, Tensor};
//! use image::{Rgb, RgbImage};
//! use rand::Rng;
//! use std::sync::Arc;
//! use univip_core::views::augment::Renderer;
//! use univip_core::dataset::Dataset;
//! use univip_core::error::ImageError;
//! use univip_core::geometry::BoundingBox;
//! use univip_core::loss::{Loss, LossTerm, Step};
//! use univip_core::networks::{Features, Needs, NetworkParts, Networks, Output};
//! use univip_core::nn::backbone::Stage;
//! use univip_core::nn::ops::Map;
//! use univip_core::nn::{Backbone, BackbonePlan, BatchNorm, Conv2d, Mode, Scope};
//! use univip_core::nn::optim::Optimizer;
//! use univip_core::recipe::{AugmentSettings, BrokenImage, NetworkSettings, OptimizerSettings};
//! use univip_core::seed::Stream;
//! use univip_core::step::{Method, Rates, WeightedLoss, step};
//! use univip_core::views::{BatchMaker, EpochOrder, Group, Subject, View, ViewPlan, ViewSampler};
//!
//! /// Eight images, each with a colour of its own.
//! struct Colours;
//!
//! impl Dataset for Colours {
//!     fn len(&self) -> usize {
//!         8
//!     }
//!
//!     fn id(&self, index: usize) -> String {
//!         format!("colour {index}")
//!     }
//!
//!     fn image(&self, index: usize) -> Result<RgbImage, ImageError> {
//!         Ok(RgbImage::from_fn(40, 40, |x, y| Rgb([6 * x as u8, 6 * y as u8, 30 * index as u8])))
//!     }
//!
//!     fn digest(&self) -> String {
//!         "colours, version 1".into()
//!     }
//! }
//!
//! /// Two random crops of each image, both in the group `scene`.
//! struct TwoCrops;
//!
//! impl ViewSampler for TwoCrops {
//!     fn groups(&self) -> Vec<Group> {
//!         vec![Group::new("scene", &["view1".into(), "view2".into()], 32)]
//!     }
//!
//!     fn sample(&self, subject: &Subject<'_>, stream: &mut Stream) -> Result<ViewPlan> {
//!         let [width, height] = [subject.size.width, subject.size.height].map(|side| side * 3 / 4);
//!         let mut crop = || {
//!             let x = stream.random_range(0..=subject.size.width - width);
//!             let y = stream.random_range(0..=subject.size.height - height);
//!             View::crop(BoundingBox::new(x, y, width, height))
//!         };
//!         let groups = [("scene".to_string(), vec![crop(), crop()])].into();
//!         Ok(ViewPlan { groups, ..ViewPlan::default() })
//!     }
//! }
//!
//! /// A convolution with batch norm and ReLU as the stem, and another one as the only stage.
//! struct TwoLayers([(Conv2d, BatchNorm); 2], Device);
//!
//! impl TwoLayers {
//!     fn new(scope: &Scope) -> Result<Self> {
//!         let layer = |name: &str, inputs| -> Result<_> {
//!             let scope = scope.enter(name);
//!             let conv = Conv2d::new(inputs, 8, 3, 2, &scope.enter("conv"))?;
//!             Ok((conv, BatchNorm::new(8, &scope.enter("norm"))?))
//!         };
//!         Ok(Self([layer("stem", 3)?, layer("stage", 8)?], scope.device().clone()))
//!     }
//!
//!     fn layer(&self, index: usize, map: &Map, mode: Mode) -> Result<Map> {
//!         let (conv, norm) = &self.0[index];
//!         norm.relu(&conv.forward(map)?, mode)
//!     }
//! }
//!
//! impl Backbone for TwoLayers {
//!     fn stages(&self) -> &[Stage] {
//!         &[Stage { stride: 4, channels: 8 }]
//!     }
//!
//!     fn stem(&self, images: &Tensor, mode: Mode) -> Result<Map> {
//!         self.layer(0, &Map::of(images)?, mode)
//!     }
//!
//!     fn stage(&self, index: usize, map: &Map, mode: Mode) -> Result<Map> {
//!         self.layer(index + 1, map, mode)
//!     }
//!
//!     fn device(&self) -> &Device {
//!         &self.1
//!     }
//! }
//!
//! /// The mean squared distance between the pooled features of both views.
//! struct Distance;
//!
//! impl Distance {
//!     fn output() -> Output {
//!         Output::online("scene", "pooled")
//!     }
//! }
//!
//! impl Loss for Distance {
//!     fn compute(&self, features: &Features, _step: &Step) -> Result<LossTerm> {
//!         let views = features.views(&Self::output())?;
//!         Ok((&views[0] - &views[1])?.sqr()?.mean_all()?.into())
//!     }
//! }
//!
//! let needs: Needs = [Distance::output()].into();
//! let batches = BatchMaker {
//!     dataset: Arc::new(Colours),
//!     order: EpochOrder::new(8, 0),
//!     proposals: None,
//!     sampler: Box::new(TwoCrops),
//!     sampler_name: "two-crops".into(),
//!     renderer: Renderer::new(&AugmentSettings::default()),
//!     rendered: ["scene".to_string()].into(),
//!     broken: BrokenImage::Fail,
//!     batch: 4,
//!     batches_per_epoch: 2,
//! };
//! let parts = NetworkParts {
//!     settings: &NetworkSettings::default(),
//!     backbone: BackbonePlan::new("two-layers", 8, |scope| Ok(Box::new(TwoLayers::new(scope)?))),
//!     init: None,
//!     groups: TwoCrops.groups(),
//!     heads: Vec::new(),
//!     needs: needs.clone(),
//!     seed: 0,
//! };
//! let networks = Networks::new(parts, &Device::Cpu)?;
//! let optimizer = Optimizer::new(&OptimizerSettings::default(), networks.online())?;
//! let losses =
//!     vec![WeightedLoss { name: "distance".into(), weight: 1.0, needs, loss: Box::new(Distance) }];
//! let mut method = Method { networks, losses, optimizer };
//!
//! let stem = |method: &Method| -> Result<Vec<f32>> {
//!     Ok(method.networks.online().tensors()["backbone.stem.conv.weight"].flatten_all()?.to_vec1()?)
//! };
//! let before = stem(&method)?;
//! let mut totals = Vec::new();
//! for number in 0..2 {
//!     let now = Step { number, steps_per_epoch: 2, ..Step::default() };
//!     let rates = Rates { lr: 0.05, momentum: 0.99 };
//!     totals.push(step(&mut method, &[batches.make(number)?], now, rates)?.total);
//! }
//! assert!(totals.len() == 2 && totals.iter().all(|total| total.is_finite() && *total > 0.0));
//! assert_ne!(stem(&method)?, before);
//! # Ok::<(), anyhow::Error>(())
//! ```

pub mod assemble;
mod data;
pub mod error;
mod evaluation;
mod losses;
pub mod networks;
pub mod proposals;
pub mod recipe;
pub mod registry;
mod training;
pub mod views;

// One name for each thing. Modules of the private rooms are named at the root: they are what plugins use most. The public rooms
// hold their items and modules themselves. `recipe` names the settings of all rooms.
pub use data::{below, dataset, identity, image_file, skipped};
pub use evaluation::{canvas, diagnostics, evaluate, online_probe};
pub use losses::{contrast, loss, memory, similarity, transport};
pub use training::{checkpoint, event, step, trainer};
pub use univip_nn as nn;
pub use univip_stdx::{
    config, counted, digest, files, json_file, pool, printable, seed, tally, text_file, toml_text, vectorised,
};
pub use univip_vision::{corners, geometry, metrics, whole_pixels};

#[doc(hidden)]
pub use inventory;
