//! Our side of `cargo xtask bench step`: training steps on noise.
//!
//! - `bench_step cases` lists the cases, one JSON line each: `{"case", "peer"}`.
//! - `bench_step prepare DIRECTORY` does nothing: a step needs no files.
//! - `bench_step run CASE DIRECTORY` measures one case, and prints one JSON line: `{"case", "seconds", "peak_bytes",
//!   "version", "parts"}`, the median seconds of a step, the most memory that the process took beyond what was there before
//!   the network, and for a whole step of the method the seconds of each of its parts.

use anyhow::{Context, Result, bail};
use candle_core::{Device, Tensor};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Instant;
use univip_core::features::Needs;
use univip_core::loader::Batch;
use univip_core::loss::LossContext;
use univip_core::networks::Networks;
use univip_core::nn::{Backbone, Mode, Parameters};
use univip_core::optim::{Gradients, Optimizer};
use univip_core::pool::in_pool;
use univip_core::recipe::{BackboneKind, NetworkSettings, OptimizerSettings, Recipe, Sources};
use univip_core::registry::{Kind, Registry};
use univip_core::step::{Rates, WeightedLoss, needs, step};
use univip_core::target;
use univip_experiments::prepare_process;
use univip_plugins as _;

/// What is measured beside the peer.
const PAIRED: [&str; 6] = [
    "resnet18 w32 b32 64px",
    "resnet18 w64 b16 96px",
    "resnet18 w64 b8 224px",
    "resnet50 w64 b8 224px",
    "univip-small w16 b64 64px k4",
    "univip-paper w64 b8 224px k4",
];

/// How the cost grows with the side of the image, the batch and K.
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
    let (seconds, parts) = match case.split('-').next() {
        Some("univip") => {
            let mut method = Method::new(case)?;
            let seconds = median_seconds(|| method.step())?;
            let peak = memory("VmHWM:");
            (seconds, (peak, method.parts()?))
        }
        _ => {
            let mut step = backbone_step(case)?;
            let seconds = in_pool(|| median_seconds(&mut step))?;
            (seconds, (memory("VmHWM:"), BTreeMap::new()))
        }
    };
    let (peak, parts) = parts;
    let version = concat!("univip ", env!("CARGO_PKG_VERSION"));
    let mut line = serde_json::json!({
        "case": case, "seconds": seconds, "peak_bytes": peak.saturating_sub(before), "version": version,
    });
    if !parts.is_empty() {
        line["parts"] = serde_json::to_value(parts)?;
    }
    println!("{line}");
    Ok(())
}

