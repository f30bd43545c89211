//! No circle of files or folders, read off the `use` lines.

use crate::imports::{Crate, Module};
use anyhow::{Context, Result, ensure};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use univip_tests::workspace;

/// Names that use each other, by the name of each.
type Graph = BTreeMap<String, BTreeSet<String>>;

#[test]
fn no_files_or_folders_go_in_a_circle() -> Result<()> {
    let mut found = Vec::new();
    for source in sources()? {
        let name = source.strip_prefix(workspace().canonicalize()?)?.display().to_string();
        let files = Crate::read(&source)?;
        for (folder, graph) in by_folder(&files) {
            let place = [name.clone(), folder].join("/");
            found.extend(circles(&graph).into_iter().map(|names| format!("{place} {}", names.join(" "))));
        }
    }
    ensure!(found.is_empty(), "these use each other in a circle: {found:#?}");
    Ok(())
}

/// The rooms of a crate, each of which uses only rooms before it.
const ROOMS: [(&str, &[&str]); 3] = [
    (
        "core/src",
        &[
            "error",
            "data",
            "proposals",
            "views",
            "networks",
            "losses",
            "evaluation",
            "registry",
            "training",
            "recipe",
            "assemble",
        ],
    ),
    (
        "experiments/src",
        &[
            "output",
            "figures",
            "usage",
            "stored",
            "system",
            "observers",
            "runs",
            "plan",
            "boxes",
            "data_check",
            "export",
            "commands",
        ],
    ),
    ("reports/src", &["read", "frame", "compare", "show", "pack", "report"]),
];

#[test]
fn rooms_use_only_rooms_before_them() -> Result<()> {
    for (source, rooms) in ROOMS {
        let files = Crate::read(&workspace().join(source))?;
        let order = |name: &str| {
            let place = rooms.iter().position(|room| *room == name);
            place.with_context(|| format!("{source}/{name} is no room: add it to ROOMS"))
        };
        // The root names all rooms, and is named for its macros alone.
        let root = |name: &String| ["lib", "main"].contains(&name.as_str());
        for (user, used) in by_folder(&files).remove("").unwrap_or_default() {
            for used in used.iter().filter(|used| !root(&user) && !root(used)) {
                ensure!(
                    order(used)? < order(&user)?,
                    "{source}/{user} uses {source}/{used}, which stands behind it"
                );
            }
        }
    }
    Ok(())
}

/// The `src` of every crate.
fn sources() -> Result<Vec<PathBuf>> {
    let root = workspace().canonicalize()?;
    let mut sources: Vec<PathBuf> = [
        "core",
        "core/stdx",
        "core/vision",
        "core/nn",
        "experiments",
        "experiments/run-format",
        "reports",
        "xtask",
    ]
    .map(|path| root.join(path).join("src"))
    .into();
    sources.extend(
        crate::plugin_directories()?
            .iter()
            .map(|path| Ok(path.canonicalize()?.join("src")))
            .collect::<Result<Vec<_>>>()?,
    );
    Ok(sources)
}

/// In each folder, which of its files and folders uses which other one. A folder's own `mod.rs` is `mod`.
fn by_folder(files: &Crate) -> BTreeMap<String, Graph> {
    let mut graphs: BTreeMap<String, Graph> = BTreeMap::new();
    for (user, used) in files.edges() {
        for used in used {
            let [one, other] = [&user, &used].map(|module| place(files, module));
            let shared = one.iter().zip(&other).take_while(|(one, other)| one == other).count();
            let folder = one[..shared].join("/");
            let graph = graphs.entry(folder).or_default();
            graph.entry(one[shared].clone()).or_default().insert(other[shared].clone());
        }
    }
    graphs
}

/// The folders of a file and its name, without its ending; `x/mod` of `x.rs` beside `x/`.
fn place(files: &Crate, module: &Module) -> Vec<String> {
    let file = files.file(module).with_extension("");
    let mut place: Vec<String> = file.iter().map(|part| part.to_string_lossy().into_owned()).collect();
    if place == *module && files.has_inner(module) {
        place.push("mod".into());
    }
    place
}

/// The groups of names each of which reaches all others of its group, sorted.
fn circles(graph: &Graph) -> Vec<Vec<String>> {
    let reached = |start: &String| {
        let mut seen: BTreeSet<String> = BTreeSet::new();
        let mut open = vec![start.clone()];
        while let Some(name) = open.pop() {
            for next in graph.get(&name).into_iter().flatten() {
                if seen.insert(next.clone()) {
                    open.push(next.clone());
                }
            }
        }
        seen
    };
    let reach: BTreeMap<&String, BTreeSet<String>> = graph.keys().map(|name| (name, reached(name))).collect();
    let mut groups: BTreeSet<Vec<String>> = BTreeSet::new();
    for (name, seen) in &reach {
        if seen.contains(*name) {
            let back = |other: &&String| reach.get(*other).is_some_and(|seen| seen.contains(*name));
            groups.insert(seen.iter().filter(back).cloned().collect());
        }
    }
    groups.into_iter().collect()
}

#[test]
fn a_circle_is_found_and_a_line_is_none() {
    let graph = |edges: &[(&str, &str)]| {
        let mut graph = Graph::new();
        for (one, other) in edges {
            graph.entry(one.to_string()).or_default().insert(other.to_string());
        }
        circles(&graph)
    };
    assert!(graph(&[("a", "b"), ("b", "c"), ("a", "c")]).is_empty());
    assert_eq!(graph(&[("a", "b"), ("b", "c"), ("c", "a"), ("c", "d")]), [["a", "b", "c"]]);
}
