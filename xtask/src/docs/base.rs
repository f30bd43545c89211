//! `base.toml`: the value of each key and the source beside it.

use std::collections::BTreeMap;

/// A value with the comment beside it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Stated {
    /// As the file has it.
    pub value: String,
    /// The comment; that of the table's head where the value has none.
    pub source: String,
}

/// The values of a recipe by dotted key.
pub fn stated(text: &str) -> BTreeMap<String, Stated> {
    let mut all: BTreeMap<String, Stated> = BTreeMap::new();
    let (mut table, mut of_table, mut last) = (String::new(), String::new(), None::<String>);
    for line in text.lines() {
        let (code, comment) = split(line);
        if let Some(name) = code.strip_prefix('[').and_then(|code| code.strip_suffix(']')) {
            (table, of_table, last) = (name.into(), comment.into(), None);
        } else if let Some((key, value)) = code.split_once('=') {
            let key = format!("{table}.{}", key.trim());
            let source = if comment.is_empty() { of_table.clone() } else { comment.into() };
            all.insert(key.clone(), Stated { value: value.trim().into(), source });
            last = Some(key);
        } else if code.is_empty() && line.starts_with(' ') {
            // A comment that goes on below its value.
            let before = last.as_ref().and_then(|key| all.get_mut(key));
            before.into_iter().for_each(|stated| stated.source += &format!(" {comment}"));
        } else {
            last = None;
        }
    }
    all
}

/// The code of a line and its comment.
fn split(line: &str) -> (&str, &str) {
    let mut quoted = false;
    for (at, letter) in line.char_indices() {
        match letter {
            '"' => quoted = !quoted,
            '#' if !quoted => return (line[..at].trim(), line[at + 1..].trim()),
            _ => {}
        }
    }
    (line.trim(), "")
}

#[test]
fn a_value_has_its_comment_or_that_of_its_table() {
    let text = "# Head.\n[a]\nb = \"x # y\"  # one,\n       # and more\nc = 1\n\n[a.d]  # all\ne = 2\nf = 3  # own\n";
    let found: Vec<_> =
        stated(text).into_iter().map(|(key, stated)| (key, stated.value, stated.source)).collect();
    let expected = [
        ("a.b", "\"x # y\"", "one, and more"),
        ("a.c", "1", ""),
        ("a.d.e", "2", "all"),
        ("a.d.f", "3", "own"),
    ];
    assert_eq!(found, expected.map(|(key, value, source)| (key.into(), value.into(), source.into())));
}
