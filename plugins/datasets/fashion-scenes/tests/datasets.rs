//! The promises of the two datasets.

use std::collections::HashSet;
use univip_core::dataset::{Dataset, Split};
use univip_core::geometry::{BoundingBox, Size};
use univip_core::recipe::Table;
use univip_core::registry::{DatasetPlugin, Kind, Registry};
use univip_fashion_scenes::{FashionIcons, FashionScenes, IconsConfig, SceneType, ScenesConfig};

fn scenes(split: Split) -> FashionScenes {
    FashionScenes::build(ScenesConfig::default(), split).unwrap()
}

fn icons(split: Split) -> FashionIcons {
    FashionIcons::build(IconsConfig::default(), split).unwrap()
}

#[test]
fn recipes_find_both_and_refuse_bad_tables() {
    let registry = Registry::linked().unwrap();
    for (name, lens, size) in [("fashion-scenes", [8000, 1000], 128), ("fashion-icons", [12_000, 2000], 64)] {
        let plugin = registry.get(Kind::Dataset, name, "test", "dataset").unwrap();
        for (split, len) in [Split::Train, Split::Val].into_iter().zip(lens) {
            let dataset = plugin.dataset(&Table::of(""), split).unwrap();
            assert_eq!((dataset.len(), dataset.classes().len()), (len, 10));
            assert_eq!(dataset.size(7).unwrap(), Size { width: size, height: size });
            assert_eq!(dataset.image(7).unwrap().dimensions(), (size, size));
        }
        for (table, key) in
            [("size = 31", "size"), ("train = 0", "train"), ("val = 0", "val"), ("sise = 64", "sise")]
        {
            let error = (plugin.resolve)(&Table::of(table)).unwrap_err().to_string();
            assert!(error.contains(key), "{error}");
        }
    }
    let icons = registry.get(Kind::Dataset, "fashion-icons", "test", "dataset").unwrap();
    let error = (icons.resolve)(&Table::of("val = 2001")).unwrap_err().to_string();
    assert!(error.contains("1 to 2000"), "{error}");
}

#[test]
fn an_image_depends_on_its_split_and_index_alone() {
    let (train, val) = (scenes(Split::Train), scenes(Split::Val));
    let forwards: Vec<_> = (0..20).map(|index| train.image(index).unwrap()).collect();
    let again = scenes(Split::Train);
    for index in (0..20).rev() {
        assert_eq!(again.image(index).unwrap(), forwards[index]);
        assert_ne!(val.image(index).unwrap(), forwards[index]);
    }
    assert_eq!(icons(Split::Val).image(3).unwrap(), icons(Split::Val).image(3).unwrap());
}

#[test]
fn unlabelled_scenes_are_more_of_the_same_and_have_no_annotations() {
    let build = |train, unlabelled| {
        FashionScenes::build(ScenesConfig { train, unlabelled, ..Default::default() }, Split::Train).unwrap()
    };
    let (whole, plain, longer) = (build(5, Some(3)), build(5, None), build(8, None));
    assert_eq!((whole.len(), plain.len()), (8, 5));
    for index in 0..8 {
        assert_eq!(whole.image(index).unwrap(), longer.image(index).unwrap());
        let annotated = longer.annotations(index).unwrap();
        assert_eq!(whole.annotations(index).unwrap(), if index < 5 { annotated } else { Vec::new() });
        assert_eq!(whole.masks(index).unwrap().len(), whole.annotations(index).unwrap().len());
    }
    let digests: HashSet<String> =
        [&whole, &plain, &longer, &build(5, Some(2)), &build(4, Some(4))].map(Dataset::digest).into();
    assert_eq!(digests.len(), 5);
    let part = whole.annotated_part().unwrap().expect("a part");
    assert_eq!((part.len(), part.digest()), (5, plain.digest()));
    assert!(plain.annotated_part().unwrap().is_none());
}

#[test]
fn digests_tell_splits_sizes_and_lengths_apart_and_stay() {
    let of = |size, train, split| {
        FashionScenes::build(ScenesConfig { size, train, ..Default::default() }, split).unwrap().digest()
    };
    let icons = [icons(Split::Train).digest(), icons(Split::Val).digest()];
    let all = [
        of(128, 8000, Split::Train),
        of(128, 8000, Split::Val),
        of(64, 8000, Split::Train),
        of(128, 9, Split::Train),
    ];
    assert_eq!(all.iter().chain(&icons).collect::<HashSet<_>>().len(), 6);
    assert!(all.iter().all(|digest| digest.len() == 16));
    assert_eq!(of(128, 8000, Split::Train), all[0]);
}

