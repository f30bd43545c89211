//! A head or a measurement of another plugin: what the files below say of the one before is not said of it.

use super::layer::Layer;
use crate::evaluation::EvaluatorSettings;
use crate::networks::HeadPlacement;
use crate::registry::Kind;
use figment::value::{Dict, Value};
use std::collections::BTreeMap;

/// A kind of tables that recipes name as they like, and that name their plugin inside.
struct Named {
    kind: Kind,
    /// The key that names the plugin.
    plugin: &'static str,
    /// The engine's own keys, which no plugin has.
    keys: &'static [&'static str],
    /// The plugin of a table that names none.
    unstated: fn(&str) -> &str,
}

const NAMED: [Named; 2] = [
    Named {
        kind: Kind::Head,
        plugin: "plugin",
        keys: HeadPlacement::KEYS,
        unstated: |_| HeadPlacement::PLUGIN,
    },
    Named {
        kind: Kind::Evaluator,
        plugin: EvaluatorSettings::PLUGIN,
        keys: EvaluatorSettings::KEYS,
        unstated: |name| name,
    },
];

/// Takes the settings of a plugin out of the files below the one that names another plugin for the same head or measurement, or out of all
/// files where an override names it. The engine's own keys stay, and so do overrides: whoever writes one means it.
pub(super) fn drop_replaced(files: &mut [Layer], overrides: &[Layer]) {
    NAMED.iter().for_each(|named| named.drop_replaced(files, overrides));
}

impl Named {
    fn drop_replaced(&self, files: &mut [Layer], overrides: &[Layer]) {
        for index in 1..files.len() {
            let (below, above) = files.split_at_mut(index);
            for (name, plugin) in self.stated(&above[0].values) {
                self.drop_of(below, &name, &plugin);
            }
        }
        let last: BTreeMap<String, String> =
            overrides.iter().flat_map(|layer| self.stated(&layer.values)).collect();
        for (name, plugin) in last {
            self.drop_of(files, &name, &plugin);
        }
    }

    /// The tables for which a layer names a plugin, and the plugin.
    fn stated(&self, values: &Dict) -> Vec<(String, String)> {
        let tables = values.get(self.kind.name()).and_then(Value::as_dict);
        let plugin = |(name, table): (&String, &Value)| {
            Some((name.clone(), table.as_dict()?.get(self.plugin)?.as_str()?.to_string()))
        };
        tables.into_iter().flatten().filter_map(plugin).collect()
    }

    fn drop_of(&self, below: &mut [Layer], name: &str, plugin: &str) {
        let of_name = |layer: &Layer| self.stated(&layer.values).into_iter().find(|(other, _)| other == name);
        let before = below.iter().rev().find_map(of_name);
        if before.map_or((self.unstated)(name).into(), |(_, plugin)| plugin) == plugin {
            return;
        }
        for layer in below {
            let tables = layer.values.get_mut(self.kind.name());
            if let Some(Value::Dict(_, tables)) = tables
                && let Some(Value::Dict(_, settings)) = tables.get_mut(name)
            {
                settings.retain(|key, _| self.keys.contains(&key.as_str()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use figment::{Figment, Metadata};

    fn layer(text: &str) -> Layer {
        Layer { metadata: Metadata::named("test"), values: toml::from_str(text).unwrap() }
    }

    /// The keys of the head `a` that are left.
    fn left(files: &[&str], overrides: &[&str]) -> Vec<String> {
        let mut files: Vec<Layer> = files.iter().map(|text| layer(text)).collect();
        let overrides: Vec<Layer> = overrides.iter().map(|text| layer(text)).collect();
        drop_replaced(&mut files, &overrides);
        let merged = files.into_iter().chain(overrides).fold(Figment::new(), Figment::merge);
        merged.find_value("head.a").unwrap().as_dict().unwrap().keys().cloned().collect()
    }

    #[test]
    fn another_plugin_inherits_no_setting_of_the_one_before() {
        let (base, other) = ("[head.a]\nfrom = [\"b\"]\nlayers = 2", "[head.a]\nplugin = \"x\"\nwidth = 3");
        assert_eq!(left(&[base, other], &[]), ["from", "plugin", "width"]);
        assert_eq!(left(&[base, other, "[head.a]\nplugin = \"mlp\""], &[]), ["from", "plugin"]);
        assert_eq!(left(&[base], &["[head.a]\nplugin = \"x\""]), ["from", "plugin"]);
        // In whatever order options are given, each of them is meant.
        assert_eq!(
            left(&[base], &["[head.a]\nwidth = 3", "[head.a]\nplugin = \"x\""]),
            ["from", "plugin", "width"]
        );
        // The same plugin, named or not, keeps all; other heads are left alone.
        assert_eq!(left(&[base, "[head.a]\nplugin = \"mlp\""], &[]), ["from", "layers", "plugin"]);
        assert_eq!(left(&[base, "[head.c]\nplugin = \"x\""], &[]), ["from", "layers"]);
    }

    #[test]
    fn nor_does_a_measurement_of_another_evaluator() {
        let left = |files: &[&str]| {
            let mut files: Vec<Layer> = files.iter().map(|text| layer(text)).collect();
            drop_replaced(&mut files, &[]);
            let merged = files.into_iter().fold(Figment::new(), Figment::merge);
            let table = merged.find_value("evaluator.a").unwrap();
            table.as_dict().unwrap().keys().cloned().collect::<Vec<_>>()
        };
        let base = "[evaluator.a]\nuse = \"x\"\nsteps = 2";
        assert_eq!(left(&[base, "[evaluator.a]\nuse = \"y\"\nk = 3"]), ["k", "use"]);
        assert_eq!(left(&[base, "[evaluator.a]\nuse = \"x\"\nk = 3"]), ["k", "steps", "use"]);
        // A table that names no plugin is called after it.
        assert_eq!(left(&["[evaluator.a]\nsteps = 2", "[evaluator.a]\nuse = \"a\""]), ["steps", "use"]);
        assert_eq!(left(&["[evaluator.a]\nsteps = 2", "[evaluator.a]\nuse = \"x\""]), ["use"]);
    }
}
