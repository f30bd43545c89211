//! `cargo xtask check-cuda`: whether the workspace compiles for CUDA, on a machine that needs no GPU.
//!
//! candle's CUDA backend compiles kernels with `nvcc`. NVIDIA publishes it for Python, so a virtual environment has
//! all that is needed.

use crate::spawn::{self, cargo_program};
use anyhow::{Context, Result, bail, ensure};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

/// `nvcc` and what it includes and links, of one release.
const PACKAGES: [&str; 5] = [
    "nvidia-cuda-nvcc==13.0.88",
    "nvidia-cuda-cccl<13.1",
    "nvidia-cuda-crt<13.1",
    "nvidia-cuda-runtime<13.1",
    "nvidia-nvvm<13.1",
];

/// The options of the check.
#[derive(clap::Args)]
pub struct Options {
    /// The Python that makes the virtual environment
    #[arg(long, default_value = "python3")]
    pub python: PathBuf,
    /// The directory of the environment and of all that is compiled; `cuda` beside `release` in the target directory unless told
    #[arg(long)]
    pub directory: Option<PathBuf>,
    /// The compute capability that kernels are compiled for, without its point
    #[arg(long, default_value = "80")]
    pub capability: String,
}

/// Makes the environment if it is not there, then checks the whole workspace with the feature `cuda`.
pub fn check(options: &Options) -> Result<u8> {
    let directory = match &options.directory {
        Some(directory) => directory.clone(),
        None => spawn::beside("../cuda")?,
    };
    std::fs::create_dir_all(&directory).with_context(|| format!("making {}", directory.display()))?;
    let directory = directory.canonicalize().with_context(|| directory.display().to_string())?;
    let environment = directory.join("venv");
    let toolkit = match find_toolkit(&environment) {
        Some(toolkit) => toolkit,
        None => {
            install(&options.python, &environment)?;
            find_toolkit(&environment).with_context(|| {
                format!("{} has no nvidia/cu13/bin/nvcc after the installation", environment.display())
            })?
        }
    };
    eprintln!("checking with {}", toolkit.join("bin/nvcc").display());
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml");
    let status = Command::new(cargo_program())
        .args(["check", "--workspace", "--features", "univip-experiments/cuda", "--manifest-path", manifest])
        .env("CARGO_TARGET_DIR", directory.join("target"))
        .env("CUDA_HOME", &toolkit)
        .env("CUDA_PATH", &toolkit)
        .env("CUDA_ROOT", &toolkit)
        .env("CUDA_COMPUTE_CAP", &options.capability)
        .env("PATH", in_front(&toolkit.join("bin"))?)
        .status()
        .context("starting cargo")?;
    ensure!(status.success(), "the workspace does not compile with the feature cuda (see above)");
    eprintln!("the workspace compiles with the feature cuda");
    Ok(0)
}

/// The directory with `bin/nvcc` in a virtual environment.
fn find_toolkit(environment: &Path) -> Option<PathBuf> {
    let versions =
        std::fs::read_dir(environment.join("lib")).ok()?.filter_map(|entry| Some(entry.ok()?.path()));
    let mut toolkits = versions.map(|version| version.join("site-packages/nvidia/cu13"));
    toolkits.find(|toolkit| toolkit.join("bin/nvcc").exists())
}

fn install(python: &Path, environment: &Path) -> Result<()> {
    eprintln!("making {} with {}", environment.display(), PACKAGES.join(", "));
    let made = Command::new(python).args(["-m", "venv"]).arg(environment).status();
    match made {
        Ok(status) if status.success() => {}
        Ok(_) => bail!(
            "{} cannot make a virtual environment (see above): install its venv module, or name another \
             Python with --python",
            python.display()
        ),
        Err(error) => {
            bail!("{} does not start ({error}): install Python 3, or name it with --python", python.display())
        }
    }
    let pip = Command::new(environment.join("bin/python"))
        .args(["-m", "pip", "install", "--quiet"])
        .args(PACKAGES)
        .status()
        .context("starting pip")?;
    ensure!(pip.success(), "pip could not install {} (see above)", PACKAGES.join(", "));
    Ok(())
}

/// PATH with `first` in front.
fn in_front(first: &Path) -> Result<OsString> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let all = std::iter::once(first.to_path_buf()).chain(std::env::split_paths(&path));
    std::env::join_paths(all).with_context(|| format!("{} cannot be in PATH", first.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_toolkit_is_found_where_nvcc_is() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(find_toolkit(directory.path()), None);
        let expected = directory.path().join("lib/python3.11/site-packages/nvidia/cu13");
        std::fs::create_dir_all(expected.join("bin")).unwrap();
        assert_eq!(find_toolkit(directory.path()), None, "a directory without nvcc");
        std::fs::write(expected.join("bin/nvcc"), "").unwrap();
        assert_eq!(find_toolkit(directory.path()), Some(expected));
    }

    #[test]
    fn a_python_that_cannot_help_is_named_with_what_to_do() {
        let directory = tempfile::tempdir().unwrap();
        for python in ["no-such-python", "false"] {
            let error = install(Path::new(python), &directory.path().join("venv")).unwrap_err().to_string();
            assert!(error.contains(python) && error.contains("--python"), "{error}");
        }
    }
}