#[test]
fn every_scene_has_3_to_10_items_and_the_tight_boxes_of_their_masks() {
    for split in [Split::Train, Split::Val] {
        let scenes = scenes(split);
        let whole = BoundingBox::new(0, 0, 128, 128);
        for index in 0..500 {
            let annotations = scenes.annotations(index).unwrap();
            assert!((3..=10).contains(&annotations.len()), "{} items", annotations.len());
            let masks = scenes.owners(index).unwrap();
            for (number, annotation) in annotations.iter().enumerate() {
                let own =
                    || masks.enumerate_pixels().filter(|(_, _, owner)| usize::from(owner.0[0]) == number + 1);
                let (left, right) = (own().map(|p| p.0).min().unwrap(), own().map(|p| p.0).max().unwrap());
                let (top, bottom) = (own().map(|p| p.1).min().unwrap(), own().map(|p| p.1).max().unwrap());
                let tight = BoundingBox::new(left, top, right + 1 - left, bottom + 1 - top);
                assert_eq!(annotation.bounding_box, tight, "item {number} of {}", scenes.id(index));
                assert!(whole.contains(&tight) && !annotation.crowd);
            }
        }
    }
}

#[test]
fn the_mask_of_an_item_is_the_pixels_that_it_owns() {
    let scenes = scenes(Split::Train);
    for index in 0..20 {
        let owners = scenes.owners(index).unwrap();
        let masks = scenes.masks(index).unwrap();
        assert_eq!(masks.len(), scenes.annotations(index).unwrap().len());
        for (number, mask) in masks.into_iter().enumerate() {
            let own = owners.pixels().map(|owner| u8::from(usize::from(owner.0[0]) == number + 1));
            assert!(mask.unwrap().decode().into_iter().eq(own), "item {number} of {}", scenes.id(index));
        }
    }
}

#[test]
fn classes_occur_together_as_the_types_of_the_scenes_say() {
    let scenes = scenes(Split::Train);
    let mut counts = vec![[0.0_f64; 10]; SceneType::ALL.len()];
    for index in 0..2000 {
        let kind = SceneType::ALL.iter().position(|kind| kind == scenes.scene_type(index)).unwrap();
        for annotation in scenes.annotations(index).unwrap() {
            counts[kind][annotation.class] += 1.0;
        }
    }
    let per_type: Vec<f64> = counts.iter().map(|row| row.iter().sum()).collect();
    let total: f64 = per_type.iter().sum();
    let per_class: Vec<f64> = (0..10).map(|class| counts.iter().map(|row| row[class]).sum()).collect();
    for (kind, row) in counts.iter().enumerate() {
        let main: f64 = SceneType::ALL[kind].classes.iter().map(|&class| row[class]).sum();
        assert!((main / per_type[kind] - 36.0 / 43.0).abs() < 0.04, "{kind}: {}", main / per_type[kind]);
    }
    // No class is rare, and knowing the type tells much about the class (in nats; log 10 = 2.3 is all).
    assert!(per_class.iter().all(|count| (0.06..0.15).contains(&(count / total))), "{per_class:?}");
    let information: f64 = (0..counts.len())
        .flat_map(|kind| (0..10).map(move |class| (kind, class)))
        .filter(|&(kind, class)| counts[kind][class] > 0.0)
        .map(|(kind, class)| {
            let joint = counts[kind][class] / total;
            joint * (joint * total * total / (per_type[kind] * per_class[class])).ln()
        })
        .sum();
    assert!(information > 0.6, "{information} nats");
}

