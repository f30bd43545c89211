//! `univip evaluate`: measurements on runs that are there and on backbones from elsewhere.

mod common;

use anyhow::{Context, Result, ensure};
use common::{ROW, evaluations, last_checkpoint, output, run_directory, stdout, univip};
use serde_json::Value;
use std::path::Path;

/// Runs `univip evaluate` on the runs in `runs`.
fn evaluate(arguments: &[&str], runs: &Path) -> Result<(Option<i32>, String, String)> {
    let mut command = univip(&["evaluate"], runs);
    let output = command.args(arguments).arg("--runs").arg(runs).output()?;
    Ok((output.status.code(), String::from_utf8(output.stdout)?, String::from_utf8(output.stderr)?))
}

fn lines(run: &Path) -> Result<Vec<Value>> {
    evaluations(run)?.lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
}

fn status(run: &Path) -> Result<String> {
    let record: Value = serde_json::from_slice(&std::fs::read(run.join("run.json"))?)?;
    Ok(record["status"].as_str().context("no status")?.to_string())
}

#[test]
fn a_finished_run_can_be_measured_again_and_otherwise() -> Result<()> {
    let runs = tempfile::tempdir()?;
    stdout(&ROW, runs.path())?;
    let run = run_directory(runs.path(), "table7-e")?;
    let before = lines(&run)?;

    let (code, said, _) = evaluate(&["table7-e"], runs.path())?;
    ensure!(code == Some(0) && said.contains("already measured: linear-probe, knn"), "{said}");
    ensure!(lines(&run)? == before, "nothing was asked for");

    let (code, said, error) = evaluate(&["table7-e", "--with", "knn"], runs.path())?;
    ensure!(code == Some(0), "{error}");
    let after = lines(&run)?;
    ensure!(after[..before.len()] == before[..], "earlier lines stay");
    let first = before.iter().find(|line| line["evaluator"] == "knn").context("no knn")?;
    let again = after[before.len()..].iter().find(|line| line["metric"]["name"] == first["metric"]["name"]);
    ensure!(again == Some(first), "the same bits from the file as from the run: {again:?}, {first}");
    ensure!(said.contains("knn-20") && said.contains("top1"), "{said}");

    let set = ["table7-e", "--with", "knn,semi-supervised", "--set", "evaluator.knn.k=3"];
    let (code, _, error) = evaluate(&set, runs.path())?;
    ensure!(code == Some(0), "{error}");
    let last = lines(&run)?;
    let protocols: Vec<_> =
        last[after.len()..].iter().map(|line| line["metric"]["protocol"].as_str()).collect();
    ensure!(protocols.contains(&Some("knn-3")), "{protocols:?}");
    ensure!(protocols.contains(&Some("semi-10pct-small")), "the run's scale says which: {protocols:?}");
    ensure!(last[after.len()]["set"][0] == "evaluator.knn.k=3", "{}", last[after.len()]);
    check_provenance(&run)
}

/// One sitting for the run and one for each evaluation that measured something, each with its end.
fn check_provenance(run: &Path) -> Result<()> {
    let record: Value = serde_json::from_slice(&std::fs::read(run.join("run.json"))?)?;
    let sittings = record["sittings"].as_array().context("no sittings")?;
    ensure!(sittings.len() == 3, "{record}");
    for (sitting, word) in sittings.iter().zip(["ablate", "evaluate", "evaluate"]) {
        ensure!(sitting["command"][1] == word && sitting["ended"].is_string(), "{sitting}");
        ensure!(sitting["host"].as_str().is_some_and(|host| !host.is_empty()), "{sitting}");
        ensure!(sitting["build"]["version"] == env!("CARGO_PKG_VERSION"), "{sitting}");
    }
    let knn = record["plugins"]["evaluator knn"].as_str().context("knn is used")?;
    ensure!(knn == concat!("univip-knn ", env!("CARGO_PKG_VERSION")), "{knn}");
    ensure!(record["plugins"]["dataset coco"].is_null(), "it is not used: {record}");
    Ok(())
}

