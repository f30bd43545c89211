//! `evaluations.jsonl`: measured numbers.

use serde::{Deserialize, Serialize};

/// A line of `evaluations.jsonl`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evaluated {
    /// The measurement's name: that of its evaluator, or one of its own.
    pub evaluator: String,
    /// The measurement's digest: lines of the same digest in one run were measured in the same way. None where an earlier version
    /// wrote the line, and where a measurement was made on other images than the run's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// The dataset that the recipe had for probe data; none where an earlier version did not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probe_data: Option<String>,
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
    fn a_line_says_what_it_was_measured_by() {
        let text = r#"{"evaluator":"detection-2x","digest":"0123456789ab","probe_data":"icons","metric":{"name":"bbox_ap","value":1.5,"protocol":"p","split":"a-b","images":9}}"#;
        let line: Evaluated = serde_json::from_str(text).unwrap();
        assert_eq!(line.digest.as_deref(), Some("0123456789ab"));
        assert_eq!(serde_json::to_string(&line).unwrap(), text);
    }

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
