//! A bench's lines as Markdown, CSV and a picture: ours beside a peer, pair by pair.

use super::files::write;
use crate::compare::bench_case::{Case, ratio};
use crate::show::text::{TextColumn, TextTable, Width, wrap};
use crate::show::{escape, plot};
use anyhow::{Context, Result, bail};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The first line: what was measured, and where.
#[derive(Debug, Deserialize)]
struct Head {
    bench: String,
    machine: String,
    load: Option<f64>,
    images: String,
    missing: Option<String>,
}

/// One measurement of one side.
#[derive(Debug, Deserialize)]
struct Line {
    case: String,
    side: String,
    pair: usize,
    seconds: f64,
    peak_bytes: f64,
    version: String,
    /// The seconds of each part, where a case has some.
    #[serde(default)]
    parts: BTreeMap<String, f64>,
}

/// Writes `NAME.md`, `NAME.csv` and `NAME.svg` beside a file of lines; the text for a terminal, and the files.
///
/// # Errors
/// When the file is missing or holds anything else.
pub fn bench(path: &Path, width: Width) -> Result<(String, Vec<PathBuf>)> {
    let context = || format!("reading the bench {}", path.display());
    let text = fs::read_to_string(path).with_context(context)?;
    let (first, rest) = text.split_once('\n').with_context(context)?;
    let head: Head = serde_json::from_str(first).with_context(context)?;
    let lines: Vec<Line> =
        rest.lines().map(serde_json::from_str).collect::<Result<_, _>>().with_context(context)?;
    let cases = cases(&lines)?;
    let (table, parts) = (table(&cases), parts_table(&cases));
    let shown = |words: &dyn Fn(&str) -> String, show: &dyn Fn(&TextTable) -> String| {
        let parts = parts.as_ref().map_or(String::new(), |parts| format!("\n{}", show(parts)));
        let missing = head.missing.as_ref().map_or(String::new(), |why| format!("\n\n**{}**", words(why)));
        format!("{}{missing}\n\n{}\n{}\n{parts}", words(&describe(&head, &lines)), show(&table), words(NOTE))
    };
    let name = escape::markdown(&head.bench);
    let markdown = format!("# Bench {name}\n\n{}", shown(&escape::markdown, &TextTable::markdown));
    let files = [
        (path.with_extension("md"), markdown),
        (path.with_extension("csv"), csv(&cases)),
        (path.with_extension("svg"), plot::seconds(&head.bench, &cases)),
    ];
    for (path, content) in &files {
        write(path, content.as_bytes())?;
    }
    Ok((
        shown(&|text| wrap(text, width.words), &|table| table.terminal(width.table)),
        files.map(|(path, _)| path).to_vec(),
    ))
}

const NOTE: &str = "Medians over the pairs, measured in turns; a ratio is ours over the peer's, the median of \
                    each pair's. Memory: the most beyond what was there before.";

fn describe(head: &Head, lines: &[Line]) -> String {
    let mut versions: Vec<&str> = lines.iter().map(|line| line.version.as_str()).collect();
    versions.sort_unstable();
    versions.dedup();
    let load = head.load.map_or(String::new(), |load| format!(", load {load:.1} before it began"));
    format!("{}{load}; {}; {} images.", head.machine, versions.join(", "), head.images)
}

