//! The names of a residual network's tensors in libraries and checkpoints.

use anyhow::{Result, bail};
use std::collections::BTreeMap;
use univip_stdx::refusal::brief;

/// detectron2's name for torchvision's: `conv1.weight` is `stem.conv1.weight`, `layer1.0.bn1.bias` is
/// `res2.0.conv1.norm.bias`, `layer1.0.downsample.0.weight` is `res2.0.shortcut.weight`.
pub fn detectron2(name: &str) -> String {
    let mut renamed = match name.strip_prefix("layer") {
        // layer1 is res2.
        Some(rest) => match rest.split_once('.') {
            Some((stage, rest)) => format!("res{}.{rest}", stage.parse().map_or(0, |stage: u32| stage + 1)),
            None => name.to_string(),
        },
        None => format!("stem.{name}"),
    };
    for (theirs, ours) in [
        ("conv1.norm", "bn1"),
        ("conv2.norm", "bn2"),
        ("conv3.norm", "bn3"),
        ("shortcut.norm", "downsample.1"),
        ("shortcut", "downsample.0"),
    ] {
        renamed = renamed.replace(ours, theirs);
    }
    renamed
}

/// The library whose names a file uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Naming {
    Torchvision,
    Detectron2,
}

impl Naming {
    /// The name for torchvision's.
    pub(super) fn of(self, torchvision: &str) -> String {
        match self {
            Self::Torchvision => torchvision.to_string(),
            Self::Detectron2 => detectron2(torchvision),
        }
    }

    /// True for a name of the backbone, and not of a head on it.
    fn is_of_backbone(self, name: &str) -> bool {
        let (first, _) = name.split_once('.').unwrap_or((name, ""));
        match self {
            Self::Torchvision => first == "conv1" || first == "bn1" || first.starts_with("layer"),
            Self::Detectron2 => first == "stem" || first.starts_with("res"),
        }
    }
}

/// The place of a backbone among a file's tensors.
#[derive(Debug, PartialEq)]
pub(super) struct Found {
    pub(super) naming: Naming,
    /// The prefix of the names.
    pub(super) prefix: String,
}

/// Prefixes that checkpoints of self-supervised methods give the network that learns by gradient; the first one present
/// counts: the query's or online one, and not its average (`encoder_k`, `momentum_backbone`, `target_net`).
const PREFERRED: [&str; 3] = ["encoder_q.", "backbone.", "encoder."];

impl Found {
    /// A file that holds a backbone and nothing else, by our own names, which are torchvision's.
    pub(super) fn plain() -> Self {
        Self { naming: Naming::Torchvision, prefix: String::new() }
    }

    /// Looks for the stem of a backbone beside its first layer.
    ///
    /// # Errors
    /// When there is none, or several of which none is preferred.
    pub(super) fn search(shapes: &BTreeMap<String, Vec<usize>>) -> Result<Self> {
        let mut found = Vec::new();
        for naming in [Naming::Torchvision, Naming::Detectron2] {
            let (stem, layer) = (naming.of("conv1.weight"), naming.of("layer1.0.conv1.weight"));
            // Without a prefix it is a backbone, be it a broken one.
            if shapes.contains_key(&stem) {
                return Ok(Self { naming, prefix: String::new() });
            }
            for (name, shape) in shapes {
                let Some(prefix) = name.strip_suffix(&stem).filter(|prefix| prefix.ends_with('.')) else {
                    continue;
                };
                if matches!(shape[..], [_, 3, 7, 7]) && shapes.contains_key(&format!("{prefix}{layer}")) {
                    found.push(Self { naming, prefix: prefix.to_string() });
                }
            }
        }
        if found.len() == 1 {
            return Ok(found.swap_remove(0));
        }
        for name in PREFERRED {
            for prefix in [name.to_string(), format!("module.{name}")] {
                if let Some(place) = found.iter().position(|found| found.prefix == prefix) {
                    return Ok(found.swap_remove(place));
                }
            }
        }
        if found.is_empty() {
            let names: Vec<String> = shapes.keys().take(3).map(|name| brief(name)).collect();
            bail!(
                "it has no conv1.weight [width, 3, 7, 7] beside a layer1.0.conv1.weight, with or without a prefix: expected \
                 torchvision's or detectron2's names of a residual network, found {} ({} tensors)",
                names.join(", "),
                shapes.len()
            );
        }
        let prefixes: Vec<String> = found.iter().take(4).map(|found| brief(&found.prefix)).collect();
        bail!(
            "it has {}: {}; save the tensors of one of them, without its prefix, to a file of their own",
            if found.len() > prefixes.len() {
                format!("{}, among them", found.len())
            } else {
                "several".into()
            },
            prefixes.join(", ")
        )
    }

