//! A head of another plugin: what the files below say of the one before is not said of it.

use super::layer::Layer;
use crate::networks::HeadPlacement;
use crate::registry::Kind;
use figment::value::{Dict, Value};
use std::collections::BTreeMap;

/// Takes the settings of a plugin out of the files below the one that names another plugin for the same head, or out of all files
/// where an override names it. The [`HeadPlacement::KEYS`] stay, and so do overrides: whoever writes one means it.
pub(super) fn drop_replaced(files: &mut [Layer], overrides: &[Layer]) {
    for index in 1..files.len() {
        let (below, above) = files.split_at_mut(index);
        for (head, plugin) in named(&above[0].values) {
            drop_of(below, &head, &plugin);
        }
    }
    let last: BTreeMap<String, String> = overrides.iter().flat_map(|layer| named(&layer.values)).collect();
    for (head, plugin) in last {
        drop_of(files, &head, &plugin);
    }
}

/// The heads for which a layer names a plugin, and the plugin.
fn named(values: &Dict) -> Vec<(String, String)> {
    let heads = values.get(Kind::Head.name()).and_then(Value::as_dict);
    let plugin = |(name, head): (&String, &Value)| {
        Some((name.clone(), head.as_dict()?.get("plugin")?.as_str()?.to_string()))
    };
    heads.into_iter().flatten().filter_map(plugin).collect()
}

fn drop_of(below: &mut [Layer], head: &str, plugin: &str) {
    let of_head = |layer: &Layer| named(&layer.values).into_iter().find(|(name, _)| name == head);
    let before = below.iter().rev().find_map(of_head);
    if before.map_or(HeadPlacement::PLUGIN.into(), |(_, plugin)| plugin) == plugin {
        return;
    }
    for layer in below {
        let heads = layer.values.get_mut(Kind::Head.name());
        if let Some(Value::Dict(_, heads)) = heads
            && let Some(Value::Dict(_, settings)) = heads.get_mut(head)
        {
            settings.retain(|key, _| HeadPlacement::KEYS.contains(&key.as_str()));
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
}
