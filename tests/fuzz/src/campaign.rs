//! Targets one after the other, each in a process that is watched.

use crate::targets::Target;
use crate::worker::Summary;
use anyhow::{Context, Result};
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

/// The settings of a campaign.
pub struct Campaign {
    /// Processor time for each target.
    pub time: Duration,
    pub seed: u64,
    /// This input alone.
    pub only: Option<PathBuf>,
    /// The directory for the inputs of findings.
    pub findings: PathBuf,
}

/// No input of any target waits so long, on any machine: one that computes is ended by the worker itself, long before.
const STUCK: Duration = Duration::from_secs(600);

impl Campaign {
    /// Reads a target's inputs and prints what became of them; whether nothing was found.
    pub fn run(&self, target: &Target) -> Result<bool> {
        let directory = tempfile::tempdir().context("making a temporary directory")?;
        let summary = self.watched(target, directory.path())?;
        let Summary { inputs, accepted, most_bytes, longest, seconds, finding } = summary;
        println!(
            "{:<18} {inputs:>9} inputs in {seconds:>5.1} s, {accepted:>8} accepted, at most {:>6.2} MB and {:>6.1} ms",
            target.name,
            most_bytes as f64 / 1e6,
            longest * 1e3,
        );
        if let Some(finding) = &finding {
            self.keep(target, &directory.path().join(target.place), finding)?;
        }
        Ok(finding.is_none())
    }

    fn watched(&self, target: &Target, directory: &Path) -> Result<Summary> {
        let (out, err) = (tempfile::NamedTempFile::new()?, tempfile::NamedTempFile::new()?);
        let mut command = Command::new(std::env::current_exe().context("finding this program")?);
        command.args(["--worker", target.name, "--seed", &self.seed.to_string()]);
        command.arg("--seconds").arg(self.time.as_secs_f64().to_string());
        command.arg("--directory").arg(directory);
        if let Some(only) = &self.only {
            command.arg("--input").arg(only);
        }
        let mut child =
            command.stdout(File::create(out.path())?).stderr(File::create(err.path())?).spawn()?;
        let ended = wait(&mut child, &directory.join(target.place))?;
        let said = fs::read_to_string(out.path())?;
        if ended.is_some_and(|status| status.success()) {
            return serde_json::from_str(&said)
                .with_context(|| format!("{}: what the reader said", target.name));
        }
        let complaint = fs::read_to_string(err.path()).unwrap_or_default();
        let complaint = complaint.trim().lines().last().unwrap_or("it said nothing").to_string();
        let finding = match ended {
            Some(status) => format!("the process ended ({status}): {complaint}"),
            None => format!("was still read after {} s", STUCK.as_secs()),
        };
        Ok(Summary { finding: Some(finding), ..Summary::default() })
    }

    fn keep(&self, target: &Target, input: &Path, finding: &str) -> Result<()> {
        let bytes = fs::read(input).with_context(|| format!("{}: {finding}", target.name))?;
        fs::create_dir_all(&self.findings).with_context(|| format!("making {}", self.findings.display()))?;
        let digest: String = Sha256::digest(&bytes)[..4].iter().map(|byte| format!("{byte:02x}")).collect();
        let kept = self.findings.join(format!("{}-{digest}", target.name));
        fs::write(&kept, &bytes).with_context(|| format!("writing {}", kept.display()))?;
        println!("  found: {finding}");
        println!("  input: {} ({} bytes)", kept.display(), bytes.len());
        println!("  again: cargo xtask fuzz {} --input {}", target.name, kept.display());
        Ok(())
    }
}

/// Until the process ends; none of one that was ended because it wrote no new input for too long.
fn wait(child: &mut Child, input: &Path) -> Result<Option<ExitStatus>> {
    let (mut last, mut since) = (None, Instant::now());
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        let written = fs::metadata(input).and_then(|input| input.modified()).ok();
        if written != last {
            (last, since) = (written, Instant::now());
        }
        if since.elapsed() > STUCK {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}
