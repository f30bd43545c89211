//! `network.init`: a file of weights is part of what a run is by its contents.

use crate::folder::{Folder, over_base};
use std::path::Path;
use univip_core::recipe::{Recipe, Sources};

fn with(folder: &Folder, sets: &[String]) -> Sources {
    Sources { sets: sets.to_vec(), ..folder.sources("recipes/base.toml") }
}

fn init(path: &Path) -> String {
    format!("network.init={}", path.display())
}

#[test]
fn another_file_is_another_run_and_a_moved_one_the_same() {
    let (folder, files) = (Folder::new(&[]), tempfile::tempdir().unwrap());
    let [one, moved, other] = ["one", "moved", "other"].map(|name| files.path().join(name));
    for (path, contents) in [(&one, "weights"), (&moved, "weights"), (&other, "others")] {
        std::fs::write(path, contents).unwrap();
    }
    let fingerprint = |sets: &[String]| folder.load_with(with(&folder, sets)).fingerprint();
    let from_one = fingerprint(&[init(&one)]);
    assert_eq!(from_one, fingerprint(&[init(&moved)]), "the file was moved");
    assert_ne!(from_one, fingerprint(&[init(&other)]), "another file");
    assert_ne!(from_one, fingerprint(&[]), "no file");
    assert_eq!(fingerprint(&[]), fingerprint(&["network.init=".into()]), "an empty one is none");
    // `sha256sum` of `weights`.
    let recipe = folder.load_with(with(&folder, &[init(&one)]));
    let digest = recipe.settings.network.init_sha256.clone().expect("a digest");
    assert_eq!(digest, DIGEST);
    assert_eq!(recipe.origin("network.init_sha256"), "the file network.init");
}

const DIGEST: &str = "9a129038d9a00aed0cf6a7ea059ca50a813449061ab87848cf1a13eafdf33b2c";

/// A run's own recipe states the digest: it refuses a changed file, and is read where the file is gone.
#[test]
fn the_recipe_of_a_run_refuses_a_changed_file_and_needs_none() {
    let (folder, files) = (Folder::new(&[]), tempfile::tempdir().unwrap());
    let file = files.path().join("weights");
    std::fs::write(&file, "weights").unwrap();
    let recipe = folder.load_with(with(&folder, &[init(&file)]));
    let shown = files.path().join("recipe.toml");
    std::fs::write(&shown, recipe.show()).unwrap();
    let again = || Recipe::load(&Sources { path: shown.clone(), ..Sources::default() });
    assert_eq!(again().unwrap().fingerprint(), recipe.fingerprint());
    std::fs::write(&file, "others").unwrap();
    let said = again().unwrap_err().to_string();
    for part in ["`network.init`", "another file than this run started from", DIGEST] {
        assert!(said.contains(part), "{said}");
    }
    std::fs::remove_file(&file).unwrap();
    assert_eq!(again().unwrap().fingerprint(), recipe.fingerprint());
}

#[test]
fn a_file_that_is_not_there_is_named_with_the_key() {
    let folder = Folder::new(&[
        ("recipes/none.toml", &over_base("[network]\ninit = \"/nowhere/weights.pth\"")),
        ("recipes/folder.toml", &over_base("[network]\ninit = \"/tmp\"")),
        ("recipes/digest.toml", &over_base("[network]\ninit_sha256 = \"00\"")),
    ]);
    for (recipe, parts) in [
        ("none", ["recipes/none.toml: `network.init`: /nowhere/weights.pth: ", "safetensors"]),
        ("folder", ["`network.init`: /tmp: no regular file", "torch.save"]),
        ("digest", ["`network.init_sha256`: there is no network.init", "both or neither"]),
    ] {
        let said = folder.refusal(&folder.sources(&format!("recipes/{recipe}.toml")));
        assert!(parts.iter().all(|part| said.contains(part)), "{said}");
    }
}
