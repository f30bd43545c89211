//! No function is longer than a screen, and none takes more parameters than a reader keeps apart.

use super::sources;
use anyhow::{Context, Result};
use std::collections::BTreeSet;
use std::fs;
use univip_tests::workspace;

/// Lines of a function, from `fn` to its closing brace.
const LONGEST: usize = 60;

/// Parameters of a function, `self` aside.
const MOST_PARAMETERS: usize = 5;

/// Functions that are longer, as `file: name`. None may come to them.
const LONG: &[&str] = &[];

/// Functions that take more, as `file: name`. None may come to them.
const WIDE: &[&str] = &[
    // The signatures are those of candle's traits.
    "core/nn/src/ops/computed.rs: cpu_fwd",
    "core/nn/src/ops/computed.rs: cuda_fwd",
    "core/nn/src/ops/map.rs: cpu_fwd",
    "core/nn/src/ops/update.rs: cpu_fwd",
    // To take what `ops::batch_norm` takes.
    "core/nn/src/ops/composed.rs: batch_norm",
    "core/nn/src/ops/composed.rs: synchronised_batch_norm",
];

#[test]
fn no_function_is_longer_than_a_screen() -> Result<()> {
    let long = |file: &str, function: &Function| {
        let told = format!("{file}: {}", function.name);
        (function.lines > LONGEST).then_some(told)
    };
    compare("lines", LONGEST, LONG, &found(long)?)
}

#[test]
fn no_function_takes_more_parameters_than_a_reader_keeps_apart() -> Result<()> {
    let wide = |file: &str, function: &Function| {
        let told = format!("{file}: {}", function.name);
        let own = file.contains("/src/") && !function.is_test;
        (own && function.parameters > MOST_PARAMETERS).then_some(told)
    };
    compare("parameters", MOST_PARAMETERS, WIDE, &found(wide)?)
}

fn compare(what: &str, most: usize, known: &[&str], found: &BTreeSet<String>) -> Result<()> {
    let known: BTreeSet<String> = known.iter().map(ToString::to_string).collect();
    let new: Vec<_> = found.difference(&known).collect();
    let mended: Vec<_> = known.difference(found).collect();
    assert!(
        new.is_empty(),
        "more than {most} {what}: {new:#?}\nSplit them into named pieces, or name a struct"
    );
    assert!(mended.is_empty(), "these are within {most} {what} now: take them off the list: {mended:#?}");
    Ok(())
}

/// The functions of the workspace's own crates that `chosen` names.
fn found(chosen: impl Fn(&str, &Function) -> Option<String>) -> Result<BTreeSet<String>> {
    let root = workspace().canonicalize()?;
    let mut files = Vec::new();
    for folder in ["core", "plugins", "experiments", "reports", "tests", "xtask"] {
        sources(&root.join(folder), &mut files)?;
    }
    let mut found = BTreeSet::new();
    for file in files {
        let name = file.strip_prefix(&root)?.to_string_lossy().into_owned();
        if name.contains("vendor/") || name.contains("target/") {
            continue;
        }
        let text = fs::read_to_string(&file).with_context(|| name.clone())?;
        found.extend(functions(&text).iter().filter_map(|function| chosen(&name, function)));
    }
    Ok(found)
}

struct Function {
    name: String,
    lines: usize,
    parameters: usize,
    is_test: bool,
}

/// The functions of a file as rustfmt leaves it: one ends with the first brace that is indented as its first line is.
fn functions(text: &str) -> Vec<Function> {
    let lines: Vec<&str> = text.lines().collect();
    let one = |start: usize| {
        let line = lines[start];
        let indent = &line[..line.len() - line.trim_start().len()];
        let name = name(line.trim_start())?;
        let end = format!("{indent}}}");
        let one_line = line.ends_with('}') || line.ends_with(';');
        let length = if one_line { 1 } else { lines[start..].iter().position(|line| **line == end)? + 1 };
        let attributes = lines[..start].iter().rev().take_while(|line| line.trim_start().starts_with("#["));
        let is_test = attributes.clone().any(|line| line.trim() == "#[test]");
        Some(Function { name, lines: length, parameters: parameters(&lines[start..].join("\n")), is_test })
    };
    (0..lines.len()).filter_map(one).collect()
}

/// The name of the function that a line begins.
fn name(line: &str) -> Option<String> {
    let (before, rest) = line.split_once("fn ")?;
    let words = before.split_whitespace();
    let begins =
        words.clone().all(|word| word.starts_with("pub") || ["const", "unsafe", "async"].contains(&word));
    let name: String = rest.chars().take_while(|letter| letter.is_alphanumeric() || *letter == '_').collect();
    (begins && !name.is_empty()).then_some(name)
}

/// The parameters of the function that a text begins with, `self` aside.
fn parameters(text: &str) -> usize {
    let (mut depth, mut angles, mut list) = (0, 0, None::<String>);
    let mut before = ' ';
    let (_, text) = text.split_once("fn ").unwrap_or(("", text));
    for letter in text.chars() {
        match letter {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth -= 1,
            '<' => angles += 1,
            '>' if before != '-' => angles -= 1,
            _ => {}
        }
        before = letter;
        match &mut list {
            None if letter == '(' && angles == 0 => list = Some(String::new()),
            None => {}
            Some(_) if depth == 0 => break,
            Some(list) if letter == ',' && (depth > 1 || angles > 0) => list.push(' '),
            Some(list) => list.push(letter),
        }
    }
    let list = list.unwrap_or_default();
    let each = list.split(',').map(str::trim).filter(|each| !each.is_empty());
    each.filter(|each| !each.split(':').next().is_some_and(|name| name.ends_with("self"))).count()
}

#[test]
fn functions_are_measured_as_they_are_written() {
    let text = "
/// fn of_a_comment(a: u8)
pub(crate) fn short<T: Fn(u8, u8) -> u8>(&self, [a, b]: [u8; 2], map: BTreeMap<u8, u8>) -> u8 {
    0
}

fn one_line(x: u8) -> u8 { x }

    #[test]
    #[ignore]
    const fn inner(
        mut self,
        text: &str,
        each: impl FnMut(u8, &str),
    ) {
        fn nested() {}
        if text.is_empty() {
        }
    }
";
    let found: Vec<_> = functions(text)
        .into_iter()
        .map(|function| (function.name, function.lines, function.parameters, function.is_test))
        .collect();
    let expected =
        [("short", 3, 2, false), ("one_line", 1, 1, false), ("inner", 9, 2, true), ("nested", 1, 0, false)];
    assert_eq!(found, expected.map(|(name, lines, count, test)| (name.to_string(), lines, count, test)));
}
