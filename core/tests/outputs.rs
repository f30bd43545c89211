//! The outputs that losses ask for: what is refused, what is built, and what is run.

mod common;

use anyhow::Result;
use candle_core::{Device, Tensor};
use rand::Rng;
use univip_core::networks::{
    Features, Head, HeadContext, HeadInput, HeadPlacement, HeadPlan, Needs, NetworkParts, NetworkSettings,
    Networks, Output, Wiring,
};
use univip_core::nn::{Mlp, MlpShape, Mode};
use univip_core::seed::stream;
use univip_core::views::{Batch, Facts, Group, SCENE};

const BATCH: usize = 4;

/// One hidden layer.
struct Layers(Mlp);

impl Head for Layers {
    fn size(&self) -> usize {
        self.0.size()
    }

    fn forward(&self, input: &HeadInput<'_>, mode: Mode) -> Result<Tensor> {
        self.0.forward(input.one()?, mode)
    }
}

fn placement(from: &str, twin: bool) -> HeadPlacement {
    HeadPlacement { plugin: "layers".into(), from: vec![from.into()], twin }
}

fn head(name: &str, from: &str, twin: bool) -> HeadPlan {
    let build = |context: HeadContext| {
        let shape = MlpShape::byol(context.inputs[0], context.hidden, context.output);
        Ok(Box::new(Layers(Mlp::new(shape, &context.parameters)?)) as Box<dyn Head>)
    };
    HeadPlan { name: name.into(), placement: placement(from, twin), build: Box::new(build) }
}

fn settings() -> NetworkSettings {
    NetworkSettings { width: 4, hidden: 8, output: 6, ..NetworkSettings::default() }
}

fn group(name: &str, views: usize) -> Group {
    Group::new(name, &vec!["view1".to_string(); views], 32)
}

fn networks(settings: &NetworkSettings, heads: Vec<HeadPlan>, needs: Needs) -> Result<Networks> {
    let groups = vec![group(SCENE, 2), group("local", 3)];
    let backbone = common::small(settings.width);
    Networks::new(
        NetworkParts { settings, backbone, init: None, groups, heads, needs, seed: 0 },
        &Device::Cpu,
    )
}

/// Noise for the groups named.
fn batch(names: &[(&str, usize)]) -> Result<Batch> {
    let images = |&(name, views): &(&str, usize)| -> Result<(String, Tensor)> {
        let mut stream = stream(7, name, &[]);
        let shape = (views * BATCH, 32, 32, 3);
        let values: Vec<f32> =
            (0..views * BATCH * 32 * 32 * 3).map(|_| stream.random::<f32>() - 0.5).collect();
        Ok((name.to_string(), Tensor::from_vec(values, shape, &Device::Cpu)?))
    };
    Ok(Batch {
        groups: names.iter().map(images).collect::<Result<_>>()?,
        facts: Facts { indices: (0..BATCH).collect(), ..Facts::default() },
        ids: vec![String::new(); BATCH],
        skipped: Vec::new(),
    })
}

fn bits(tensor: &Tensor) -> Result<Vec<u32>> {
    Ok(tensor.flatten_all()?.to_vec1::<f32>()?.into_iter().map(f32::to_bits).collect())
}

