//! Recipes and scales come with the binary; a directory or a file of the user's takes their place or inherits them.

mod common;

use anyhow::{Result, ensure};
use common::{output, stdout};
use std::fs;

#[test]
fn a_recipe_of_the_users_inherits_an_embedded_one() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let recipe = directory.path().join("mine.toml");
    fs::write(&recipe, "inherit = [\"univip:/recipes/table7/b.toml\"]\n[optimizer]\nlr = 0.125\n")?;
    let shown = stdout(&["recipe", "show", &recipe.to_string_lossy(), "--scale", "smoke"], directory.path())?;
    for line in ["lr = 0.125  # ", "use = [\"scene\"]  # recipes/table7/b.toml", "epochs = "] {
        ensure!(shown.contains(line), "no {line:?} in {shown}");
    }
    fs::write(&recipe, "inherit = [\"univip:/recipes/table7/x.toml\"]\n")?;
    let refused = output(&["recipe", "show", &recipe.to_string_lossy()], directory.path())?;
    let error = String::from_utf8_lossy(&refused.stderr).into_owned();
    ensure!(refused.status.code() == Some(2), "{error}");
    ensure!(error.contains("univip:/recipes/table7/x.toml") && error.contains("a.toml"), "{error}");
    Ok(())
}

#[test]
fn a_directory_takes_the_place_of_the_embedded_recipes() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let path = directory.path().to_string_lossy().into_owned();
    let show = ["recipe", "show", "base", "--scale", "tiny", "--recipes", &path];
    let refused = output(&show, directory.path())?;
    let error = String::from_utf8_lossy(&refused.stderr).into_owned();
    ensure!(refused.status.code() == Some(2) && error.contains("expected recipes/ and scales/"), "{error}");
    for folder in ["recipes", "scales"] {
        fs::create_dir(directory.path().join(folder))?;
    }
    fs::write(
        directory.path().join("recipes/base.toml"),
        "[losses]\nuse = [\"scene\"]\n[views]\ninstances = 0\n",
    )?;
    fs::write(directory.path().join("scales/tiny.toml"), "[train]\nepochs = 7\n")?;
    let shown = stdout(&show, directory.path())?;
    ensure!(shown.contains("epochs = 7  # scales/tiny.toml"), "{shown}");
    Ok(())
}