#[test]
fn icons_take_turns_and_are_of_the_class_they_say() {
    let (train, val) = (icons(Split::Train), icons(Split::Val));
    for index in 0..100 {
        assert_eq!(train.label(index), Some(index % 10));
        let annotations = train.annotations(index).unwrap();
        assert_eq!(annotations.len(), 1);
        assert_eq!(annotations[0].class, index % 10);
        let bounds = annotations[0].bounding_box;
        assert!(bounds.width.max(bounds.height) > 24, "{bounds:?}");
    }
    // The nearest mean image, a classifier that has only pixels (without the light on them), finds the labels of
    // unseen items.
    let pixels = |dataset: &FashionIcons, index: usize| -> Vec<f64> {
        let image = dataset.image(index).unwrap();
        let grey = || image.pixels().map(|pixel| f64::from(pixel.0[0]));
        let mean = grey().sum::<f64>() / grey().count() as f64;
        let norm = grey().map(|grey| (grey - mean).powi(2)).sum::<f64>().sqrt();
        grey().map(|grey| (grey - mean) / norm).collect()
    };
    let mut means = vec![vec![0.0; 64 * 64]; 10];
    for index in 0..1000 {
        let mean = &mut means[train.label(index).unwrap()];
        mean.iter_mut().zip(pixels(&train, index)).for_each(|(mean, pixel)| *mean += pixel / 100.0);
    }
    let right = (0..500).filter(|&index| {
        let image = pixels(&val, index);
        let distance = |mean: &[f64]| mean.iter().zip(&image).map(|(a, b)| (a - b).powi(2)).sum::<f64>();
        let nearest = (0..10).min_by(|&a, &b| distance(&means[a]).total_cmp(&distance(&means[b])));
        nearest == val.label(index)
    });
    let right = right.count();
    assert!(right > 200, "{right} of 500; 50 by chance");
}

/// Of the commit before items could be held out.
#[test]
fn without_held_out_items_splits_are_what_they_were() {
    let digests = [scenes(Split::Train).digest(), scenes(Split::Val).digest()];
    assert_eq!(digests, ["3ef9b309e46c6ffe", "d7f20e8a0719fb7e"]);
    let digests = [icons(Split::Train).digest(), icons(Split::Val).digest()];
    assert_eq!(digests, ["3e84840bcc97ff65", "2e6592a3ffd8081e"]);
    let registry = Registry::linked().unwrap();
    for name in ["fashion-icons", "fashion-scenes"] {
        let plugin = registry.get(Kind::Dataset, name, "test", "dataset").unwrap();
        let resolved = (plugin.resolve)(&Table::of("")).unwrap();
        assert!(resolved.get("held_out").is_none(), "recipes that hold nothing out have their fingerprints");
    }
}

#[test]
fn held_out_items_are_in_val_and_nowhere_else() {
    let held_out = Some(200);
    let icons = |train, split| {
        FashionIcons::build(IconsConfig { train, held_out, ..IconsConfig::default() }, split).unwrap()
    };
    let (train, val) = (icons(10_000, Split::Train), icons(10_000, Split::Val));
    let whole = self::icons(Split::Train);
    assert_eq!((train.len(), val.len()), (10_000, 2000));
    assert!((0..50).all(|index| train.image(index).unwrap() == whole.image(index).unwrap()));
    assert_eq!(val.id(3), "icon-held-out-00003");
    assert_ne!(val.digest(), self::icons(Split::Val).digest());

    let scenes = |split| FashionScenes::build(ScenesConfig { held_out, ..ScenesConfig::default() }, split);
    for split in [Split::Train, Split::Val] {
        let (whole, without) = (self::scenes(split), scenes(split).unwrap());
        assert_ne!(without.digest(), whole.digest());
        assert_ne!(without.image(0).unwrap(), whole.image(0).unwrap());
    }
}

#[test]
fn held_out_items_are_limited_and_leave_fewer_to_learn_from() {
    let registry = Registry::linked().unwrap();
    let refused = |name: &str, table: &str, problem: &str| {
        let plugin = registry.get(Kind::Dataset, name, "test", "dataset").unwrap();
        let error = (plugin.resolve)(&Table::of(table)).unwrap_err().to_string();
        assert!(error.contains(problem), "{error}");
    };
    for name in ["fashion-icons", "fashion-scenes"] {
        refused(name, "held_out = 1001", "1001 items of each class; expected 0 to 1000 of 1200");
    }
    refused("fashion-icons", "held_out = 200", "12000 images; expected 1 to 10000");
    refused("fashion-icons", "held_out = 100\ntrain = 100\nval = 1001", "1001 images; expected 1 to 1000");
}
