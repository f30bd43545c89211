//! Backbones from other libraries: `core/nn/tests/fixtures/backbone/make.py` made the files and torchvision's features, `make_torch.py`
//! those of `torch.save`.

use anyhow::{Context, Result};
use candle_core::{DType, Device, Tensor};
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use univip_core::nn::backbone_file::{self, Import, names, read, write};
use univip_core::nn::layout::to_torchvision;
use univip_core::nn::{FrozenBackbone, Mode};
use univip_core::registry::Registry;
use univip_resnet::plan;
use zip::CompressionMethod;

fn fixture(name: &str) -> PathBuf {
    fixture_file(&format!("{name}.safetensors"))
}

fn fixture_file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../core/nn/tests/fixtures/backbone").join(name)
}

fn import(path: &Path) -> Result<Import> {
    backbone_file::import(path, &Registry::linked()?.architectures(), &Device::Cpu)
}

/// The contents of a file, read without being told its shape.
fn backbone(path: &Path) -> Result<FrozenBackbone> {
    Ok(import(path)?.backbone)
}

/// The error of a file that is no backbone.
fn refused(path: &Path) -> Result<String> {
    Ok(format!("{:#}", import(path).err().context("it was read")?))
}

fn tensors(path: &Path) -> Result<HashMap<String, Tensor>> {
    candle_core::safetensors::load(path, &Device::Cpu).with_context(|| path.display().to_string())
}

fn largest(tensor: &Tensor) -> Result<f32> {
    Ok(tensor.abs()?.flatten_all()?.max(0)?.to_scalar()?)
}

#[test]
fn torchvisions_files_give_torchvisions_features() -> Result<()> {
    let expected = tensors(&fixture("features"))?;
    for (name, width) in [("resnet18", 2), ("resnet50", 1)] {
        let backbone = backbone(&fixture(name))?;
        assert_eq!((backbone.plan().name(), backbone.plan().width()), (name, width));
        let difference = largest(&(backbone.features(&expected["images"])? - &expected[name])?)?;
        assert!(difference < 1e-4, "{name} differs by {difference}");
        let stem = &backbone.stem_and_maps(&expected["images"])?[0];
        let difference = largest(&(stem - &expected[&format!("{name}.stem")])?)?;
        assert!(difference < 1e-4, "the stem of {name} differs by {difference}");
        assert!(largest(&expected[name])? > 0.1, "{name}: features of nothing");
    }
    Ok(())
}

#[test]
fn what_is_written_reads_back_bit_for_bit() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("backbone.safetensors");
    let backbone = backbone(&fixture("resnet50"))?;
    write(&path, &backbone.tensors())?;
    let (mut theirs, ours) = (tensors(&fixture("resnet50"))?, tensors(&path)?);
    theirs.retain(|name, _| !name.starts_with("fc.") && !name.contains("num_batches"));
    assert_eq!(ours.len(), theirs.len());
    for (name, tensor) in ours {
        assert_eq!(tensor.dims(), theirs[&name].dims(), "{name}");
        assert_eq!(largest(&(tensor - &theirs[&name])?)?, 0.0, "{name}");
    }
    Ok(())
}

#[test]
fn a_copy_to_fine_tune_has_the_values_and_not_the_storage() -> Result<()> {
    let backbone = backbone(&fixture("resnet18"))?;
    let images = Tensor::ones((1, 32, 32, 3), DType::F32, &Device::Cpu)?;
    let before = backbone.features(&images)?;
    let (parameters, copy) = backbone.copy(7)?;
    assert_eq!(parameters.tensors().len(), backbone.tensors().len());
    let of_copy = copy.forward(&images, Mode::Eval)?;
    assert_eq!(largest(&(of_copy - &before)?)?, 0.0);
    for var in parameters.parameters().values() {
        var.set(&var.zeros_like()?)?;
    }
    assert_eq!(largest(&(backbone.features(&images)? - &before)?)?, 0.0);
    Ok(())
}

