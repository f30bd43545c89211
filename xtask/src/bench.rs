//! `cargo xtask bench`: ours beside a peer, measured in turns.
//!
//! Each side is a process that measures one case and prints a JSON line `{"case", "seconds", "peak_bytes",
//! "version"}`. Our side is an example, which also says what cases there are (`cases`) and draws their input
//! (`prepare DIRECTORY`); the peer's is a Python script beside it. A bench is one more entry of [`BENCHES`].

use crate::spawn;
use crate::usage::Usage;
use anyhow::{Context, Result, bail, ensure};
use clap::builder::PossibleValuesParser;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Ours and a peer.
struct Bench {
    name: &'static str,
    /// The example that is our side.
    ours: &'static str,
    /// The peer's script; `requirements.txt` lies beside it.
    peer: &'static str,
    /// The module that the script imports.
    import: &'static str,
}

const BENCHES: &[Bench] = &[
    Bench {
        name: "eval",
        ours: "bench_eval",
        peer: "core/vision/bench/eval.py",
        import: "faster_coco_eval, pycocotools",
    },
    Bench {
        name: "proposals",
        ours: "bench_proposals",
        peer: "plugins/proposals/selective-search/bench/opencv.py",
        import: "cv2.ximgproc.segmentation",
    },
    Bench {
        name: "step",
        ours: "bench_step",
        peer: "experiments/bench/step.py",
        import: "torchvision.models.resnet",
    },
    Bench {
        name: "data",
        ours: "bench_data",
        peer: "experiments/bench/data.py",
        import: "torchvision.transforms",
    },
];

/// The options of a bench.
#[derive(clap::Args)]
pub struct Options {
    /// The bench
    #[arg(value_parser = PossibleValuesParser::new(BENCHES.iter().map(|bench| bench.name)))]
    pub name: String,
    /// The number of measurements of each side, in turns
    #[arg(long, default_value_t = 3)]
    pub pairs: usize,
    /// A directory of images, instead of drawn ones; every one of them is measured
    #[arg(long)]
    pub images: Option<PathBuf>,
    /// The Python that has the peer
    #[arg(long, default_value = "python3")]
    pub python: PathBuf,
    /// The directory of the results
    #[arg(long, default_value = "reports/out/bench")]
    pub out: PathBuf,
}

/// Measures, writes every line to `NAME.jsonl`, and has the reports show it.
pub fn bench(options: &Options) -> Result<u8> {
    let bench = BENCHES.iter().find(|bench| bench.name == options.name);
    let bench = bench.with_context(|| format!("unknown bench `{}`", options.name))?;
    ensure!(options.pairs > 0, Usage("--pairs 0 measures nothing".into()));
    spawn::build()?;
    spawn::build_example(bench.ours)?;
    let workspace = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    let script = workspace.join(bench.peer);
    let ours = spawn::beside(Path::new("examples").join(bench.ours))?;
    fs::create_dir_all(&options.out).with_context(|| format!("making {}", options.out.display()))?;
    let images = match &options.images {
        Some(images) => images.clone(),
        None => {
            let images = options.out.join(format!("{}-input", bench.name));
            lines(Command::new(&ours).arg("prepare").arg(&images))?;
            images
        }
    };
    let missing = missing(&options.python, bench.import, &script);
    if let Some(missing) = &missing {
        eprintln!("{missing}");
    }
    let mut records = vec![json!({
        "bench": bench.name,
        "machine": machine(),
        "load": load(),
        "images": match &options.images { Some(_) => "given", None => "drawn" },
        "missing": missing,
    })];
    for case in lines(Command::new(&ours).arg("cases"))? {
        let name = case["case"].as_str().context("our side lists a case without a name")?;
        let with_peer = case["peer"] == true && missing.is_none();
        for pair in 0..options.pairs {
            let mut sides = vec![("ours", Command::new(&ours))];
            sides[0].1.arg("run");
            if with_peer {
                let mut peer = Command::new(&options.python);
                peer.arg(&script);
                sides.push(("peer", peer));
            }
            for (side, mut command) in sides {
                eprintln!("{name}, {side}, {} of {}", pair + 1, options.pairs);
                for mut line in lines(command.arg(name).arg(&images))? {
                    line["side"] = side.into();
                    line["pair"] = pair.into();
                    records.push(line);
                }
            }
        }
    }
    let path = options.out.join(format!("{}.jsonl", bench.name));
    let text: String = records.iter().map(|record| format!("{record}\n")).collect();
    fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
    spawn::run("univip-reports", &["bench".to_string(), path.display().to_string()])
}

/// The reason why the peer cannot be measured, and the remedy.
fn missing(python: &Path, import: &str, script: &Path) -> Option<String> {
    let probe = format!("import {}; {import}", import.split('.').next().unwrap_or(import));
    let tried =
        Command::new(python).args(["-c", &probe]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    let requirements = script.with_file_name("requirements.txt");
    let install = format!(
        "only ours is measured; for the peer: python3 -m venv venv && venv/bin/pip install -r {}, then --python \
         venv/bin/python",
        requirements.display()
    );
    match tried {
        Ok(status) if status.success() => None,
        Ok(_) => Some(format!("{} has no {import}: {install}", python.display())),
        Err(error) => Some(format!("{} does not start ({error}): {install}", python.display())),
    }
}

/// The JSON lines that a command prints.
fn lines(command: &mut Command) -> Result<Vec<Value>> {
    let output = command.stderr(Stdio::inherit()).output();
    let output = output.with_context(|| format!("starting {}", command.get_program().display()))?;
    if !output.status.success() {
        bail!("{} failed (see above)", command.get_program().display());
    }
    let text = String::from_utf8(output.stdout).context("a side printed what is no text")?;
    text.lines().map(|line| serde_json::from_str(line).with_context(|| format!("no JSON: {line}"))).collect()
}

fn machine() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = text.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let name = name.map_or(std::env::consts::ARCH, |(_, name)| name);
    format!("{name}, {} threads", std::thread::available_parallelism().map_or(1, usize::from))
}

/// The load of the last minute before the bench, where the system tells: what else ran.
fn load() -> Option<f64> {
    let text = fs::read_to_string("/proc/loadavg").ok()?;
    text.split(' ').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_python_without_the_peer_is_named_with_what_to_install() {
        let script = Path::new("bench/opencv.py");
        for python in ["no-such-python", "false"] {
            let said = missing(Path::new(python), "cv2.ximgproc", script).unwrap();
            assert!(said.contains(python) && said.contains("bench/requirements.txt"), "{said}");
        }
        assert_eq!(missing(Path::new("true"), "cv2.ximgproc", script), None);
    }

    #[test]
    fn the_files_of_every_bench_are_there() {
        let workspace = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
        for bench in BENCHES {
            let script = workspace.join(bench.peer);
            assert!(script.exists() && script.with_file_name("requirements.txt").exists(), "{}", bench.name);
        }
    }
}
