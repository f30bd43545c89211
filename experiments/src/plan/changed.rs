//! Rows that what is laid over their recipes makes others than the paper's.

use super::flatten::flatten;
use serde_json::Value;
use std::collections::BTreeMap;
use univip_core::recipe::Row;
use univip_core::registry::Kind;

/// The sections of a recipe that make the method. All others say at which size and on what it is run: the
/// heading of a table names that.
const OF_METHOD: [&str; 10] =
    ["losses", "loss", "heads", "head", "proposals", "proposal", "views", "view", "augment", "target"];

/// True for a setting, by its dotted key, of the method.
pub(super) fn is_of_method(key: &str) -> bool {
    OF_METHOD.contains(&key.trim().split('.').next().unwrap_or_default())
}

/// The row with what was `changed` of its method: it has neither the paper's title nor its numbers.
pub(super) fn changed_row(row: Row, changed: &[String]) -> Row {
    match changed {
        [] => row,
        changed => Row { title: format!("changed: {}", changed.join(", ")), paper: BTreeMap::new(), ..row },
    }
}

/// The values of the method that differ, as `key=value`, between the resolved values of a recipe without and with what is
/// laid over it.
pub(super) fn changed(stated: &Value, used: &Value) -> Vec<String> {
    let [stated, used] = [stated, used].map(method);
    // Other plugins bring tables of their own: that they are used says all.
    let brought = |key: &String, other: &BTreeMap<String, Value>| {
        let plugin = [Kind::Head, Kind::Loss, Kind::Proposals, Kind::Views].iter().find_map(|kind| {
            let name = key.strip_prefix(kind.name())?.strip_prefix('.')?.split('.').next()?;
            Some(format!("{}.{name}.", kind.name()))
        });
        plugin.is_some_and(|plugin| !other.keys().any(|key| key.starts_with(&plugin)))
    };
    let differing =
        used.iter().filter(|(key, value)| stated.get(*key) != Some(value) && !brought(key, &stated));
    let gone = stated.keys().filter(|key| !used.contains_key(*key) && !brought(key, &used));
    let differing = differing.map(|(key, value)| format!("{key}={value}"));
    differing.chain(gone.map(|key| format!("no {key}"))).collect()
}

fn method(resolved: &Value) -> BTreeMap<String, Value> {
    let mut values = BTreeMap::new();
    for section in OF_METHOD {
        if let Some(table) = resolved.get(section) {
            flatten(section, table, &mut |key, value| {
                values.insert(key, value.clone());
            });
        }
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_changed_method_is_named_and_a_changed_size_is_not() {
        let stated = json!({
            "losses": {"use": ["scene"], "weights": {}}, "loss": {"scene": {"form": "neg-cos"}},
            "views": {"instances": 4}, "optimizer": {"lr": 0.2}, "train": {"epochs": 2}
        });
        let with = |pointer: &str, value: Value| {
            let mut used = stated.clone();
            *used.pointer_mut(pointer).unwrap() = value;
            changed(&stated, &used)
        };
        assert_eq!(with("/losses/use", json!(["byol"])), [r#"losses.use=["byol"]"#]);
        assert_eq!(with("/losses/weights", json!({"scene": 2.0})), ["losses.weights.scene=2.0"]);
        assert_eq!(with("/loss/scene/form", json!("squared")), [r#"loss.scene.form="squared""#]);
        assert_eq!(with("/views/instances", json!(2)), ["views.instances=2"]);
        assert_eq!(with("/optimizer/lr", json!(0.1)), [""; 0]);
        assert_eq!(with("/train/epochs", json!(9)), [""; 0]);
        // The table of the loss that is used now comes with it.
        let other = json!({"losses": {"use": ["byol"], "weights": {}}, "loss": {"byol": {"form": "neg-cos"}}, "views": {"instances": 4}});
        assert_eq!(changed(&stated, &other), [r#"losses.use=["byol"]"#]);
        let weighted = json!({"losses": {"weights": {"scene": 2.0}}});
        assert_eq!(changed(&weighted, &json!({"losses": {"weights": {}}})), ["no losses.weights.scene"]);
    }
}