/// The cases in the order of their first lines.
fn cases(lines: &[Line]) -> Result<Vec<Case>> {
    let mut names: Vec<&str> = Vec::new();
    for line in lines {
        if !names.contains(&line.case.as_str()) {
            names.push(&line.case);
        }
    }
    let mut cases = Vec::new();
    for name in names {
        let of = |side: &str| -> Vec<&Line> {
            lines.iter().filter(|line| line.case == name && line.side == side).collect()
        };
        let (ours, peers) = (of("ours"), of("peer"));
        let side = |lines: &[&Line]| {
            let seconds = median(lines.iter().map(|line| line.seconds).collect());
            seconds.zip(median(lines.iter().map(|line| line.peak_bytes).collect()))
        };
        let Some(our_side) = side(&ours) else { bail!("the case `{name}` was not measured on our side") };
        let ratio = |value: fn(&Line) -> f64| {
            let pairs = peers.iter().filter_map(|peer| {
                let ours = ours.iter().find(|ours| ours.pair == peer.pair)?;
                Some(value(ours) / value(peer))
            });
            median(pairs.collect())
        };
        cases.push(Case {
            name: name.into(),
            ours: our_side,
            peer: side(&peers),
            ratio: ratio(|line| line.seconds),
            memory_ratio: ratio(|line| line.peak_bytes).filter(|ratio| ratio.is_finite()),
            pairs: ours.len(),
            parts: parts(&ours),
        });
    }
    Ok(cases)
}

/// The median of each part, in the order of their names.
fn parts(lines: &[&Line]) -> Vec<(String, f64)> {
    let names: BTreeSet<&String> = lines.iter().flat_map(|line| line.parts.keys()).collect();
    let of = |name: &String| lines.iter().filter_map(|line| line.parts.get(name).copied()).collect();
    names.into_iter().filter_map(|name| Some((name.clone(), median(of(name))?))).collect()
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        length if length % 2 == 1 => Some(values[middle]),
        _ => Some((values[middle - 1] + values[middle]) / 2.0),
    }
}

fn table(cases: &[Case]) -> TextTable {
    let column = |head: &str, number: bool, cell: &dyn Fn(&Case) -> String| TextColumn {
        head: head.into(),
        cells: cases.iter().map(cell).collect(),
        number,
        spare: 0,
    };
    let maybe = |value: Option<f64>, shown: &dyn Fn(f64) -> String| value.map_or("–".into(), shown);
    let megabytes = |bytes: f64| format!("{:.1}", bytes / 1e6);
    TextTable {
        columns: vec![
            column("case", false, &|case| case.name.clone()),
            column("ours, ms", true, &|case| milliseconds(case.ours.0)),
            column("peer, ms", true, &|case| maybe(case.peer.map(|peer| peer.0), &milliseconds)),
            column("ratio", true, &|case| maybe(case.ratio, &ratio)),
            column("ours, MB", true, &|case| megabytes(case.ours.1)),
            column("peer, MB", true, &|case| maybe(case.peer.map(|peer| peer.1), &megabytes)),
            column("ratio", true, &|case| maybe(case.memory_ratio, &ratio)),
            column("pairs", true, &|case| case.pairs.to_string()),
        ],
    }
}

/// Milliseconds, with more digits where they would all be zeros.
fn milliseconds(seconds: f64) -> String {
    let digits = if seconds < 1e-4 { 3 } else { 1 };
    format!("{:.digits$}", seconds * 1e3)
}

/// The time of the parts of each case, in milliseconds and as shares of all parts; none where no case has parts.
fn parts_table(cases: &[Case]) -> Option<TextTable> {
    let with_parts: Vec<&Case> = cases.iter().filter(|case| !case.parts.is_empty()).collect();
    let names: BTreeSet<&String> =
        with_parts.iter().flat_map(|case| case.parts.iter().map(|(name, _)| name)).collect();
    let cell = |case: &Case, name: &String| {
        let all: f64 = case.parts.iter().map(|(_, seconds)| seconds).sum();
        let part = case.parts.iter().find(|(part, _)| part == name);
        part.map_or("–".into(), |(_, seconds)| {
            format!("{:.1} ({:.0}%)", seconds * 1e3, 100.0 * seconds / all.max(1e-12))
        })
    };
    let column =
        |head: String, number: bool, cells: Vec<String>| TextColumn { head, cells, number, spare: 0 };
    let mut columns =
        vec![column("ours, ms".into(), false, with_parts.iter().map(|case| case.name.clone()).collect())];
    columns.extend(names.into_iter().map(|name| {
        // A part begins with its number, which is there for the order.
        let head = name.trim_start_matches(|c: char| c.is_ascii_digit() || c == ' ');
        column(head.into(), true, with_parts.iter().map(|case| cell(case, name)).collect())
    }));
    (!with_parts.is_empty()).then_some(TextTable { columns })
}

