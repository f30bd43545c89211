"""Loads an export of `univip export` as its reader does, strictly, and compares its features with univip's.

    python experiments/export/check.py DIR [DIR ...]

Needs torch and safetensors, torchvision for what was exported to it or to detectron2, timm for what was exported to
that. Made and run with torch 2.15.0, torchvision 0.29.2, timm 1.0.31. Ends with 1 when anything differs.

detectron2 itself is not needed, and is not what is tested here: its file is read as its checkpointer reads it, its
names are turned back into torchvision's by the rules of detectron2's own converter, and the network is torchvision's.
"""

import hashlib
import json
import pathlib
import sys

import torch
from safetensors.torch import load_file

# Of the largest feature, where that is above 1.
TOLERANCE = 1e-4


def torchvision_network(architecture, width):
    from torch import nn
    from torchvision.models import resnet

    model = getattr(resnet, architecture)(weights=None)
    if width != 64:
        # The stages of a narrow network, by torchvision's own blocks: its constructor takes no other width.
        block, depths = {"resnet18": (resnet.BasicBlock, [2, 2, 2, 2]), "resnet50": (resnet.Bottleneck, [3, 4, 6, 3])}[architecture]
        model.inplanes = width
        model.conv1, model.bn1 = nn.Conv2d(3, width, 7, 2, 3, bias=False), nn.BatchNorm2d(width)
        for stage, depth in enumerate(depths):
            setattr(model, f"layer{stage + 1}", model._make_layer(block, width << stage, depth, stride=1 + (stage > 0)))
    model.fc = nn.Identity()
    return model


def from_detectron2(name):
    """detectron2's name to torchvision's: the way back of its `convert-torchvision-to-d2.py`."""
    name = name.removeprefix("stem.").replace("shortcut.norm", "downsample.1").replace("shortcut", "downsample.0")
    for number in (1, 2, 3):
        name = name.replace(f"conv{number}.norm", f"bn{number}")
    for stage in (2, 3, 4, 5):
        name = name.replace(f"res{stage}.", f"layer{stage - 1}.")
    return name


def network(directory, manifest):
    """The reader's own network with the export's tensors in it."""
    file, architecture, width = directory / manifest["file"], manifest["network"]["architecture"], manifest["network"]["width"]
    if manifest["target"] == "timm":
        import timm

        return timm.create_model(architecture, num_classes=0, checkpoint_path=str(file))
    if manifest["target"] == "detectron2":
        loaded = torch.load(file, map_location="cpu", weights_only=True)
        assert set(loaded) == {"model", "__author__", "matching_heuristics"}, set(loaded)
        tensors = {from_detectron2(name): tensor for name, tensor in loaded["model"].items()}
    else:
        tensors = load_file(file)
    model = torchvision_network(architecture, width)
    model.load_state_dict(tensors, strict=True)
    return model


def difference(directory):
    manifest = json.loads((directory / "manifest.json").read_text())
    digest = hashlib.sha256((directory / manifest["file"]).read_bytes()).hexdigest()
    assert digest == manifest["sha256"], "the file is not the one that the manifest tells of"
    check = load_file(directory / "check.safetensors")
    mean, std = torch.tensor(manifest["input"]["mean"]), torch.tensor(manifest["input"]["std"])
    image = ((check["pixels"].float() / 255 - mean) / std).permute(2, 0, 1)[None]
    with torch.no_grad():
        features = network(directory, manifest).eval()(image)[0]
    assert features.shape == check["features"].shape, (features.shape, check["features"].shape)
    return manifest["target"], (features - check["features"]).abs().max().item(), check["features"].abs().max().item()


wrong = 0
for argument in sys.argv[1:]:
    target, largest, scale = difference(pathlib.Path(argument))
    wrong += not largest <= TOLERANCE * max(1, scale)
    print(f"{argument}: {target}, features differ by {largest:.2e} at most (their largest is {scale:.3f})")
sys.exit(1 if wrong or len(sys.argv) < 2 else 0)
