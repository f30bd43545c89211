"""The networks of the cases in plain PyTorch, and what every step does with them."""


def maps(name, width):
    """A ResNet up to its last map, and the number of its channels."""
    from torch import nn
    from torchvision.models.resnet import BasicBlock, Bottleneck

    block, depths = {"resnet18": (BasicBlock, [2, 2, 2, 2]), "resnet50": (Bottleneck, [3, 4, 6, 3])}[name]
    layers = [nn.Conv2d(3, width, 7, 2, 3, bias=False), nn.BatchNorm2d(width), nn.ReLU(True), nn.MaxPool2d(3, 2, 1)]
    inputs = width
    for stage, depth in enumerate(depths):
        planes = width << stage
        outputs = planes * block.expansion
        for index in range(depth):
            stride = 2 if stage > 0 and index == 0 else 1
            shortcut = None
            if stride != 1 or inputs != outputs:
                conv = nn.Conv2d(inputs, outputs, 1, stride, bias=False)
                shortcut = nn.Sequential(conv, nn.BatchNorm2d(outputs))
            layers.append(block(inputs, planes, stride, shortcut))
            inputs = outputs
    return nn.Sequential(*layers), inputs


def resnet(name, width):
    """A ResNet up to its pooled features, and their number."""
    from torch import nn

    trunk, features = maps(name, width)
    return nn.Sequential(*trunk, nn.AdaptiveAvgPool2d(1), nn.Flatten()), features


def head(inputs, hidden, outputs):
    from torch import nn

    return nn.Sequential(
        nn.Linear(inputs, hidden), nn.BatchNorm1d(hidden), nn.ReLU(True), nn.Linear(hidden, outputs, bias=False)
    )


def noise(number, layout, side=None):
    """The images of a view, of the case's side or another one."""
    import torch

    side = side or number["px"]
    return torch.randn(number["b"], 3, side, side).to(memory_format=layout)


def sgd(parameters):
    import torch

    return torch.optim.SGD(parameters, 1e-3, momentum=0.9, weight_decay=1e-4)


def follow(target, online):
    """Moves the parameters of a target network a hundredth of the way."""
    import torch

    with torch.no_grad():
        torch._foreach_lerp_(list(target.parameters()), list(online.parameters()), 0.01)
