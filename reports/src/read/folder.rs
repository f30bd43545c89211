//! The directory of a run or of plans: on disk, or within a results file.

use super::results_file::ResultsFile;
use anyhow::{Context, Result};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A directory whose files can be read.
#[derive(Debug, Clone)]
pub struct Folder {
    /// Where it is; within a results file that file's path comes first.
    path: PathBuf,
    within: Option<Arc<ResultsFile>>,
}

impl Folder {
    /// A directory on disk.
    pub fn on_disk(path: &Path) -> Self {
        Self { path: path.to_path_buf(), within: None }
    }

    /// Directories of runs, and results files, each of which stands for one.
    ///
    /// # Errors
    /// When one is a file and no results file.
    pub fn roots(paths: &[PathBuf]) -> Result<Vec<Self>> {
        let root = |path: &PathBuf| -> Result<Self> {
            let within = if path.is_file() { Some(Arc::new(ResultsFile::read(path)?)) } else { None };
            Ok(Self { path: path.clone(), within })
        };
        paths.iter().map(root).collect()
    }

    /// Its path, for messages and as its identity.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its own name.
    pub fn name(&self) -> &str {
        self.path.file_name().and_then(|name| name.to_str()).unwrap_or_default()
    }

    /// The bytes of one of its files.
    ///
    /// # Errors
    /// Of kind `NotFound` where it has no such file.
    pub fn read(&self, file: &str) -> io::Result<Vec<u8>> {
        match &self.within {
            None => fs::read(self.path.join(file)),
            Some(results) => results.file(self.name(), file).ok_or_else(|| io::ErrorKind::NotFound.into()),
        }
    }

    /// The directory of this name in it, there or not.
    pub fn folder(&self, name: &str) -> Self {
        Self { path: self.path.join(name), within: self.within.clone() }
    }

    /// The text of one of its files.
    ///
    /// # Errors
    /// Naming the file, when it cannot be read or is not UTF-8.
    pub fn read_text(&self, file: &str) -> Result<String> {
        let path = || self.path.join(file).display().to_string();
        let bytes = self.read(file).with_context(|| format!("reading {}", path()))?;
        String::from_utf8(bytes).with_context(|| format!("{} is not UTF-8", path()))
    }

    /// The directories in it, sorted by name.
    ///
    /// # Errors
    /// When it cannot be listed.
    pub fn folders(&self) -> Result<Vec<Self>> {
        if let Some(results) = &self.within {
            return Ok(results.folders().map(|name| self.folder(name)).collect());
        }
        let directories = self.entries()?.into_iter().filter(|path| path.is_dir());
        Ok(directories.map(|path| Self { path, within: None }).collect())
    }

    /// The names of its files, sorted; none of a directory that is not there.
    ///
    /// # Errors
    /// When it cannot be listed.
    pub fn files(&self) -> Result<Vec<String>> {
        if let Some(results) = &self.within {
            return Ok(results.files(self.name()).map(String::from).collect());
        }
        if !self.path.is_dir() {
            return Ok(Vec::new());
        }
        let name = |path: PathBuf| Some(path.file_name()?.to_str()?.to_string());
        Ok(self.entries()?.into_iter().filter(|path| path.is_file()).filter_map(name).collect())
    }

    fn entries(&self) -> Result<Vec<PathBuf>> {
        let listing = || format!("listing {}", self.path.display());
        let mut paths = Vec::new();
        for entry in fs::read_dir(&self.path).with_context(listing)? {
            paths.push(entry.with_context(listing)?.path());
        }
        paths.sort();
        Ok(paths)
    }
}