/// A file of the fixture with changes.
fn changed(
    directory: &Path,
    change: impl FnOnce(&mut HashMap<String, Tensor>) -> Result<()>,
) -> Result<PathBuf> {
    let mut all = tensors(&fixture("resnet18"))?;
    change(&mut all)?;
    let path = directory.join("changed.safetensors");
    let all: BTreeMap<_, _> = all.into_iter().collect();
    std::fs::write(&path, safetensors::serialize(&all, None)?)?;
    Ok(path)
}

#[test]
fn tensors_that_do_not_fit_are_all_listed() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let zeros = |shape: &[usize]| Tensor::zeros(shape, DType::F32, &Device::Cpu);
    let path = changed(directory.path(), |all| {
        all.remove("bn1.running_mean");
        all.remove("layer4.1.conv2.weight");
        all.insert("layer3.2.conv1.weight".into(), zeros(&[8, 8, 3, 3])?);
        all.insert("layer2.0.conv1.weight".into(), zeros(&[4, 2, 1, 1])?);
        Ok(())
    })?;
    let error = refused(&path)?;
    for part in [
        "changed.safetensors are not those of a resnet18 of width 2",
        "2 missing: bn1.running_mean [2], layer4.1.conv2.weight [16, 16, 3, 3]",
        "1 unexpected: layer3.2.conv1.weight",
        "1 of another shape: layer2.0.conv1.weight is [4, 2, 1, 1], expected [4, 2, 3, 3]",
    ] {
        assert!(error.contains(part), "{error}\nlacks {part:?}");
    }
    Ok(())
}

#[test]
fn a_file_of_something_else_is_named_with_what_was_expected() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("x.safetensors");
    assert!(refused(&path)?.contains("x.safetensors"), "a missing file");
    let [resnet, moco] = [std::fs::read(fixture("resnet18"))?, std::fs::read(fixture_file("moco.pth"))?];
    for (bytes, expected) in [
        (&b""[..], "is neither a safetensors file nor one of torch.save"),
        (b"none", "is neither a safetensors file nor one of torch.save"),
        (b"PK\x03\x04 no archive", "cannot be used as a file of torch.save: it is truncated"),
        (&resnet[..resnet.len() / 2], "is not a whole safetensors file"),
        (&moco[..moco.len() / 2], "cannot be used as a file of torch.save: it is truncated"),
        (&std::fs::read(fixture_file("legacy.pth"))?, "is a pickle without an archive"),
        (
            &std::fs::read(fixture_file("whole.pth"))?,
            "expected a state dict, found torch.nn.modules.linear.Linear",
        ),
        (&std::fs::read(fixture_file("types.pth"))?, "no conv1.weight [width, 3, 7, 7]"),
        (&std::fs::read(fixture("features"))?, "found images, resnet18, "),
    ] {
        std::fs::write(&path, bytes)?;
        let said = refused(&path)?;
        assert!(said.contains("x.safetensors") && said.contains(expected), "{said}\nlacks {expected:?}");
    }
    let said = read(&fixture("resnet18"), &plan(18, 4), &Device::Cpu).err().context("it was read")?;
    let said = format!("{said:#}");
    assert!(
        said.contains("of a resnet18 of width 4")
            && said.contains("100 of another shape: bn1.bias is [2], expected [4], "),
        "{said}"
    );
    Ok(())
}

#[test]
fn a_damaged_file_of_torch_save_is_named_wherever_it_is_damaged() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("damaged.pth");
    let whole = std::fs::read(fixture_file("moco.pth"))?;
    for length in (4..whole.len()).step_by(997) {
        std::fs::write(&path, &whole[..length])?;
        assert!(
            refused(&path)?.contains("damaged.pth cannot be used as a file of torch.save"),
            "{length} bytes"
        );
    }
    let values = |backbone: &FrozenBackbone| -> Result<Vec<Vec<f32>>> {
        backbone.tensors().values().map(|tensor| Ok(tensor.flatten_all()?.to_vec1()?)).collect()
    };
    let expected = values(&backbone(&fixture_file("moco.pth"))?)?;
    let mut refusals = 0;
    for place in (4..whole.len()).step_by(211) {
        let mut bytes = whole.clone();
        bytes[place] ^= 0xff;
        std::fs::write(&path, bytes)?;
        match import(&path) {
            Err(error) => {
                assert!(format!("{error:#}").contains("damaged.pth"), "byte {place}: {error:#}");
                refusals += 1;
            }
            // Bytes between the members, and the tensors that are left out, do not matter.
            Ok(read) => assert_eq!(values(&read.backbone)?, expected, "byte {place}"),
        }
    }
    assert!(refusals > 50, "{refusals}");
    Ok(())
}

