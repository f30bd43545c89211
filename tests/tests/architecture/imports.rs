//! The dependencies between the files of a crate, read off their `use` lines and the paths in their code.

use anyhow::{Context, Result};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// A module's path from the root of its crate; empty for the root itself.
pub type Module = Vec<String>;

/// The modules of one crate that are files.
pub struct Crate {
    files: BTreeMap<Module, Source>,
}

/// One file.
struct Source {
    /// From the crate's `src`.
    file: PathBuf,
    /// The code before its tests, without comments.
    code: String,
    uses: Vec<Use>,
}

/// One name that a `use` brings in.
#[derive(Debug, Clone, PartialEq)]
struct Use {
    path: Vec<String>,
    /// The name in this module; `*` for all.
    name: String,
    public: bool,
}

impl Crate {
    /// Reads every file below `src`.
    pub fn read(src: &Path) -> Result<Self> {
        let mut files = BTreeMap::new();
        collect(src, src, &mut files)?;
        Ok(Self { files })
    }

    /// The file of a module, from the crate's `src`.
    pub fn file(&self, module: &Module) -> &Path {
        &self.files[module].file
    }

    /// Modules inside of this one are files.
    pub fn has_inner(&self, module: &Module) -> bool {
        self.files.keys().any(|other| other.len() > module.len() && other.starts_with(module))
    }

    /// The files that each file uses. What a file only passes on (`pub use`) is no use of it: whoever names it there uses
    /// the file that defines it.
    pub fn edges(&self) -> BTreeMap<Module, BTreeSet<Module>> {
        let edges = self.files.iter().map(|(module, source)| {
            let private = source.uses.iter().filter(|each| !each.public).map(|each| each.path.clone());
            let paths = private.chain(inline_paths(&source.code));
            let mut used: BTreeSet<Module> =
                paths.filter_map(|path| self.resolve(module, &path, 0)).collect();
            used.remove(module);
            (module.clone(), used)
        });
        edges.collect()
    }

    /// The file that defines what `path` names in `module`; none when it is another crate's.
    fn resolve(&self, module: &Module, path: &[String], depth: usize) -> Option<Module> {
        // Names that pass each other on in a circle do not compile.
        if depth > 16 {
            return None;
        }
        let mut at = module.clone();
        let mut rest = path;
        match path.first()?.as_str() {
            "crate" => (at, rest) = (Module::new(), &path[1..]),
            "self" => rest = &path[1..],
            "super" => {}
            first => {
                let mut child = module.clone();
                child.push(first.into());
                if !self.files.contains_key(&child) {
                    return None;
                }
            }
        }
        while rest.first().is_some_and(|part| part == "super") {
            at.pop()?;
            rest = &rest[1..];
        }
        while let [name, inner @ ..] = rest {
            let mut child = at.clone();
            child.push(name.clone());
            if self.files.contains_key(&child) {
                (at, rest) = (child, inner);
                continue;
            }
            let source = &self.files[&at];
            if let Some(passed) = source.uses.iter().find(|each| each.name == *name) {
                let path = [&passed.path, inner].concat();
                let own_name =
                    passed.path.first().is_some_and(|first| first == name) && passed.path.len() == 1;
                return if own_name { None } else { self.resolve(&at, &path, depth + 1) };
            }
            for glob in source.uses.iter().filter(|each| each.name == "*") {
                let from = self.resolve(&at, &glob.path, depth + 1);
                if let Some(from) = from.filter(|from| self.files[from].defines(name)) {
                    return Some(from);
                }
            }
            break;
        }
        Some(at)
    }
}

impl Source {
    fn defines(&self, name: &str) -> bool {
        let kinds = ["struct", "enum", "fn", "trait", "const", "static", "type", "macro_rules!"];
        kinds.iter().any(|kind| {
            self.code.match_indices(&format!("{kind} {name}")).any(|(at, found)| {
                !self.code[at + found.len()..].starts_with(|next: char| next.is_alphanumeric() || next == '_')
            })
        })
    }
}