#[test]
fn an_evaluator_that_failed_is_run_again_alone() -> Result<()> {
    let runs = tempfile::tempdir()?;
    // 1% of 100 images are too few for 10 classes; kNN does not mind.
    let row = [
        &ROW[..],
        &["--set", "evaluators.use=[\"semi-supervised\", \"knn\"]"],
        &["--set", "evaluator.semi-supervised.protocols=[\"semi-1pct-small\"]"],
    ]
    .concat();
    let failed = output(&row, runs.path())?;
    let said = String::from_utf8(failed.stderr)?;
    ensure!(failed.status.code() == Some(1) && said.contains("1% of 100 labelled images"), "{said}");
    let run = run_directory(runs.path(), "table7-e")?;
    ensure!(
        status(&run)? == "failed" && evaluations(&run)?.contains("knn-20"),
        "the other's numbers are kept"
    );
    let checkpoint = last_checkpoint(&run)?;

    // With other settings it is a measurement, and not the recipe's.
    let other = "evaluator.semi-supervised.protocols=[\"semi-10pct-small\"]";
    let (code, _, error) = evaluate(&["table7-e", "--set", other], runs.path())?;
    ensure!(code == Some(0), "{error}");
    ensure!(status(&run)? == "failed", "the recipe's own number is still missing");

    let (code, _, error) = evaluate(&["table7-e"], runs.path())?;
    ensure!(code == Some(1) && error.contains("evaluator `semi-supervised`"), "{error}");
    let (code, _, error) = evaluate(&["table7-e", "--with", "knn"], runs.path())?;
    ensure!(code == Some(0), "{error}");
    ensure!(last_checkpoint(&run)? == checkpoint, "an evaluation changed the run");
    Ok(())
}

#[test]
fn a_run_is_finished_when_what_was_missing_is_measured() -> Result<()> {
    let runs = tempfile::tempdir()?;
    stdout(&ROW, runs.path())?;
    let run = run_directory(runs.path(), "table7-e")?;
    // As after a failure of kNN.
    let kept: String = evaluations(&run)?
        .lines()
        .filter(|line| !line.contains("\"knn\""))
        .flat_map(|line| [line, "\n"])
        .collect();
    std::fs::write(run.join("evaluations.jsonl"), kept)?;
    let record = std::fs::read_to_string(run.join("run.json"))?;
    let record =
        record.replace("\"finished\"", "\"failed\"").replace("\"error\": null", "\"error\": \"kNN\"");
    // The second time nothing is missing, as when the record could not be written.
    for (expected, unexpected) in [("knn-20", "linear-probe"), ("already measured", "knn-20")] {
        std::fs::write(run.join("run.json"), &record)?;
        let (code, said, error) = evaluate(&[&run.display().to_string()], runs.path())?;
        ensure!(code == Some(0) && said.contains(expected) && !said.contains(unexpected), "{said}{error}");
        ensure!(status(&run)? == "finished");
        ensure!(std::fs::read_to_string(run.join("run.json"))?.contains("\"error\": null"));
    }
    Ok(())
}

#[test]
fn a_backbone_from_elsewhere_is_measured() -> Result<()> {
    let runs = tempfile::tempdir()?;
    stdout(&ROW, runs.path())?;
    let run = run_directory(runs.path(), "table7-e")?;
    let file = run.join("backbone.safetensors").display().to_string();
    let with = ["--backbone", &file, "--scale", "smoke", "--with", "knn"];
    let (code, said, error) = evaluate(&with, runs.path())?;
    ensure!(code == Some(0), "{error}");
    let line = lines(&run)?.into_iter().find(|line| line["evaluator"] == "knn").context("no knn")?;
    let value = format!("{:.2}", line["metric"]["value"].as_f64().context("no value")?);
    ensure!(said.contains(&value) && said.contains("knn-20"), "{said}, expected {value}");
    // The recipes of a directory, which are those that are embedded but for one more.
    let recipes = tempfile::tempdir()?;
    for folder in ["recipes", "scales"] {
        std::fs::create_dir(recipes.path().join(folder))?;
    }
    let scale = "[evaluator.knn]\nk = 3\n";
    std::fs::write(recipes.path().join("scales/mine.toml"), scale)?;
    let own = "inherit = [\"univip:/recipes/table7/e.toml\"]\n[evaluators]\nuse = [\"knn\"]\n";
    std::fs::write(recipes.path().join("recipes/own.toml"), own)?;
    let place = recipes.path().display().to_string();
    let limits = [
        "--set",
        "probe_data.train_limit=100",
        "--set",
        "probe_data.val_limit=50",
        "--set",
        "probe_data.image_size=32",
    ];
    let own = ["--backbone", &file, "--recipe", "own", "--scale", "mine", "--recipes", &place];
    let (code, said, error) = evaluate(&[&own[..], &limits].concat(), runs.path())?;
    ensure!(code == Some(0) && said.contains("knn-3"), "{said} {error}");
    Ok(())
}

