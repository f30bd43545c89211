//! Our side of `cargo xtask bench step`: training steps on noise.
//!
//! - `bench_step cases` lists the cases, one JSON line each: `{"case", "peer"}`.
//! - `bench_step prepare DIRECTORY` does nothing: a step needs no files.
//! - `bench_step run CASE DIRECTORY` measures one case, and prints one JSON line: `{"case", "seconds", "peak_bytes",
//!   "version", "parts"}`, the median seconds of a step, the most memory that the process took beyond what was there before
//!   the network, and for a whole step of the method the seconds of each of its parts.
//!
//! Built with the feature `cuda` it measures on the GPU, whose memory is counted then.

use anyhow::{Context, Result, bail};
use candle_core::{Device, Tensor};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Instant;
use univip_core::assemble::{Assembly, DataFacts};
use univip_core::loss::Step;
use univip_core::networks::target;
use univip_core::nn::optim::{Gradients, Optimizer};
use univip_core::nn::{Mode, Parameters};
use univip_core::pool::in_pool;
use univip_core::recipe::{OptimizerSettings, Recipe, Sources};
use univip_core::registry::Registry;
use univip_core::step::{Method, Rates, step};
use univip_core::views::{Batch, Facts};
use univip_experiments::{device, prepare_process};
use univip_plugins as _;

/// The cases that are measured beside the peer: a backbone, or METHOD-SCALE, then width, batch, side and instances.
const PAIRED: [&str; 9] = [
    "resnet18 w32 b32 64px",
    "resnet18 w64 b16 96px",
    "resnet18 w64 b8 224px",
    "resnet50 w64 b8 224px",
    "univip-small w16 b64 64px k4",
    "univip-paper w64 b8 224px k4",
    "simclr-small w16 b64 64px",
    "moco-v2-small w16 b64 64px",
    "dense-cl-small w16 b64 64px",
];

/// Cases that show how the cost grows with the side of the image, the batch and K.
const GROWTH: [&str; 9] = [
    "resnet18 w64 b8 64px",
    "resnet18 w64 b8 128px",
    "resnet18 w64 b8 256px",
    "resnet18 w64 b16 64px",
    "resnet18 w64 b32 64px",
    "univip-small w16 b64 64px k0",
    "univip-small w16 b64 64px k2",
    "univip-small w16 b64 64px k8",
    "univip-paper w64 b8 224px k0",
];

fn main() -> Result<()> {
    prepare_process();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["cases"] => {
            let cases = PAIRED.iter().map(|case| (case, true)).chain(GROWTH.iter().map(|case| (case, false)));
            for (case, peer) in cases {
                println!("{}", serde_json::json!({ "case": case, "peer": peer }));
            }
        }
        ["prepare", _] => {}
        ["run", case, _] => run(case)?,
        _ => bail!("usage: bench_step cases | prepare DIRECTORY | run CASE DIRECTORY"),
    }
    Ok(())
}

fn run(case: &str) -> Result<()> {
    let before = memory("VmRSS:");
    let device = device::best()?;
    let peak = || device::peak_memory(&device).unwrap_or_else(|| memory("VmHWM:").saturating_sub(before));
    let (seconds, peak, parts) = match case.split(' ').next().and_then(|name| name.rsplit_once('-')) {
        Some((name, scale)) => {
            let mut method = MethodStep::new(name, scale, case, &device)?;
            let seconds = median_seconds(&device, || method.step())?;
            let parts = if name == UNIVIP { method.parts(&device)? } else { BTreeMap::new() };
            (seconds, peak(), parts)
        }
        None => {
            let mut step = backbone_step(case, &device)?;
            let seconds = in_pool(|| median_seconds(&device, &mut step))?;
            (seconds, peak(), BTreeMap::new())
        }
    };
    let version = concat!("univip ", env!("CARGO_PKG_VERSION"));
    let mut line =
        serde_json::json!({ "case": case, "seconds": seconds, "peak_bytes": peak, "version": version });
    if !parts.is_empty() {
        line["parts"] = serde_json::to_value(parts)?;
    }
    println!("{line}");
    Ok(())
}

/// Two steps to warm up, then as many as fit into some seconds, three at least.
fn median_seconds(device: &Device, mut step: impl FnMut() -> Result<()>) -> Result<f64> {
    let mut seconds = Vec::new();
    let begin = Instant::now();
    while seconds.len() < 5 || (seconds.len() < 30 && begin.elapsed().as_secs_f64() < 6.0) {
        let start = Instant::now();
        step()?;
        device.synchronize()?;
        seconds.push(start.elapsed().as_secs_f64());
    }
    let measured = &mut seconds[2..];
    measured.sort_by(f64::total_cmp);
    Ok(measured[measured.len() / 2])
}

/// The number before or after `unit` in a case.
fn number(case: &str, unit: &str) -> Result<usize> {
    let strip = |word: &str| word.strip_prefix(unit).or(word.strip_suffix(unit))?.parse().ok();
    case.split(' ').find_map(strip).with_context(|| format!("the case `{case}` has no `{unit}`"))
}

fn noise(batch: usize, side: usize, device: &Device) -> Result<Tensor> {
    Ok(Tensor::randn(0f32, 1.0, (batch, side, side, 3), device)?)
}