#[test]
fn a_checkpoint_of_moco_gives_the_querys_network_to_the_bit() -> Result<()> {
    let images = &tensors(&fixture("features"))?["images"];
    let import = import(&fixture_file("moco.pth"))?;
    let expected = backbone(&fixture("resnet18"))?.features(images)?;
    assert_eq!(largest(&(import.backbone.features(images)? - expected)?)?, 0.0);
    assert_eq!(import.prefix, "module.encoder_q.");
    let left_out = [
        "module.encoder_k.conv1.weight",
        "module.encoder_k.layer1.0.conv1.weight",
        "module.encoder_q.fc.0.weight",
        "module.queue",
        "module.queue_ptr",
    ];
    assert_eq!(import.left_out, left_out);
    Ok(())
}

#[test]
fn names_are_those_of_detectron2_too_with_and_without_a_prefix() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("detectron2.safetensors");
    let images = &tensors(&fixture("features"))?["images"];
    let ours = backbone(&fixture("resnet50"))?;
    for prefix in ["", "backbone.bottom_up."] {
        let theirs = to_torchvision(&ours.tensors())?;
        let theirs: BTreeMap<String, Tensor> = (theirs.into_iter())
            .map(|(name, tensor)| (format!("{prefix}{}", names::detectron2(&name)), tensor))
            .collect();
        std::fs::write(&path, safetensors::serialize(&theirs, None)?)?;
        let read = import(&path)?;
        assert_eq!((read.prefix.as_str(), read.left_out.len()), (prefix, 0));
        assert_eq!(largest(&(read.backbone.features(images)? - ours.features(images)?)?)?, 0.0);
        let mut broken = theirs.clone();
        broken.remove(&format!("{prefix}res3.0.shortcut.norm.bias"));
        std::fs::write(&path, safetensors::serialize(&broken, None)?)?;
        assert!(refused(&path)?.contains("1 missing: res3.0.shortcut.norm.bias [8]"), "{}", refused(&path)?);
    }
    Ok(())
}

#[test]
fn with_a_prefix_the_backbone_itself_must_still_be_whole() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let path = changed(directory.path(), |all| {
        let prefixed = all.drain().map(|(name, tensor)| (format!("module.{name}"), tensor));
        *all = prefixed.collect();
        all.remove("module.bn1.bias");
        all.insert("module.layer5.weight".into(), Tensor::zeros(1, DType::F32, &Device::Cpu)?);
        Ok(())
    })?;
    let said = refused(&path)?;
    assert!(said.contains("1 missing: bn1.bias [2]; 1 unexpected: layer5.weight"), "{said}");
    Ok(())
}

#[test]
fn half_precision_becomes_single() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let path = changed(directory.path(), |all| {
        for tensor in all.values_mut() {
            *tensor = tensor.to_dtype(DType::F16)?;
        }
        Ok(())
    })?;
    let tensors = to_torchvision(&backbone(&path)?.tensors())?;
    assert!(tensors.values().all(|tensor| tensor.dtype() == DType::F32));
    Ok(())
}

/// A file of `torch.save` whose pickle is these bytes.
fn archive(path: &Path, pickle: &[u8]) -> Result<()> {
    archive_by(CompressionMethod::Stored, path, pickle)
}

fn archive_by(method: CompressionMethod, path: &Path, pickle: &[u8]) -> Result<()> {
    use std::io::Write;
    let options = zip::write::SimpleFileOptions::default().compression_method(method);
    let mut archive = zip::ZipWriter::new(std::fs::File::create(path)?);
    for (name, bytes) in [("x/data.pkl", pickle), ("x/data/0", &[0; 4])] {
        archive.start_file(name, options)?;
        archive.write_all(bytes)?;
    }
    archive.finish()?;
    Ok(())
}