#[test]
fn of_a_checkpoint_it_is_said_what_is_measured() -> Result<()> {
    let runs = tempfile::tempdir()?;
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../core/nn/tests/fixtures/backbone");
    let measured = |name: &str| {
        let file = fixtures.join(name).display().to_string();
        evaluate(&["--backbone", &file, "--scale", "smoke", "--with", "knn"], runs.path())
    };
    let (code, plain, error) = measured("resnet18.safetensors")?;
    ensure!(code == Some(0) && error.contains("2 other tensors are left out: fc.bias, fc.weight"), "{error}");
    let (code, moco, error) = measured("moco.pth")?;
    ensure!(code == Some(0) && moco == plain, "{error}: {moco}, expected {plain}");
    for part in [
        "moco.pth: the backbone is module.encoder_q.*",
        "moco.pth: 5 other tensors are left out: module.encoder_k.conv1.weight, module.encoder_k.layer1.0.conv1.weight, ",
    ] {
        ensure!(error.contains(part), "{error:?}, expected {part:?}");
    }
    Ok(())
}

#[test]
fn what_cannot_be_evaluated_is_named_with_what_may_have_been_meant() -> Result<()> {
    let runs = tempfile::tempdir()?;
    let run = runs.path().join("table7-e-0123456789ab-s0");
    std::fs::create_dir(&run)?;
    std::fs::write(run.join("run.json"), RECORD)?;
    let finished = runs.path().join("table9-10-0123456789ab-s0");
    std::fs::create_dir(&finished)?;
    std::fs::write(finished.join("run.json"), RECORD.replace("interrupted", "finished"))?;
    std::fs::write(runs.path().join("some.safetensors"), "none")?;
    let some = runs.path().join("some.safetensors").display().to_string();
    let cases: [(&[&str], i32, &[&str]); 14] = [
        (&[], 2, &["name a run or give --backbone"]),
        (&["table7-f"], 2, &["is called `table7-f`", "did you mean `table7-e`?"]),
        (&["table7-e", "--with", "kn"], 2, &["unknown evaluator `kn`", "did you mean `knn`?"]),
        (&["table7-e", "--set", "optimizer.lr=1"], 2, &["optimizer.lr=1", "the run is trained"]),
        (&["table7-e", "--backbone", "x.safetensors"], 2, &["cannot be used with"]),
        (&["table7-e", "--scale", "smoke"], 2, &["--scale", "cannot be used with"]),
        (&["table7-e", "--recipe", "base"], 2, &["--recipe", "cannot be used with"]),
        (&["table7-e", "--seed", "1"], 2, &["--seed", "cannot be used with"]),
        (&["--backbone", "nowhere.safetensors"], 2, &["`--backbone`", "nowhere.safetensors: "]),
        (
            &["--backbone", &some, "--recipes", "nowhere"],
            2,
            &["`--recipes`", "nowhere has no directory `recipes`"],
        ),
        (&["table7-e"], 1, &["has not ended", "interrupted"]),
        (&["table9-10"], 1, &["backbone.safetensors is missing", "--force"]),
        (
            &["--backbone", &some],
            1,
            &["some.safetensors is neither a safetensors file nor one of torch.save"],
        ),
        (&["--backbone", &runs.path().display().to_string()], 2, &["is a directory, expected a file"]),
    ];
    for (arguments, expected_code, expected) in cases {
        let (code, _, said) = evaluate(arguments, runs.path())?;
        ensure!(code == Some(expected_code), "{arguments:?} gave {code:?}: {said}");
        for part in expected {
            ensure!(said.contains(part), "{arguments:?} said {said:?}, expected {part:?}");
        }
    }
    Ok(())
}

#[test]
fn a_directory_without_runs_is_said_to_have_none() -> Result<()> {
    let runs = tempfile::tempdir()?;
    for (runs, expected) in
        [(runs.path().to_path_buf(), "holds no run"), (runs.path().join("none"), "does not exist")]
    {
        let (code, _, said) = evaluate(&["table7-e"], &runs)?;
        ensure!(
            code == Some(2) && said.contains(expected) && said.contains("`table7-e`"),
            "{code:?}: {said}"
        );
    }
    Ok(())
}

/// `run.json` of a run that was stopped.
const RECORD: &str = r#"{"status": "interrupted", "error": null, "name": "table7-e", "seed": 0, "fingerprint": "0123456789ab",
    "scale": "smoke", "data": "fashion-scenes", "data_digest": "", "probe_data": "fashion-icons", "version": "0.1.0",
    "machine": {}, "started": "", "seconds": {}, "peak_memory_bytes": null, "steps": 12, "parameters": 0}"#;

