//! Properties of figment 0.10 that recipes rely on, wrong answers included: a failure here after an upgrade means that
//! `core/src/recipe` can be simpler.

use figment::Figment;
use figment::providers::{Format, Toml};
use serde::Deserialize;

#[derive(Debug, Deserialize, PartialEq)]
struct Pair {
    pair: [f64; 2],
}

fn layered(text: &str) -> Figment {
    Figment::from(Toml::string(text))
}

/// FIXME(figment): an element too many should be an error. `Table::read` looks for it.
#[test]
fn a_list_too_long_is_cut_silently() {
    let cut: Pair = layered("pair = [1, 2, 3]").extract().expect("no error");
    assert_eq!(cut, Pair { pair: [1.0, 2.0] });
}

/// `Table` reads focused figments and puts the prefix back: a focused error must not have it already.
#[test]
fn an_error_in_a_focused_table_has_the_path_inside_it() {
    let figment = layered("[a.b]\npair = \"x\"");
    let error = figment.focus("a.b").extract::<Pair>().expect_err("a wrong type");
    assert_eq!(error.path, ["pair"]);
}

/// FIXME(figment): the segments should be in order. `Table` does not use `extract_inner` for it.
#[test]
fn extract_inner_turns_the_path_round() {
    let figment = layered("[a.b]\npair = \"x\"");
    let error = figment.extract_inner::<Pair>("a.b").expect_err("a wrong type");
    assert_eq!(error.path, ["pair", "a", "b"]);
}

/// FIXME(figment): what is no table should be an error. `Table::read` looks for it.
#[test]
fn a_value_in_a_tables_place_is_focused_as_nothing() {
    let error = layered("a = 3").focus("a").extract::<Pair>().expect_err("no pair");
    assert!(error.missing(), "{error}");
}