    /// The names without the prefix of what belongs to the backbone, and the names of all that does not. Where there is no
    /// prefix only a classifier is left out, so that a file that is not quite a backbone is refused.
    pub(super) fn divide<'a>(&self, names: impl Iterator<Item = &'a String>) -> (Vec<&'a str>, Vec<&'a str>) {
        let (mut backbone, mut others) = (Vec::new(), Vec::new());
        for name in names.filter(|name| !name.ends_with("num_batches_tracked")) {
            match name.strip_prefix(&self.prefix) {
                Some(rest) if self.prefix.is_empty() && !rest.starts_with("fc.") => backbone.push(rest),
                Some(rest) if self.naming.is_of_backbone(rest) => backbone.push(rest),
                _ => others.push(name.as_str()),
            }
        }
        (backbone, others)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_detectron2s() {
        for (torchvision, theirs) in [
            ("conv1.weight", "stem.conv1.weight"),
            ("bn1.running_var", "stem.conv1.norm.running_var"),
            ("layer1.0.conv1.weight", "res2.0.conv1.weight"),
            ("layer1.0.bn1.weight", "res2.0.conv1.norm.weight"),
            ("layer3.5.bn3.bias", "res4.5.conv3.norm.bias"),
            ("layer4.2.conv3.weight", "res5.2.conv3.weight"),
            ("layer2.0.downsample.0.weight", "res3.0.shortcut.weight"),
            ("layer2.0.downsample.1.running_mean", "res3.0.shortcut.norm.running_mean"),
        ] {
            assert_eq!(detectron2(torchvision), theirs);
        }
    }

    /// The tensors of backbones with these prefixes, and a projector.
    fn shapes(prefixes: &[&str], naming: Naming) -> BTreeMap<String, Vec<usize>> {
        let stem = |prefix: &&str| (format!("{prefix}{}", naming.of("conv1.weight")), vec![8, 3, 7, 7]);
        let layer =
            |prefix: &&str| (format!("{prefix}{}", naming.of("layer1.0.conv1.weight")), vec![8, 8, 3, 3]);
        let all = prefixes.iter().map(stem).chain(prefixes.iter().map(layer));
        all.chain([("projector.conv1.weight".to_string(), vec![8, 3, 7, 7])]).collect()
    }

    #[test]
    fn of_several_networks_the_one_that_learns_by_gradient_is_taken() -> Result<()> {
        use Naming::{Detectron2, Torchvision};
        for (of, prefixes, naming, expected) in [
            ("torchvision", &[""][..], Torchvision, ""),
            ("data parallel", &["module."], Torchvision, "module."),
            ("MoCo", &["module.encoder_q.", "module.encoder_k."], Torchvision, "module.encoder_q."),
            ("solo-learn", &["backbone.", "momentum_backbone."], Torchvision, "backbone."),
            ("ORL", &["backbone.", "online_net.0.", "target_net.0."], Torchvision, "backbone."),
            ("PixPro", &["module.encoder.", "module.encoder_k."], Torchvision, "module.encoder."),
            ("a target alone", &["target_net.0."], Torchvision, "target_net.0."),
            ("detectron2", &[""], Detectron2, ""),
            ("a detector", &["backbone.bottom_up."], Detectron2, "backbone.bottom_up."),
        ] {
            let expected = Found { naming, prefix: expected.into() };
            assert_eq!(Found::search(&shapes(prefixes, naming))?, expected, "{of}");
        }
        Ok(())
    }

    #[test]
    fn none_and_several_of_equal_right_are_refused() {
        let said = |prefixes: &[&str]| {
            Found::search(&shapes(prefixes, Naming::Torchvision))
                .map_or_else(|error| error.to_string(), |found| format!("{found:?}"))
        };
        let none = said(&[]);
        assert!(
            none.contains("no conv1.weight") && none.contains("found projector.conv1.weight (1 tensors)"),
            "{none}"
        );
        let several = said(&["student.", "teacher."]);
        assert!(several.contains("it has several: student., teacher.; save the tensors of one"), "{several}");
    }

    #[test]
    fn what_stands_on_a_backbone_is_left_out_where_it_has_a_prefix() {
        let names = [
            "conv1.weight",
            "layer1.0.bn1.bias",
            "bn1.num_batches_tracked",
            "fc.weight",
            "projection_head.0.weight",
        ];
        let all =
            |prefix: &str| -> Vec<String> { names.iter().map(|name| format!("{prefix}{name}")).collect() };
        let found = |prefix: &str| Found { naming: Naming::Torchvision, prefix: prefix.into() };
        let (plain, prefixed) = (all(""), [all("module."), vec!["queue".into()]].concat());
        let (backbone, others) = found("").divide(plain.iter());
        assert_eq!(backbone, ["conv1.weight", "layer1.0.bn1.bias", "projection_head.0.weight"]);
        assert_eq!(others, ["fc.weight"]);
        let (backbone, others) = found("module.").divide(prefixed.iter());
        assert_eq!(backbone, ["conv1.weight", "layer1.0.bn1.bias"]);
        assert_eq!(others, ["module.fc.weight", "module.projection_head.0.weight", "queue"]);
    }
}
