//! A results file: what a report reads of a directory of runs, in one Parquet file.

use anyhow::{Context, Result, ensure};
use polars::prelude::{
    Column, DataFrame, IntoColumn, NamedFrom, ParquetCompression, ParquetReader, ParquetWriter, SerReader,
    Series,
};
use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

/// The columns, all of text: a line of the file `file` in the directory `folder`, with its line break. The lines of a file are in
/// order; of an empty one there is an empty line.
const COLUMNS: [&str; 3] = ["folder", "file", "line"];

/// Text files by directory and name.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ResultsFile {
    folders: BTreeMap<String, BTreeMap<String, String>>,
}

impl ResultsFile {
    /// Reads a file that [`ResultsFile::bytes`] made.
    ///
    /// # Errors
    /// When it cannot be read, is no Parquet file, or has other columns.
    pub fn read(path: &Path) -> Result<Self> {
        let file = File::open(path).with_context(|| format!("reading {}", path.display()))?;
        let not_one = || {
            let shown = path.display();
            format!(
                "{shown} is no results file: name a directory of runs, or a file of `univip-reports pack`"
            )
        };
        let frame = ParquetReader::new(file).finish().with_context(not_one)?;
        let found: Vec<&str> = frame.get_column_names().into_iter().map(|name| name.as_str()).collect();
        ensure!(found == COLUMNS, "{}; its columns are {}", not_one(), found.join(", "));
        let column = |name: &str| -> Result<_> {
            let column = frame.column(name)?.str().with_context(not_one)?;
            Ok(column.iter().map(Option::unwrap_or_default).collect::<Vec<&str>>())
        };
        let [folders, files, lines] = [column("folder")?, column("file")?, column("line")?];
        let mut results = Self::default();
        for ((folder, file), line) in folders.into_iter().zip(files).zip(lines) {
            let text = results.folders.entry(folder.into()).or_default().entry(file.into()).or_default();
            text.push_str(line);
        }
        Ok(results)
    }

    /// Puts a file into a directory.
    pub fn add(&mut self, folder: &str, file: &str, text: String) {
        self.folders.entry(folder.into()).or_default().insert(file.into(), text);
    }

    /// The file as Parquet. The same contents are the same bytes.
    ///
    /// # Errors
    /// When Polars cannot write it, which is a fault of this program.
    pub fn bytes(&self) -> Result<Vec<u8>> {
        let lines: Vec<[&str; 3]> = (self.folders.iter())
            .flat_map(|(folder, files)| files.iter().map(move |(file, text)| (folder, file, text)))
            .flat_map(|(folder, file, text)| {
                let empty = text.is_empty().then_some("");
                text.split_inclusive('\n').chain(empty).map(move |line| [folder.as_str(), file, line])
            })
            .collect();
        let column = |index: usize| -> Column {
            let texts: Vec<&str> = lines.iter().map(|line| line[index]).collect();
            Series::new(COLUMNS[index].into(), texts).into_column()
        };
        let mut frame = DataFrame::new(lines.len(), (0..3).map(column).collect())
            .context("making the frame of a results file")?;
        let mut bytes = Vec::new();
        let writer = ParquetWriter::new(&mut bytes).with_compression(ParquetCompression::Zstd(None));
        writer.finish(&mut frame).context("writing a results file")?;
        Ok(bytes)
    }

    /// The names of the directories, sorted.
    pub fn folders(&self) -> impl Iterator<Item = &str> {
        self.folders.keys().map(String::as_str)
    }

    /// The names of the files of a directory, sorted.
    pub fn files(&self, folder: &str) -> impl Iterator<Item = &str> {
        self.folders.get(folder).into_iter().flat_map(|files| files.keys().map(String::as_str))
    }

    /// The bytes of a file.
    pub fn file(&self, folder: &str, file: &str) -> Option<Vec<u8>> {
        Some(self.folders.get(folder)?.get(file)?.clone().into_bytes())
    }
}