#[test]
fn what_nothing_gives_is_refused_with_what_is_known() {
    let groups = [group(SCENE, 2), group("local", 6)];
    let projector = ("projector".to_string(), placement("pooled", true));
    let predictor = ("predictor".to_string(), placement("projector", false));
    let both = [projector.clone(), predictor.clone()];
    type Heads<'a> = &'a [(String, HeadPlacement)];
    let cases: [(Heads<'_>, Output, &str, &[&str]); 6] = [
        (&both, Output::online("scenes", "projector"), "views.use", &["`scenes`", "did you mean `scene`"]),
        (&both, Output::online("instance", "projector"), "views.instances", &["K = 0"]),
        (&both, Output::online(SCENE, "projecter"), "heads.use", &["did you mean `projector`"]),
        (&both, Output::target(SCENE, "predictor"), "head.predictor.twin", &["twin = true"]),
        (
            &[predictor.clone(), projector.clone()],
            Output::online(SCENE, "predictor"),
            "head.predictor.from",
            &["`projector`"],
        ),
        (&both, Output::target(SCENE, "projector"), "heads.use", &["no loss reads the head `predictor`"]),
    ];
    for (heads, output, key, parts) in cases {
        let what = output.to_string();
        let wiring = Wiring { groups: &groups, heads, running_statistics: &[] };
        let (found, problem) = wiring.check(&[("loss".into(), [output].into())]).expect_err(&what);
        assert_eq!(found, key, "{what}: {problem}");
        assert!(parts.iter().all(|part| problem.contains(part)), "{what}: {problem}");
    }
    let twin_of_none = [
        ("projector".to_string(), placement("pooled", false)),
        ("second".to_string(), placement("projector", true)),
    ];
    let wiring = Wiring { groups: &groups, heads: &twin_of_none, running_statistics: &[] };
    let (key, problem) =
        wiring.check(&[("loss".into(), [Output::online(SCENE, "second")].into())]).unwrap_err();
    assert!(key == "head.second.from" && problem.contains("head.projector.twin = true"), "{key}: {problem}");
}

#[test]
fn running_statistics_follow_the_groups_that_are_named() -> Result<()> {
    let heads = || vec![head("projector", "pooled", true)];
    let scenes = || Output::online(SCENE, "projector");
    let local = || Output::online("local", "projector");
    let (with, alone) = (batch(&[(SCENE, 2), ("local", 3)])?, batch(&[(SCENE, 2)])?);
    let after = |needs: Needs, followed: &[&str], batch: &Batch| -> Result<(Vec<f32>, Vec<f32>)> {
        let running_statistics = followed.iter().map(ToString::to_string).collect();
        let networks = networks(&NetworkSettings { running_statistics, ..settings() }, heads(), needs)?;
        let features = networks.features(batch)?;
        let of_scenes = features.stacked(&scenes())?.flatten_all()?.to_vec1()?;
        let running = networks.backbone_tensors();
        let running = running.iter().filter(|(name, _)| name.contains("running_"));
        let values = running.map(|(_, tensor)| tensor.flatten_all()?.to_vec1::<f32>());
        Ok((of_scenes, values.collect::<candle_core::Result<Vec<_>>>()?.concat()))
    };
    let (features, without_local) = after([scenes()].into(), &[], &alone)?;
    let both = || Needs::from([scenes(), local()]);
    assert_eq!(after(both(), &[SCENE], &with)?, (features.clone(), without_local.clone()));
    let (same, all) = after(both(), &[], &with)?;
    assert!(same == features && all != without_local);

    let groups = [group(SCENE, 2), group("local", 3)];
    let heads = [("projector".to_string(), placement("pooled", true))];
    let wiring = Wiring { groups: &groups, heads: &heads, running_statistics: &["scenes".into()] };
    let (key, problem) = wiring.check(&[("loss".into(), [scenes()].into())]).unwrap_err();
    assert!(
        key == "network.running_statistics" && problem.contains("did you mean `scene`"),
        "{key}: {problem}"
    );
    Ok(())
}

#[test]
fn no_target_network_is_built_unless_somebody_asks_for_it() -> Result<()> {
    let heads = || vec![head("projector", "pooled", true)];
    let alone = networks(&settings(), heads(), [Output::online(SCENE, "projector")].into())?;
    assert!(alone.target().parameters().is_empty());
    let features = alone.features(&batch(&[(SCENE, 2)])?)?;
    assert_eq!(features.views(&Output::online(SCENE, "projector"))?.len(), 2);
    // Only what is asked for, and what it stands on.
    let pooled = networks(&settings(), Vec::new(), [Output::target(SCENE, "pooled")].into())?;
    assert!(pooled.target().parameters().keys().all(|name| name.starts_with("backbone.")));
    assert!(!pooled.target().parameters().is_empty());
    Ok(())
}

#[test]
fn only_what_is_asked_for_is_given_and_targets_have_no_graph() -> Result<()> {
    let heads = vec![head("projector", "pooled", true), head("dense", "pooled", true)];
    let (online, map) = (Output::online("local", "projector"), Output::target("local", "stage3"));
    let dense = Output::target("local", "dense");
    let networks = networks(&settings(), heads, [online.clone(), map.clone(), dense.clone()].into())?;
    // No scenes in the batch: nobody asks for them.
    let features = networks.features(&batch(&[("local", 3)])?)?;
    assert_eq!(features.stacked(&online)?.dims(), [BATCH, 3, 6]);
    assert_eq!(features.views(&map)?[2].dims(), [BATCH, 2, 2, 16]);
    assert_eq!(features.joined(&dense)?.dims(), [3 * BATCH, 6]);
    assert!(features.joined(&online)?.track_op() && !features.joined(&dense)?.track_op());
    assert!(!features.joined(&map)?.track_op());
    let error = features.views(&Output::online(SCENE, "projector")).unwrap_err().to_string();
    assert!(error.contains("not asked for"), "{error}");
    assert!(!features.detached()?.joined(&online)?.track_op());
    Ok(())
}

/// A backbone of fewer stages than there are names for.
#[test]
fn a_stage_that_the_backbone_has_not_is_refused_with_those_that_it_has() {
    let (settings, groups) = (settings(), vec![group(SCENE, 2)]);
    let needs: Needs = [Output::online(SCENE, "stage2"), Output::online(SCENE, "stage4")].into();
    let parts = |backbone| NetworkParts {
        settings: &settings,
        backbone,
        init: None,
        groups: groups.clone(),
        heads: Vec::new(),
        needs: needs.clone(),
        seed: 0,
    };
    assert!(Networks::new(parts(common::small(4)), &Device::Cpu).is_ok());
    let error = Networks::new(parts(common::of_stages(4, 3)), &Device::Cpu).err().expect("it has no stage 4");
    let said = format!("{error:#}");
    assert!(said.contains("`stage4`") && said.contains("the backbone `small` ends at `stage3`"), "{said}");
    // One without any is no backbone.
    let error = Networks::new(parts(common::of_stages(4, 0)), &Device::Cpu).err().expect("it has no stage");
    assert!(format!("{error:#}").contains("expected 1 to 4"), "{error:#}");
}

#[test]
fn another_head_or_group_changes_no_bit() -> Result<()> {
    let output = Output::online(SCENE, "projector");
    let first = networks(&settings(), vec![head("projector", "pooled", true)], [output.clone()].into())?;
    let heads = vec![head("other", "pooled", true), head("projector", "pooled", true)];
    let needs = [output.clone(), Output::online("local", "other"), Output::target(SCENE, "other")].into();
    let second = networks(&settings(), heads, needs)?;
    let alone = first.features(&batch(&[(SCENE, 2)])?)?;
    let among = second.features(&batch(&[("local", 3), (SCENE, 2)])?)?;
    assert_eq!(bits(alone.joined(&output)?)?, bits(among.joined(&output)?)?);
    Ok(())
}

#[test]
fn the_forms_of_an_output_hold_the_same_values() -> Result<()> {
    let output = Output::online(SCENE, "pooled");
    let joined = Tensor::arange(0f32, 24.0, &Device::Cpu)?.reshape((6, 4))?;
    let mut whole = Features::default();
    whole.insert(output.clone(), joined.clone(), 3);
    let parts = Features::default().with_views(output.clone(), whole.views(&output)?.to_vec());
    let stacked = Features::default().with_stacked(output.clone(), whole.stacked(&output)?.clone())?;
    for features in [&whole, &parts, &stacked] {
        assert_eq!(bits(features.joined(&output)?)?, bits(&joined)?);
        assert_eq!(features.stacked(&output)?.to_vec3::<f32>()?[1][2], [20.0, 21.0, 22.0, 23.0]);
        assert_eq!(
            features.views(&output)?[2].to_vec2::<f32>()?,
            [[16.0, 17.0, 18.0, 19.0], [20.0, 21.0, 22.0, 23.0]]
        );
    }
    Ok(())
}

#[test]
fn the_target_permutes_images_over_parts_of_a_batch_and_puts_them_back() -> Result<()> {
    let output = Output::target(SCENE, "projector");
    let run = |batch_norm_images: usize, number: u64| -> Result<Tensor> {
        let settings = NetworkSettings { batch_norm_images, ..settings() };
        let networks = networks(&settings, vec![head("projector", "pooled", true)], [output.clone()].into())?;
        let mut batch = batch(&[(SCENE, 2)])?;
        batch.facts.number = number;
        let features = networks.features(&batch)?;
        Ok(features.joined(&output)?.clone())
    };
    // Images 0 and `other` alone.
    let run_pair = |other: usize| -> Result<Tensor> {
        let settings = settings();
        let networks = networks(&settings, vec![head("projector", "pooled", true)], [output.clone()].into())?;
        let mut batch = batch(&[(SCENE, 2)])?;
        let rows = [0, other, BATCH, BATCH + other].map(|row| row as u32);
        let images = batch.groups[SCENE].index_select(&Tensor::new(&rows, &Device::Cpu)?, 0)?;
        batch.groups.insert(SCENE.into(), images);
        batch.facts.indices.truncate(2);
        Ok(networks.features(&batch)?.joined(&output)?.clone())
    };
    let (whole, parts, again) = (run(0, 0)?, run(2, 0)?, run(2, 0)?);
    assert_eq!(bits(&parts)?, bits(&again)?);
    // Other images are normalised together, as the permutation of each batch says.
    assert_ne!(bits(&whole)?, bits(&parts)?);
    let others: Vec<_> = (1..9).map(|number| bits(&run(2, number)?)).collect::<Result<_>>()?;
    assert!(
        others.contains(&bits(&parts)?) && others.iter().any(|other| *other != others[0]),
        "three pairings of four images"
    );
    // Were images not put back, the row of image 0 would be that of no pair with image 0 in front.
    let parts = parts.to_vec2::<f32>()?;
    let partners = (1..BATCH).filter(|&other| {
        let pair = run_pair(other).unwrap().to_vec2::<f32>().unwrap();
        let close = |a: &[f32], b: &[f32]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-3);
        close(&pair[0], &parts[0]) && close(&pair[1], &parts[other]) && close(&pair[2], &parts[BATCH])
    });
    assert_eq!(partners.count(), 1, "image 0 was normalised with one other image, in both views");
    let error = run(3, 0).unwrap_err().to_string();
    assert!(error.contains("does not divide a batch of 4"), "{error}");
    Ok(())
}
