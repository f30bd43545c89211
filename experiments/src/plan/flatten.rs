//! Resolved values by their dotted keys.

use serde_json::Value;

/// Calls `each` with every value that is no table, and its dotted key. A section that the recipe lacks, as
/// `evaluator` where nothing is measured, is null and has none.
pub fn flatten(path: &str, value: &Value, each: &mut dyn FnMut(String, &Value)) {
    match value {
        Value::Object(table) => {
            table.iter().for_each(|(key, value)| flatten(&format!("{path}.{key}"), value, each));
        }
        Value::Null => {}
        leaf => each(path.to_string(), leaf),
    }
}
