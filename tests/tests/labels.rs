//! A loss that needs labels is refused before training where images have none, also where their objects have classes.

use anyhow::{Context, Result};
use candle_core::Device;
use std::sync::Arc;
use univip_core::assemble::Assembly;
use univip_core::dataset::{Dataset, Split};
use univip_core::recipe::{Recipe, Sources};
use univip_core::registry::Registry;
use univip_core::trainer::Trainer;
use univip_plugins as _;
use univip_tests::workspace;

fn trainer(data: &str) -> Result<Trainer> {
    let experiments = workspace().join("experiments");
    let sets = ["losses.use=[\"supervised\"]", "heads.use=[]", &format!("data.use={data}")];
    let sources = Sources {
        path: experiments.join("recipes/table7/a.toml"),
        scale: Some("smoke".into()),
        scales: experiments.join("scales"),
        sets: sets.map(String::from).into(),
        ..Sources::default()
    };
    let (recipe, registry) = (Recipe::load(&sources)?, Registry::linked()?);
    let parts = Assembly::new(&recipe, &registry);
    let dataset: Arc<dyn Dataset> = parts.dataset("data.use", data, Split::Train)?.into();
    assert_eq!(dataset.classes().len(), 10, "{data}");
    let folder = tempfile::tempdir()?;
    let proposals = Arc::new(parts.proposals(dataset.clone(), folder.path())?);
    parts.trainer(0, dataset, proposals, &Device::Cpu)
}

#[test]
fn supervised_takes_icons_and_refuses_scenes() -> Result<()> {
    trainer("fashion-icons")?;
    let error = trainer("fashion-scenes").err().context("scenes have no labels")?;
    assert!(format!("{error:#}").contains("needs a label for each image"), "{error:#}");
    Ok(())
}
