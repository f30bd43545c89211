//! Lists the recipes and scales, which the binary embeds: it can then be moved anywhere.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let mut files = Vec::new();
    for folder in ["recipes", "scales"] {
        collect(Path::new(folder), &mut files)?;
    }
    files.sort();
    let root = env::current_dir()?;
    let mut list = String::from("&[\n");
    for file in files {
        let (name, path) = (file.display().to_string(), root.join(&file).display().to_string());
        // Writing into a string cannot fail.
        let _ = writeln!(list, "    ({name:?}, include_str!({path:?})),");
    }
    list.push_str("]\n");
    let out = env::var_os("OUT_DIR").map(PathBuf::from).unwrap_or_default();
    fs::write(out.join("embedded.rs"), list)
}

/// Every TOML file below a folder. A new file changes the folder, which cargo watches.
fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    println!("cargo::rerun-if-changed={}", folder.display());
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|end| end == "toml") {
            files.push(path);
        }
    }
    Ok(())
}
