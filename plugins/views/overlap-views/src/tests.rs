use super::*;
use proptest::prelude::*;
use univip_core::geometry::Size;
use univip_core::proposals::BoxLimits;
use univip_core::recipe::{Table, ViewSettings};
use univip_core::seed::stream;
use univip_core::views::{CropLimits, INSTANCE, SCENE, ViewBatchNorm};

fn sampler(config: &str, instances: usize, limits: BoxLimits) -> OverlapViews {
    let config = Table::of(config).read().unwrap();
    let views = ViewSettings { instances, ..ViewSettings::default() };
    OverlapViews::build(config, ViewContext { views, limits, instance_batch_norm: ViewBatchNorm::Each })
        .unwrap()
}

/// A plan as the tests look at it.
#[derive(Debug, PartialEq)]
struct Plan {
    scenes: Vec<BoundingBox>,
    overlap: Option<BoundingBox>,
    instances: Vec<BoundingBox>,
    from_proposals: usize,
    tries: u32,
}

fn sample(sampler: &OverlapViews, size: Size, boxes: &[BoundingBox], seed: u64) -> Plan {
    let plan = sampler.sample(&Subject { index: 0, size, boxes }, &mut stream(seed, "views", &[])).unwrap();
    let (scenes, instances) = (plan.crops(SCENE), plan.crops(INSTANCE));
    let number =
        |name| plan.diagnostics.iter().find(|(own, _)| *own == name).map_or(0.0, |(_, value)| *value);
    let naive = (number("naive") * instances.len() as f32).round() as usize;
    Plan {
        overlap: scenes[0].intersection(&scenes[1]),
        from_proposals: instances.len() - naive,
        tries: number("tries") as u32,
        scenes,
        instances,
    }
}

const SIZE: Size = Size { width: 640, height: 480 };

/// Boxes of 64 x 64 side by side in the middle of [`SIZE`].
fn row(count: u32) -> Vec<BoundingBox> {
    (0..count).map(|k| BoundingBox::new(320 + 64 * k - 32 * count, 210, 64, 64)).collect()
}

#[test]
fn the_instances_are_the_first_k_boxes_inside_the_overlap() {
    let (boxes, sampler) = (row(6), sampler("", 2, BoxLimits::default()));
    for seed in 0..200 {
        let plan = sample(&sampler, SIZE, &boxes, seed);
        let overlap = plan.overlap.unwrap();
        assert_eq!(plan.scenes[0].intersection(&plan.scenes[1]), Some(overlap));
        let inside: Vec<_> = boxes.iter().filter(|one| overlap.contains(one)).take(2).copied().collect();
        assert_eq!(plan.instances[..plan.from_proposals], inside);
    }
}

#[test]
fn a_box_that_contains_the_overlap_is_not_inside_it() {
    // Line 7 as printed would take it every time.
    let whole = [BoundingBox::whole(SIZE)];
    let sampler = sampler("", 1, BoxLimits::default());
    for seed in 0..100 {
        let plan = sample(&sampler, SIZE, &whole, seed);
        let overlap = plan.overlap.unwrap();
        assert_eq!(plan.from_proposals, usize::from(overlap == whole[0]));
        assert!(overlap.contains(&plan.instances[0]));
    }
}

#[test]
fn tries_end_with_the_first_pair_that_holds_k_boxes_and_never_exceed_the_iterations() {
    let boxes = row(6);
    for iterations in [1, 10, 20, 30] {
        let sampler = sampler(&format!("iterations = {iterations}"), 6, BoxLimits::default());
        let plans: Vec<_> = (0..200).map(|seed| sample(&sampler, SIZE, &boxes, seed)).collect();
        assert!(plans.iter().all(|plan| (1..=iterations).contains(&plan.tries)));
        assert!(plans.iter().all(|plan| plan.from_proposals == 6 || plan.tries == iterations));
        assert!(plans.iter().any(|plan| plan.from_proposals == 6), "six in a row are shared at times");
        assert!(plans.iter().any(|plan| plan.from_proposals < 6), "and not always");
    }
}