#[test]
fn an_evaluator_with_nothing_to_measure_says_so_and_the_run_is_finished() -> Result<()> {
    let runs = tempfile::tempdir()?;
    // Labelled images of one item each: no boxes and no masks.
    let icons = ["ablate", "table7", "--row", "b", "--scale", "smoke", "--set", "data.use=fashion-icons"];
    let outcome = output(&icons, runs.path())?;
    let said = String::from_utf8(outcome.stderr)?;
    ensure!(
        outcome.status.success() && said.contains("`detection` measured nothing: none of the 12000"),
        "{said}"
    );
    let run = run_directory(runs.path(), "table7-b")?;
    ensure!(status(&run)? == "finished");
    ensure!(lines(&run)?.iter().all(|line| line["evaluator"] != "detection") && !lines(&run)?.is_empty());
    // Asked for by name it is an error.
    let (code, _, said) = evaluate(&["table7-b", "--with", "detection"], runs.path())?;
    ensure!(code == Some(1) && said.contains("leave `detection` out of evaluators.use"), "{said}");
    Ok(())
}

/// The tensors of a checkpoint by name, but for those of the online probe.
fn without_probe(checkpoint: &[u8]) -> Result<Vec<(String, Vec<u8>)>> {
    let tensors = safetensors::SafeTensors::deserialize(checkpoint)?;
    let trained = tensors.iter().filter(|(name, _)| !name.starts_with("probe."));
    let mut trained: Vec<_> = trained.map(|(name, view)| (name.to_string(), view.data().to_vec())).collect();
    trained.sort();
    Ok(trained)
}

#[test]
fn evaluating_during_training_changes_no_bit_of_it() -> Result<()> {
    let epochs = ["--set", "train.epochs=4", "--set", "train.checkpoint_every=5"];
    let named = ["--set", "evaluators.during=[\"knn\", \"semi-supervised\"]", "--set", "evaluators.every=2"];
    let during = [&named[..], &["--set", "evaluators.online=16"]].concat();
    let [without, with, stopped] = [tempfile::tempdir()?, tempfile::tempdir()?, tempfile::tempdir()?];
    stdout(&[&ROW[..], &epochs].concat(), without.path())?;
    let row = [&ROW[..], &epochs, &during].concat();
    stdout(&row, with.path())?;
    let [plain, measured] =
        [run_directory(without.path(), "table7-e")?, run_directory(with.path(), "table7-e")?];
    ensure!(plain.file_name() == measured.file_name(), "it is the same run");
    let trained = |run: &Path| without_probe(&last_checkpoint(run)?);
    ensure!(trained(&plain)? == trained(&measured)?, "training took another course");
    ensure!(evaluations(&plain)? == evaluations(&measured)?);

    let events = |run: &Path| -> Result<Vec<Value>> {
        let text = std::fs::read_to_string(run.join("metrics.jsonl"))?;
        let events: Vec<Value> = text.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
        Ok(events.into_iter().filter(|event| event["event"] == "evaluation").collect())
    };
    let top1: Vec<_> = events(&measured)?
        .into_iter()
        .filter(|event| event["metric"]["name"] == "top1")
        .map(|event| (event["epoch"].as_u64(), event["evaluator"].as_str().map(str::to_string)))
        .collect();
    let expected = (0..4).flat_map(|epoch| {
        let names = ["online-probe", "knn", "semi-supervised"].into_iter();
        names.take(if epoch % 2 == 1 { 3 } else { 1 }).map(move |name| (Some(epoch), Some(name.to_string())))
    });
    let expected: Vec<_> = expected.collect();
    ensure!(top1 == expected, "{top1:?}");

    // Killed in the third epoch: what is done again is there once.
    let mut child = univip(&row, stopped.path()).stderr(std::process::Stdio::null()).spawn()?;
    let killed = loop {
        let run = run_directory(stopped.path(), "table7-e").ok();
        let text =
            run.and_then(|run| std::fs::read_to_string(run.join("metrics.jsonl")).ok()).unwrap_or_default();
        if text.contains("\"epoch\":2,\"total\"") {
            child.kill()?;
            child.wait()?;
            break true;
        }
        if child.try_wait()?.is_some() {
            break false;
        }
        std::thread::sleep(std::time::Duration::from_millis(2));
    };
    ensure!(killed, "the run was over before it could be killed");
    stdout(&row, stopped.path())?;
    let resumed = run_directory(stopped.path(), "table7-e")?;
    ensure!(last_checkpoint(&measured)? == last_checkpoint(&resumed)?, "a resumed run ended in other bits");
    ensure!(events(&resumed)? == events(&measured)?, "the same events, each once");
    Ok(())
}

/// Its untrained backbone has nothing to measure either.
#[test]
fn a_recipe_by_itself_may_measure_nothing() -> Result<()> {
    let runs = tempfile::tempdir()?;
    let run = ["run", "table7/b", "--scale", "smoke", "--set", "evaluators.use=[]"];
    stdout(&run, runs.path())?;
    for name in ["table7-b", "random"] {
        let run = run_directory(runs.path(), name)?;
        ensure!(run.join("backbone.safetensors").exists() && !run.join("evaluations.jsonl").exists());
    }
    Ok(())
}