/// Forward, backward and SGD of a backbone.
fn backbone_step(case: &str, device: &Device) -> Result<impl FnMut() -> Result<()> + use<>> {
    let (name, width) = (case.split(' ').next().unwrap_or_default(), number(case, "w")?);
    let known = Registry::linked()?.architectures();
    let plan = known.iter().map(|of_width| of_width(width)).find(|plan| plan.name() == name);
    let plan = plan.with_context(|| format!("unknown case `{case}`"))?;
    let images = noise(number(case, "b")?, number(case, "px")?, device)?;
    let parameters = Parameters::new(0, device);
    let network = plan.build(&parameters.trainable())?;
    let settings = OptimizerSettings { momentum: 0.9, weight_decay: 1e-4, ..OptimizerSettings::default() };
    let mut optimizer = Optimizer::new(&settings, &parameters)?;
    Ok(move || {
        let loss = network.forward(&images, Mode::Train { groups: 1 })?.sqr()?.mean_all()?;
        optimizer.step(&Gradients::of(&mut loss.backward()?, &parameters), 1e-3)
    })
}

/// Table 7(e), or only its scene loss where K is 0; other methods are called after their recipes.
const UNIVIP: &str = "univip";

/// The whole step of a method.
struct MethodStep {
    method: Method,
    batch: Batch,
}

const RATES: Rates = Rates { lr: 1e-3, momentum: 0.99 };

impl MethodStep {
    fn new(name: &str, scale: &str, case: &str, device: &Device) -> Result<Self> {
        let [batch, side] = [number(case, "b")?, number(case, "px")?];
        let mut sets =
            vec![format!("network.width={}", number(case, "w")?), format!("views.scene_size={side}")];
        let mut file = format!("recipes/methods/{name}.toml");
        if name == UNIVIP {
            let instances = number(case, "k")?;
            sets.push(format!("views.instances={instances}"));
            sets.extend((instances == 0).then(|| "losses.use=[\"scene\"]".into()));
            file = "recipes/table7/e.toml".into();
        }
        let experiments = Path::new(env!("CARGO_MANIFEST_DIR"));
        let recipe = Recipe::load(&Sources {
            path: experiments.join(file),
            scale: Some(scale.into()),
            scales: experiments.join("scales"),
            sets,
            ..Sources::default()
        })?;
        let registry = Registry::linked()?;
        let parts = Assembly::new(&recipe, &registry);
        let groups = parts.view_sampler()?.groups();
        let networks = parts.networks(groups.clone(), 0, device)?;
        let losses = parts.losses(&networks, &DataFacts { groups: &groups, images: batch, classes: 0 })?;
        let images = groups.iter().map(|group| {
            Ok((group.name.clone(), noise(batch * group.views(), group.size as usize, device)?))
        });
        let batch = Batch {
            groups: images.collect::<Result<_>>()?,
            facts: Facts { indices: (0..batch).collect(), ..Facts::default() },
            ids: (0..batch).map(|place| place.to_string()).collect(),
            skipped: Vec::new(),
        };
        let optimizer = Optimizer::new(&recipe.settings.optimizer, networks.online())?;
        Ok(Self { method: Method { networks, losses, optimizer }, batch })
    }

    fn step(&mut self) -> Result<()> {
        step(&mut self.method, std::slice::from_ref(&self.batch), Step::default(), RATES)?;
        Ok(())
    }

    /// The seconds of each part of a step, medians of a few.
    fn parts(&mut self, device: &Device) -> Result<BTreeMap<String, f64>> {
        let Self { method: Method { networks, losses, optimizer }, batch } = self;
        let mut seconds: BTreeMap<String, Vec<f64>> = BTreeMap::new();
        for _ in 0..3 {
            let mut note = |part: &str, seconds_of: f64| {
                seconds.entry(part.into()).or_default().push(seconds_of);
            };
            let start = Instant::now();
            let features = in_pool(|| networks.features(batch))?;
            device.synchronize()?;
            note("1 forward", start.elapsed().as_secs_f64());
            let start = Instant::now();
            let mut total: Option<Tensor> = None;
            for each in losses.iter() {
                let value = each.loss.compute(&features, &Step::default())?.value;
                total = Some(match total {
                    Some(total) => (total + value)?,
                    None => value,
                });
            }
            let total = total.context("no losses")?;
            device.synchronize()?;
            note("2 losses", start.elapsed().as_secs_f64());
            let start = Instant::now();
            let gradients = Gradients::of(&mut in_pool(|| total.backward())?, networks.online());
            device.synchronize()?;
            note("3 backward", start.elapsed().as_secs_f64());
            let start = Instant::now();
            in_pool(|| optimizer.step(&gradients, RATES.lr))?;
            device.synchronize()?;
            note("4 optimiser", start.elapsed().as_secs_f64());
            let start = Instant::now();
            in_pool(|| target::update(networks.target(), networks.online(), RATES.momentum))?;
            device.synchronize()?;
            note("5 moving average", start.elapsed().as_secs_f64());
        }
        let median = |mut values: Vec<f64>| {
            values.sort_by(f64::total_cmp);
            values[values.len() / 2]
        };
        Ok(seconds.into_iter().map(|(part, values)| (part, median(values))).collect())
    }
}

fn memory(field: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse::<u64>().map_or(0, |kib| kib * 1024)
}