fn csv(cases: &[Case]) -> String {
    let mut text =
        "case,ours_seconds,peer_seconds,ratio,ours_peak_bytes,peer_peak_bytes,memory_ratio,pairs\n"
            .to_string();
    let maybe = |value: Option<f64>| value.map_or(String::new(), |value| value.to_string());
    for Case { name, ours, peer, ratio, memory_ratio, pairs, .. } in cases {
        let (seconds, bytes) = (maybe(peer.map(|peer| peer.0)), maybe(peer.map(|peer| peer.1)));
        let (ratio, memory_ratio) = (maybe(*ratio), maybe(*memory_ratio));
        let name = quoted(&escape::cell(name));
        text += &format!("{name},{},{seconds},{ratio},{},{bytes},{memory_ratio},{pairs}\n", ours.0, ours.1);
    }
    text
}

/// A cell as a CSV file can hold it.
fn quoted(cell: &str) -> String {
    if cell.contains([',', '"']) { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(side: &str, pair: usize, seconds: f64) -> Line {
        let (case, version) = ("fast".to_string(), "1".to_string());
        Line { case, side: side.into(), pair, seconds, peak_bytes: 1e6, version, parts: BTreeMap::new() }
    }

    #[test]
    fn ratios_are_taken_pair_by_pair() {
        // The machine slows down from pair to pair: the medians of the sides would say 2 / 20 = 1/10 as well, but
        // the ratios 1/10, 1/5 and 1/12 have the median 1/10.
        let sides = [("ours", [1.0, 4.0, 2.0]), ("peer", [10.0, 20.0, 24.0])];
        let lines: Vec<Line> =
            sides.iter().flat_map(|(side, times)| (0..3).map(|pair| line(side, pair, times[pair]))).collect();
        let [case] = cases(&lines).unwrap().try_into().unwrap();
        assert_eq!((case.ratio, case.ours.0, case.pairs), (Some(0.1), 2.0, 3));
        assert_eq!(csv(&[case]).lines().nth(1), Some("fast,2,20,0.1,1000000,1000000,1,3"));
    }

    #[test]
    fn a_small_ratio_keeps_two_digits() {
        for (value, shown) in
            [(1.5, "1.50"), (0.95, "0.95"), (0.1, "0.10"), (0.058, "0.058"), (0.0043, "0.0043")]
        {
            assert_eq!(ratio(value), shown);
        }
    }

    #[test]
    fn without_a_peer_ours_stands_alone_and_the_reason_above_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("proposals.jsonl");
        let head =
            r#"{"bench":"proposals","machine":"m","load":null,"images":"drawn","missing":"no OpenCV"}"#;
        let line = r#"{"case":"fast","side":"ours","pair":0,"seconds":0.25,"peak_bytes":5e6,"version":"1"}"#;
        fs::write(&path, format!("{head}\n{line}\n")).unwrap();
        let (text, files) = bench(&path, Width::of_terminal(80)).unwrap();
        assert!(text.contains("no OpenCV") && text.contains("250.0"), "{text}");
        assert!(files.iter().all(|file| file.exists()) && files.len() == 3);
        assert!(fs::read_to_string(&files[1]).unwrap().ends_with("fast,0.25,,,5000000,,,1\n"));
    }

    #[test]
    fn a_file_of_something_else_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("other.jsonl");
        fs::write(&path, "{}\n{}\n").unwrap();
        assert!(bench(&path, Width::of_terminal(80)).unwrap_err().to_string().contains("other.jsonl"));
    }
}