fn collect(src: &Path, directory: &Path, files: &mut BTreeMap<Module, Source>) -> Result<()> {
    for entry in fs::read_dir(directory).with_context(|| directory.display().to_string())? {
        let path = entry?.path();
        if path.is_dir() {
            collect(src, &path, files)?;
        } else if path.extension().is_some_and(|end| end == "rs") {
            let file = path.strip_prefix(src)?.to_path_buf();
            let mut module: Module =
                file.with_extension("").iter().map(|part| part.to_string_lossy().into_owned()).collect();
            let root = module.len() == 1 && ["lib", "main"].contains(&module[0].as_str());
            if root || module.last().is_some_and(|last| last == "mod") {
                module.pop();
            }
            let text = fs::read_to_string(&path)?;
            let code = ["#[cfg(test)]", "mod tests {"]
                .iter()
                .fold(text.as_str(), |code, tests| code.split(tests).next().unwrap_or_default());
            let code = without_comments(code);
            let uses = uses(&code);
            files.insert(module, Source { file, code, uses });
        }
    }
    Ok(())
}

fn without_comments(text: &str) -> String {
    let code = |line: &str| line.split("//").next().unwrap_or_default().to_string();
    text.lines().map(code).collect::<Vec<_>>().join("\n")
}

/// The names of all `use` statements.
fn uses(code: &str) -> Vec<Use> {
    let mut found = Vec::new();
    for statement in code.split(';') {
        let Some(line) = statement.lines().position(|line| use_line(line).is_some()) else { continue };
        let text: Vec<&str> = statement.lines().skip(line).collect();
        let text = text.join(" ");
        let Some((public, tree)) = use_line(&text) else { continue };
        let tree: String =
            tree.replace(" as ", "@").chars().filter(|letter| !letter.is_whitespace()).collect();
        expand(&[], &tree, public, &mut found);
    }
    found
}

/// The visibility of the `use` that a line begins, and the text behind the word.
fn use_line(line: &str) -> Option<(bool, &str)> {
    let line = line.trim_start();
    let (public, rest) = match line.strip_prefix("pub") {
        Some(rest) => (true, rest.trim_start_matches(|letter: char| letter != ' ').trim_start()),
        None => (false, line),
    };
    Some((public, rest.strip_prefix("use ")?))
}

/// `a::{b, c::d@e}`, below `prefix`.
fn expand(prefix: &[String], tree: &str, public: bool, found: &mut Vec<Use>) {
    if let Some((head, group)) = tree.split_once('{') {
        let mut path = prefix.to_vec();
        path.extend(head.split("::").filter(|part| !part.is_empty()).map(String::from));
        let group = group.strip_suffix('}').unwrap_or(group);
        let (mut depth, mut start) = (0, 0);
        for (at, letter) in group.char_indices() {
            match letter {
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' if depth == 0 => {
                    expand(&path, &group[start..at], public, found);
                    start = at + 1;
                }
                _ => {}
            }
        }
        expand(&path, &group[start..], public, found);
        return;
    }
    if tree.is_empty() {
        return;
    }
    let (names, alias) = tree.split_once('@').map_or((tree, None), |(names, alias)| (names, Some(alias)));
    let mut path = prefix.to_vec();
    path.extend(names.split("::").filter(|part| !part.is_empty()).map(String::from));
    // `a::{self}` is `a`.
    if path.len() > 1 && path.last().is_some_and(|last| last == "self") {
        path.pop();
    }
    let mut name = alias.or(path.last().map(String::as_str)).unwrap_or_default().to_string();
    if path.last().is_some_and(|last| last == "*") {
        path.pop();
        name = "*".into();
    }
    found.push(Use { path, name, public });
}

/// The paths in code, outside of `use` statements.
fn inline_paths(code: &str) -> impl Iterator<Item = Vec<String>> + '_ {
    let in_use = |line: &&str| use_line(line).is_none();
    let words = code.lines().filter(in_use).flat_map(|line| {
        line.split(|letter: char| !(letter.is_alphanumeric() || letter == '_' || letter == ':'))
    });
    words
        .filter(|word| word.contains("::"))
        .map(|word| word.split("::").filter(|part| !part.is_empty()).map(String::from).collect())
}

#[test]
fn a_use_is_read_name_by_name() {
    let found =
        uses("use crate::a::{self, b::C as D, e::{F, g}};\npub use h::*;\nfn f() {}\npub(super) use i::J;");
    let shown: Vec<String> =
        found.iter().map(|each| format!("{} {} {}", each.path.join("::"), each.name, each.public)).collect();
    let expected = [
        "crate::a a false",
        "crate::a::b::C D false",
        "crate::a::e::F F false",
        "crate::a::e::g g false",
        "h * true",
        "i::J J true",
    ];
    assert_eq!(shown, expected);
}