/// `(storage, 0, shape, shape)` of a tensor, where the shape and the storage were kept as 2 and 1 the first time.
fn tensors_of_one_shape(names: usize, sides: usize) -> Vec<u8> {
    let mut pickle = b"\x80\x02}(".to_vec();
    for place in 0..names {
        let name = if place == 0 { "conv1.weight".to_string() } else { format!("{place:x}") };
        pickle.push(b'X');
        pickle.extend((name.len() as u32).to_le_bytes());
        pickle.extend(name.as_bytes());
        if place > 0 {
            pickle.extend(b"h\0(h\x01K\0h\x02h\x02tR");
            continue;
        }
        pickle.extend(b"ctorch._utils\n_rebuild_tensor_v2\nq\0((X\x07\0\0\0storagectorch\nFloatStorage\n");
        pickle.extend(b"X\x01\0\0\x000X\x03\0\0\0cpuK\x01tQq\x01K\0(");
        pickle.extend(b"K\x01".repeat(sides));
        pickle.extend(b"tq\x02h\x02tR");
    }
    pickle.extend(b"u.");
    pickle
}

/// A few bytes can be packed millions, and a pickle of tensors' names is never long.
#[test]
fn a_member_that_is_packed_or_long_is_refused() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("x.pth");
    archive_by(CompressionMethod::Deflated, &path, &tensors_of_one_shape(1, 4))?;
    let said = refused(&path)?;
    assert!(said.contains("its x/data.pkl is compressed, which torch.save never does"), "{said}");
    archive(&path, &vec![b'N'; (32 << 20) + 1])?;
    let said = refused(&path)?;
    assert!(said.contains("its x/data.pkl has 33554433 bytes, expected at most 33554432"), "{said}");
    Ok(())
}

/// A shape of thousands of sides in thousands of tensors would be copied for each.
#[test]
fn a_shape_has_at_most_as_many_sides_as_pytorchs() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("x.pth");
    for (names, sides) in [(3000, 3000), (1, 20_000), (1, 65)] {
        archive(&path, &tensors_of_one_shape(names, sides))?;
        let said = refused(&path)?;
        assert!(said.contains("its tensor conv1.weight is not described as PyTorch does"), "{said}");
        assert!(said.contains("of at most 64 dimensions") && said.len() < 500, "{said}");
    }
    archive(&path, &tensors_of_one_shape(3000, 64))?;
    let said = refused(&path)?;
    assert!(said.contains("expected [width, 3, 7, 7]") && said.len() < 500, "{said}");
    Ok(())
}

#[test]
fn messages_are_short_whatever_a_file_calls_its_tensors() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let path = changed(directory.path(), |all| {
        for place in 0..200 {
            let name = format!("layer1.{place}\u{1b}[2J{}", "x".repeat(1000));
            all.insert(name, Tensor::zeros(1, DType::F32, &Device::Cpu)?);
        }
        all.retain(|name, _| !name.starts_with("layer3"));
        Ok(())
    })?;
    let said = refused(&path)?;
    assert!(said.contains(" missing: layer3.0.bn1.bias [8], "), "{said}");
    assert!(said.contains("200 unexpected: layer1.0\\u{1b}[2Jxxx"), "{said}");
    assert!(said.contains(", ...") && !said.contains(char::is_control), "{said}");
    assert!(said.len() < 500 + path.as_os_str().len(), "{} bytes: {said}", said.len());
    Ok(())
}

/// A pipe would wait for its other end.
#[cfg(unix)]
#[test]
fn a_device_is_no_file() -> Result<()> {
    let said = refused(Path::new("/dev/null"))?;
    assert!(said.contains("/dev/null is not a regular file"), "{said}");
    Ok(())
}

#[test]
fn what_a_download_leaves_in_place_of_a_file_is_named() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("x.pth");
    for (bytes, expected) in [
        (&b"version https://git-lfs.github.com/spec/v1\noid sha256:1\n"[..], "but a Git LFS pointer"),
        (b"<!DOCTYPE html><html>", "but an HTML page"),
        (b"\x1f\x8b\x08\0\0\0\0\0\0", "but compressed by gzip"),
    ] {
        std::fs::write(&path, bytes)?;
        let said = refused(&path)?;
        assert!(said.contains("x.pth is no file of tensors") && said.contains(expected), "{said}");
    }
    Ok(())
}
