//! Overlaps in a picture.

use crate::common::{Runs, run};
use roxmltree::{Document, Node};
use serde_json::json;

/// A rectangle: left, top, right, bottom.
type Place = [f64; 4];

fn number(node: Node<'_, '_>, name: &str) -> f64 {
    node.attribute(name).and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("{name} of {node:?}"))
}

/// The place of a text's letters, for letters of average width.
fn letters(node: Node<'_, '_>) -> Place {
    let (x, y, size) = (number(node, "x"), number(node, "y"), number(node, "font-size"));
    let width = 0.55 * size * node.text().unwrap_or_default().chars().count() as f64;
    let left = match node.attribute("text-anchor") {
        Some("middle") => x - width / 2.0,
        Some("end") => x - width,
        _ => x,
    };
    [left, y - 0.75 * size, left + width, y]
}

fn crosses(line: Node<'_, '_>, [left, top, right, bottom]: Place) -> bool {
    let [x1, y1, x2, y2] = ["x1", "y1", "x2", "y2"].map(|name| number(line, name));
    x1.min(x2) < right && x1.max(x2) > left && y1.min(y2) < bottom && y1.max(y2) > top
}

#[test]
fn no_label_is_crossed_by_a_line() {
    let runs = Runs::table7();
    // Some numbers lie where the line of the untrained backbone is.
    for (seed, top1) in [(0, 41.0), (1, 42.0), (2, 44.0)] {
        runs.add(run("table7-e", "eeeeeeeeeeee", seed, top1).detecting(
            "mask-rcnn small",
            20.0 + top1 / 10.0,
            10.0,
        ));
    }
    runs.add(run("random", "ffffffffffff", 0, 42.0).detecting("mask-rcnn small", 24.2, 10.0));
    runs.report(100).unwrap();
    let mut crossed = 0;
    for file in ["table7.svg", "table7-curves.svg"] {
        let svg = runs.read(file);
        let document = Document::parse(&svg).unwrap();
        let shapes: Vec<Node<'_, '_>> = document.root_element().children().filter(Node::is_element).collect();
        for (place, text) in shapes.iter().enumerate().filter(|(_, node)| node.has_tag_name("text")) {
            let letters = letters(*text);
            for (other, line) in shapes.iter().enumerate().filter(|(_, node)| node.has_tag_name("line")) {
                if !crosses(*line, letters) {
                    continue;
                }
                crossed += 1;
                let said = text.text().unwrap_or_default();
                assert!(other < place, "{file}: a line is drawn over `{said}`");
                let rim = (text.attribute("paint-order"), text.attribute("stroke"));
                assert_eq!(rim, (Some("stroke"), Some("#fff")), "{file}: a line shows through `{said}`");
            }
        }
    }
    assert!(crossed > 2, "nothing was tried: {crossed}");
}

/// The heads of the panels of a training.
fn panels(runs: &Runs) -> Vec<String> {
    runs.report(100).unwrap();
    let svg = runs.read("table7-curves.svg");
    let document = Document::parse(&svg).unwrap();
    let heads = document.descendants().filter(|node| node.attribute("font-size") == Some("13"));
    heads.filter_map(|node| node.text()).map(str::to_string).collect()
}

#[test]
fn a_training_shows_what_was_measured_during_it_and_the_spectrum_at_its_end() {
    let runs = Runs::table7();
    assert_eq!(panels(&runs), ["Total loss", "Effective rank"]);

    let mut made = run("table7-e", "eeeeeeeeeeee", 0, 58.0);
    let end = made.events.iter_mut().rev().find(|event| event["event"] == "epoch").unwrap();
    end["explained_variance"] = json!([0.5, 0.75, 1.0]);
    for (evaluator, metric) in
        [("detection", "bbox_ap75"), ("detection", "bbox_ap"), ("online-probe", "top1")]
    {
        let metric = json!({"name": metric, "value": 50.5, "protocol": "p", "split": "s", "images": 9});
        made.events
            .push(json!({"event": "evaluation", "epoch": 1, "evaluator": evaluator, "metric": metric}));
    }
    runs.add(made);
    let expected = [
        "Total loss",
        "Effective rank",
        "AP^bb during training",
        "online-probe top1 during training",
        "Variance in the first directions at the end, percent",
    ];
    assert_eq!(panels(&runs), expected);
}

#[test]
fn a_page_is_complete_in_a_window_of_1280_pixels() {
    // Without a browser what can be told is that cells may be broken, and where they may not.
    let runs = Runs::table7();
    runs.report(100).unwrap();
    let html = runs.read("table7.html");
    assert!(!html.contains("nowrap"), "a cell that cannot be broken");
    assert!(html.contains("51.0\u{a0}±\u{a0}1.0"), "a number apart from its deviation");
}