#[test]
fn more_iterations_keep_the_pair_with_the_most_boxes() {
    // The crops of a seed begin alike, whatever the number of tries: more tries never hold fewer boxes,
    // but for the same crop twice, which is no pair that was tried.
    let boxes = row(5);
    let held = |iterations: u32, seed| {
        let sampler = sampler(&format!("iterations = {iterations}"), 5, BoxLimits::default());
        let plan = sample(&sampler, SIZE, &boxes, seed);
        if plan.scenes[0] == plan.scenes[1] { 0 } else { plan.from_proposals }
    };
    let mut gained = 0;
    for seed in 0..100 {
        let counts: Vec<usize> = (1..=20).map(|iterations| held(iterations, seed)).collect();
        assert!(counts.is_sorted(), "{counts:?}");
        gained += counts[19] - counts[0];
    }
    assert!(gained > 100, "{gained}");
}

#[test]
fn without_boxes_or_without_instances_one_overlap_is_enough() {
    let limits = BoxLimits { min_side: 1, ..BoxLimits::default() };
    for (instances, boxes) in [(4, Vec::new()), (0, row(4))] {
        let sampler = sampler("min_overlap = 1", instances, limits);
        for seed in 0..100 {
            let plan = sample(&sampler, SIZE, &boxes, seed);
            assert_eq!((plan.instances.len(), plan.from_proposals), (instances, 0));
            // The pair is the first one that overlaps at all.
            let mut again = stream(seed, "views", &[]);
            let crops = || CropLimits::default().sample(SIZE, &mut again);
            let drawn: Vec<_> = std::iter::repeat_with(crops).take(2 * plan.tries as usize).collect();
            let (earlier, kept) = drawn.split_at(drawn.len() - 2);
            assert_eq!(kept, plan.scenes);
            assert!(earlier.chunks(2).all(|pair| pair[0].intersection(&pair[1]).is_none()));
        }
    }
}

#[test]
fn an_image_without_any_overlap_gets_the_same_crop_twice() {
    let size = Size { width: 40, height: 30 };
    let plan = sample(&sampler("iterations = 7", 3, BoxLimits::default()), size, &[], 0);
    assert_eq!(plan.scenes[0], plan.scenes[1]);
    assert_eq!(plan.overlap, Some(plan.scenes[0]));
    assert_eq!((plan.tries, plan.instances.len()), (7, 3));
}

#[test]
fn zero_iterations_are_refused() {
    let error = Table::of("iterations = 0").read::<Config>().unwrap_err().to_string();
    assert!(error.contains("iterations") && error.contains("at least one"), "{error}");
}

fn any_box() -> impl Strategy<Value = BoundingBox> {
    (0u32..600, 0u32..600, 1u32..700, 1u32..700).prop_map(|(x, y, w, h)| BoundingBox::new(x, y, w, h))
}

proptest! {
    #[test]
    fn a_plan_fits_any_image(
        (width, height) in (1u32..=700, 1u32..=700),
        boxes in prop::collection::vec(any_box(), 0..30),
        instances in 0usize..6, min_side in 0u32..128, min_overlap in 0u32..128,
        iterations in 1u32..25, seed in any::<u64>(),
    ) {
        let size = Size { width, height };
        let whole = BoundingBox::whole(size);
        let boxes: Vec<_> = boxes.iter().filter_map(|one| one.intersection(&whole)).collect();
        let limits = BoxLimits { min_side, ..BoxLimits::default() };
        let config = format!("iterations = {iterations}\nmin_overlap = {min_overlap}");
        let sampler = sampler(&config, instances, limits);
        let plan = sample(&sampler, size, &boxes, seed);

        prop_assert!(plan.scenes.iter().all(|scene| whole.contains(scene)));
        let overlap = plan.overlap.unwrap();
        prop_assert_eq!(plan.scenes[0].intersection(&plan.scenes[1]), Some(overlap));
        let shortest = if min_overlap == 0 { min_side } else { min_overlap };
        prop_assert!(overlap.width.min(overlap.height) >= shortest || plan.scenes[0] == plan.scenes[1]);

        prop_assert_eq!(plan.instances.len(), instances);
        prop_assert!(plan.instances.iter().all(|one| overlap.contains(one)));
        let (proposed, naive) = plan.instances.split_at(plan.from_proposals);
        prop_assert!(proposed.iter().all(|one| boxes.contains(one)));
        let reachable = BoxLimits { min_side: min_side.min(overlap.width).min(overlap.height), ..limits };
        prop_assert!(naive.iter().all(|one| reachable.allows(one)));

        prop_assert!((1..=iterations).contains(&plan.tries));
        prop_assert!(plan.tries == iterations || proposed.len() == instances.min(boxes.len()));
        prop_assert_eq!(sample(&sampler, size, &boxes, seed), plan);
    }
}
