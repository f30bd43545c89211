//! `evaluations.jsonl`: measured numbers.

use serde::{Deserialize, Serialize};

/// A line of `evaluations.jsonl`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evaluated {
    /// The evaluator's name.
    pub evaluator: String,
    /// The number.
    pub metric: Metric,
    /// The settings that differ from the run's recipe, as `key=value`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub set: Vec<String>,
}

/// One measured number, with all that decides about its comparability.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Metric {
    /// `top1`, `bbox_ap`, ...
    pub name: String,
    /// The number, in percent where it is a share; none if it was not finite.
    pub value: Option<f64>,
    /// The exact procedure, by name.
    pub protocol: String,
    /// The digests of the train and val splits, joined by `-`.
    pub split: String,
    /// The number of val images that were measured.
    pub images: u64,
    /// The images of train and val that were broken and therefore skipped.
    #[serde(default, skip_serializing_if = "none", alias = "passed_over")]
    pub skipped: u64,
}

fn none(count: &u64) -> bool {
    *count == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_written_as_ever_and_one_that_is_not_finite_is_read_back() {
        let text = r#"{"evaluator":"knn","metric":{"name":"top1","value":61.25,"protocol":"knn-20","split":"a-b","images":2000}}"#;
        let mut line: Evaluated = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&line).unwrap(), text);
        line.metric.value = Some(f64::NAN);
        let text = serde_json::to_string(&line).unwrap();
        assert_eq!(serde_json::from_str::<Evaluated>(&text).unwrap().metric.value, None);
        let earlier = text.replace("\"images\":2000", "\"images\":2000,\"passed_over\":3");
        assert_eq!(serde_json::from_str::<Evaluated>(&earlier).unwrap().metric.skipped, 3);
    }
}
