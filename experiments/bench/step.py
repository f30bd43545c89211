"""PyTorch's side of `cargo xtask bench step`:  python step.py CASE DIRECTORY [--device cuda] [--tf32]

Prints one JSON line: the median seconds of a training step on noise, and the most memory that the process took beyond
what was there before the network; on a GPU the most that its tensors took. Each case is measured in both memory layouts,
each in a process of its own; the faster one counts. Which one that is depends on the sizes.

Products on a GPU are of whole 32-bit numbers, as ours; --tf32 allows those of 19 bits, which PyTorch allows in
convolutions unless told otherwise.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import methods
from networks import follow, head, noise, resnet, sgd

LAYOUTS = ["contiguous_format", "channels_last"]
# Settings of Table 7(e): hidden units, outputs, side of an instance.
SCALES = {"small": ("resnet18", 512, 128, 32), "paper": ("resnet50", 4096, 256, 96)}
EPSILON, ITERATIONS = 0.1, 50


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("case")
    parser.add_argument("directory")
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--tf32", action="store_true")
    parser.add_argument("--layout", choices=LAYOUTS)
    options = parser.parse_args()
    if options.layout:
        return measure(options)
    environment = os.environ | {"OMP_NUM_THREADS": str(len(os.sched_getaffinity(0)))}
    for name in ["OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"]:
        environment.pop(name, None)
    lines = []
    for layout in LAYOUTS:
        command = [sys.executable, __file__, *sys.argv[1:], "--layout", layout]
        lines.append(json.loads(subprocess.run(command, env=environment, check=True, capture_output=True).stdout))
    print(json.dumps(min(lines, key=lambda line: line["seconds"])))


def measure(options):
    import torch

    torch.set_num_threads(len(os.sched_getaffinity(0)))
    torch.backends.cudnn.benchmark = True
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = options.tf32
    # Everything below is made on the device.
    torch.set_default_device(options.device)
    case = options.case
    words = case.split(" ")
    number = {word.strip("0123456789"): int(word.strip("abcdefghijklmnopqrstuvwxyz")) for word in words[1:]}
    before = resident("VmRSS")
    method = words[0].rpartition("-")[0]
    make = {"": backbone, "univip": univip}.get(method) or getattr(methods, method.replace("-", "_"))
    step = make(words[0], number, getattr(torch, options.layout))
    settle = torch.cuda.synchronize if options.device == "cuda" else lambda: None
    seconds, begin = [], time.perf_counter()
    while len(seconds) < 5 or (len(seconds) < 30 and time.perf_counter() - begin < 6):
        start = time.perf_counter()
        step()
        settle()
        seconds.append(time.perf_counter() - start)
    peak = torch.cuda.max_memory_allocated() if options.device == "cuda" else resident("VmHWM") - before
    line = {"case": case, "seconds": statistics.median(seconds[2:]), "peak_bytes": peak}
    print(json.dumps(line | {"version": f"PyTorch {torch.__version__.split('+')[0]}"}))


def resident(field):
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024
    return 0


def backbone(name, number, layout):
    images = noise(number, layout)
    model = resnet(name, number["w"])[0].to(memory_format=layout)
    optimizer = sgd(model.parameters())

    def step():
        optimizer.zero_grad()
        model(images).square().mean().backward()
        optimizer.step()

    return step


def univip(name, number, layout):
    import copy

    import torch
    import torch.nn.functional as F
    from torch import nn

    kind, hidden, outputs, side = SCALES[name.removeprefix("univip-")]
    k = number["k"]
    trunk, features = resnet(kind, number["w"])
    encoder = nn.Sequential(trunk, head(features, hidden, outputs)).to(memory_format=layout)
    predictor = head(outputs, hidden, outputs)
    linear = nn.Linear(max(k, 1) * outputs, outputs)
    target = copy.deepcopy(encoder).requires_grad_(False)
    learnt = [*encoder.parameters(), *predictor.parameters(), *(linear.parameters() if k else [])]
    optimizer = sgd(learnt)

    scenes = [noise(number, layout) for _ in range(2)]
    crops, other_crops = ([noise(number, layout, side) for _ in range(k)] for _ in range(2))

    def similarity(a, b):
        return -F.cosine_similarity(a, b, dim=-1).mean()

    @torch.no_grad()
    def plan(cost, supply, demand):
        f, g = torch.zeros_like(supply), torch.zeros_like(demand)
        for _ in range(ITERATIONS):
            f = EPSILON * (supply.log() - ((g[:, None, :] - cost) / EPSILON).logsumexp(2))
            g = EPSILON * (demand.log() - ((f[:, :, None] - cost) / EPSILON).logsumexp(1))
        return ((f[:, :, None] + g[:, None, :] - cost) / EPSILON).exp()

    def marginals(instances, scene):
        weights = F.relu(torch.einsum("bkd,bd->bk", instances, scene)).double()
        mass = weights.sum(1, keepdim=True)
        return torch.where(mass > 0, weights / mass.clamp_min(1e-300), 1 / k)

    def loss():
        # A forward pass a view, as batch norm wants it.
        online = [predictor(encoder(view)) for view in scenes]
        with torch.no_grad():
            goal = [target(view) for view in scenes]
        total = similarity(online[0], goal[1]) + similarity(online[1], goal[0])
        if k == 0:
            return total
        o = torch.stack([predictor(encoder(view)) for view in crops], 1)
        with torch.no_grad():
            t = torch.stack([target(view) for view in other_crops], 1)
        combined = linear(o.flatten(1))
        total = total + similarity(combined, goal[0]) + similarity(combined, goal[1])
        cosine = torch.einsum("bmd,bnd->bmn", F.normalize(o, dim=2), F.normalize(t, dim=2))
        with torch.no_grad():
            supply = marginals(o, (goal[0] + goal[1]) / 2)
            demand = marginals(t, (online[0] + online[1]) / 2)
            flows = plan(1 - cosine.double(), supply, demand).to(cosine.dtype)
        return total - (cosine * flows).sum((1, 2)).mean()

    def step():
        optimizer.zero_grad()
        loss().backward()
        optimizer.step()
        follow(target, encoder)

    return step


if __name__ == "__main__":
    main()