/// Two steps to warm up, then as many as fit into some seconds, three at least.
fn median_seconds(mut step: impl FnMut() -> Result<()>) -> Result<f64> {
    let mut seconds = Vec::new();
    let begin = Instant::now();
    while seconds.len() < 5 || (seconds.len() < 30 && begin.elapsed().as_secs_f64() < 6.0) {
        let start = Instant::now();
        step()?;
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

fn noise(batch: usize, side: usize) -> Result<Tensor> {
    Ok(Tensor::randn(0f32, 1.0, (batch, side, side, 3), &Device::Cpu)?)
}

/// Forward, backward and SGD of a backbone.
fn backbone_step(case: &str) -> Result<impl FnMut() -> Result<()> + use<>> {
    let backbone = match case.split(' ').next() {
        Some("resnet18") => BackboneKind::ResNet18,
        Some("resnet50") => BackboneKind::ResNet50,
        _ => bail!("unknown case `{case}`"),
    };
    let images = noise(number(case, "b")?, number(case, "px")?)?;
    let settings = NetworkSettings { backbone, width: number(case, "w")?, ..NetworkSettings::default() };
    let parameters = Parameters::new(0, &Device::Cpu);
    let network = Backbone::new(&settings, &parameters.trainable())?;
    let settings = OptimizerSettings { momentum: 0.9, weight_decay: 1e-4, ..OptimizerSettings::default() };
    let mut optimizer = Optimizer::new(&settings, &parameters)?;
    Ok(move || {
        let loss = network.forward(&images, Mode::Train { groups: 1 })?.sqr()?.mean_all()?;
        optimizer.step(&Gradients::of(&mut loss.backward()?, &parameters), 1e-3)
    })
}

/// UniVIP as Table 7(e), or only its scene loss where K is 0.
struct Method {
    networks: Networks,
    losses: Vec<WeightedLoss>,
    optimizer: Optimizer,
    batch: Batch,
}

const RATES: Rates = Rates { lr: 1e-3, momentum: 0.99 };

impl Method {
    fn new(case: &str) -> Result<Self> {
        let scale = case.split(['-', ' ']).nth(1).context("a case names a scale")?;
        let experiments = Path::new(env!("CARGO_MANIFEST_DIR"));
        let recipe = Recipe::load(&Sources {
            path: experiments.join("recipes/table7/e.toml"),
            scale: Some(scale.into()),
            scales: experiments.join("scales"),
            ..Sources::default()
        })?;
        let settings = recipe.settings;
        let [batch, side, instances] = [number(case, "b")?, number(case, "px")?, number(case, "k")?];
        let network = NetworkSettings { width: number(case, "w")?, ..settings.network };
        let networks = Networks::new(&network, 0, &Device::Cpu)?;
        let registry = Registry::linked()?;
        let names: &[&str] =
            if instances == 0 { &["scene"] } else { &["scene", "scene-instance", "instance"] };
        let build = |name: &&str| {
            let parameters = networks.online().trainable().enter("loss").enter(name);
            let context = LossContext { parameters, feature_size: network.output, instances };
            let plugin = registry.get(Kind::Loss, name, "bench", "losses.use")?;
            let table = univip_core::recipe::Table::of("");
            let (needs, loss) = (plugin.needs(&table)?, plugin.loss(&table, context)?);
            Ok(WeightedLoss { name: name.to_string(), weight: 1.0, needs, loss })
        };
        let losses = names.iter().map(build).collect::<Result<_>>()?;
        let crops = || -> Result<_> {
            match instances {
                0 => Ok(None),
                _ => Ok(Some(noise(batch * instances, settings.views.instance_size as usize)?)),
            }
        };
        let batch = Batch {
            scenes: noise(2 * batch, side)?,
            online_instances: crops()?,
            target_instances: crops()?,
            instances,
            ids: (0..batch).map(|place| place.to_string()).collect(),
            skipped: Vec::new(),
        };
        let optimizer = Optimizer::new(&settings.optimizer, networks.online())?;
        Ok(Self { networks, losses, optimizer, batch })
    }

    fn step(&mut self) -> Result<()> {
        let Self { networks, losses, optimizer, batch } = self;
        step(networks, losses, optimizer, std::slice::from_ref(batch), RATES).map(drop)
    }

    /// The seconds of each part of a step, medians of a few.
    fn parts(&mut self) -> Result<BTreeMap<String, f64>> {
        let Self { networks, losses, optimizer, batch } = self;
        let mut seconds: BTreeMap<String, Vec<f64>> = BTreeMap::new();
        let asked = needs(losses);
        for _ in 0..3 {
            let mut note = |part: &str, seconds_of: f64| {
                seconds.entry(part.into()).or_default().push(seconds_of);
            };
            let start = Instant::now();
            drop(in_pool(|| networks.features(batch, Needs::default()))?);
            let scenes = start.elapsed().as_secs_f64();
            note("1 scenes, forward", scenes);
            let start = Instant::now();
            let features = in_pool(|| networks.features(batch, asked))?;
            note("2 instances, forward", (start.elapsed().as_secs_f64() - scenes).max(0.0));
            let start = Instant::now();
            let mut total: Option<Tensor> = None;
            for each in losses.iter() {
                let value = each.loss.compute(&features)?.value;
                total = Some(match total {
                    Some(total) => (total + value)?,
                    None => value,
                });
            }
            let total = total.context("no losses")?;
            note("3 losses", start.elapsed().as_secs_f64());
            let start = Instant::now();
            let gradients = Gradients::of(&mut in_pool(|| total.backward())?, networks.online());
            note("4 backward", start.elapsed().as_secs_f64());
            let start = Instant::now();
            in_pool(|| optimizer.step(&gradients, RATES.lr))?;
            note("5 optimiser", start.elapsed().as_secs_f64());
            let start = Instant::now();
            in_pool(|| target::update(networks.target(), networks.online(), RATES.momentum))?;
            note("6 moving average", start.elapsed().as_secs_f64());
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
