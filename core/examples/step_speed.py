"""The time of the training steps of step_speed.rs in PyTorch:  python step_speed.py [repeats]"""

import os
import sys
import time

import torch
from torch import nn
from torchvision.models.resnet import BasicBlock


def layer(inputs, planes, stride):
    shortcut = None
    if stride != 1 or inputs != planes:
        shortcut = nn.Sequential(nn.Conv2d(inputs, planes, 1, stride, bias=False), nn.BatchNorm2d(planes))
    return nn.Sequential(BasicBlock(inputs, planes, stride, shortcut), BasicBlock(planes, planes))


def resnet18(width):
    stem = [nn.Conv2d(3, width, 7, 2, 3, bias=False), nn.BatchNorm2d(width), nn.ReLU(True), nn.MaxPool2d(3, 2, 1)]
    stages = [layer(max(width, width << stage >> 1), width << stage, 2 if stage else 1) for stage in range(4)]
    return nn.Sequential(*stem, *stages, nn.AdaptiveAvgPool2d(1), nn.Flatten())


def step_seconds(width, batch, side, layout, repeats):
    model = resnet18(width).to(memory_format=layout)
    optimizer = torch.optim.SGD(model.parameters(), 1e-3, momentum=0.9, weight_decay=1e-4)
    images = torch.randn(batch, 3, side, side).to(memory_format=layout)
    times = []
    for _ in range(repeats + 2):
        start = time.perf_counter()
        optimizer.zero_grad()
        model(images).square().mean().backward()
        optimizer.step()
        times.append(time.perf_counter() - start)
    return min(times[2:])


torch.set_num_threads(len(os.sched_getaffinity(0)))
for width, batch, side in [(32, 32, 64), (64, 16, 96), (16, 64, 64), (16, 64, 32)]:
    repeats = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    # PyTorch's faster layout is not the same for all sizes.
    layouts = [torch.contiguous_format, torch.channels_last]
    seconds = min(step_seconds(width, batch, side, layout, repeats) for layout in layouts)
    print(f"resnet18 width {width} batch {batch} side {side}: {seconds * 1e3:.1f} ms", flush=True)
