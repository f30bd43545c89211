"""The steps of other methods than UniVIP in plain PyTorch, at the sizes of the scale `small`.

Every optimiser is SGD, which does less than SimCLR's LARS. Batch norm of MoCo and DenseCL is of 8 images at a time, with keys in another
order than queries, as those recipes have it there.
"""

import copy

from networks import follow, maps, noise, resnet, sgd

OUTPUT, QUEUE, IMAGES = 128, 512, 8


def perceptron(features):
    from torch import nn

    return nn.Sequential(nn.Linear(features, features), nn.ReLU(True), nn.Linear(features, OUTPUT))


def in_parts(network):
    """The network with batch norm of IMAGES images at a time: parts of a batch are laid side by side as channels."""
    import torch.nn.functional as F
    from torch import nn

    class BatchNormOfParts(nn.BatchNorm2d):
        def forward(self, x):
            batch, channels, *size = x.shape
            parts = batch // IMAGES
            each = [value.repeat(parts) for value in (self.running_mean, self.running_var, self.weight, self.bias)]
            y = F.batch_norm(x.reshape(IMAGES, parts * channels, *size), *each, True, self.momentum, self.eps)
            self.running_mean.copy_(each[0].view(parts, channels).mean(0))
            self.running_var.copy_(each[1].view(parts, channels).mean(0))
            return y.view(x.shape)

    for module in list(network.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.BatchNorm2d):
                setattr(module, name, BatchNormOfParts(child.num_features))
    return network


def shuffled(network, images):
    """The outputs for images that go through the network in another order."""
    import torch

    order = torch.randperm(len(images))
    back = order.argsort()
    outputs = network(images[order])
    return tuple(output[back] for output in outputs) if isinstance(outputs, tuple) else outputs[back]


def simclr(name, number, layout):
    import torch
    import torch.nn.functional as F
    from torch import nn

    trunk, features = resnet("resnet18", number["w"])
    projector = nn.Sequential(
        nn.Linear(features, features, bias=False),
        nn.BatchNorm1d(features),
        nn.ReLU(True),
        nn.Linear(features, OUTPUT, bias=False),
        nn.BatchNorm1d(OUTPUT),
    )
    encoder = nn.Sequential(trunk, projector).to(memory_format=layout)
    optimizer = sgd(encoder.parameters())
    views, batch = [noise(number, layout) for _ in range(2)], number["b"]
    itself = torch.eye(2 * batch, dtype=torch.bool)
    other = torch.arange(2 * batch).roll(batch)

    def step():
        optimizer.zero_grad()
        outputs = F.normalize(torch.cat([encoder(view) for view in views]), dim=1)
        logits = (outputs @ outputs.T / 0.1).masked_fill(itself, -torch.inf)
        F.cross_entropy(logits, other).backward()
        optimizer.step()

    return step


def moco_v2(name, number, layout):
    import torch
    import torch.nn.functional as F
    from torch import nn

    trunk, features = resnet("resnet18", number["w"])
    query = in_parts(nn.Sequential(trunk, perceptron(features))).to(memory_format=layout)
    key = copy.deepcopy(query).requires_grad_(False)
    optimizer, queue = sgd(query.parameters()), Queue()
    views = [noise(number, layout) for _ in range(2)]

    def step():
        optimizer.zero_grad()
        q = F.normalize(query(views[0]), dim=1)
        with torch.no_grad():
            k = F.normalize(shuffled(key, views[1]), dim=1)
        nce(q, k, queue).backward()
        optimizer.step()
        queue.push(k)
        follow(key, query)

    return step


def dense_cl(name, number, layout):
    import torch
    import torch.nn.functional as F
    from torch import nn

    trunk, features = maps("resnet18", number["w"])

    class Network(nn.Module):
        def __init__(self):
            super().__init__()
            self.trunk, self.whole, self.dense = trunk, perceptron(features), perceptron(features)

        def forward(self, images):
            """The last map, the output, and the outputs of all positions: [B, P, F], [B, D], [B, P, D]."""
            last = self.trunk(images).permute(0, 2, 3, 1).flatten(1, 2)
            return last, F.normalize(self.whole(last.mean(1)), dim=1), self.dense(last)

    query = in_parts(Network()).to(memory_format=layout)
    key = copy.deepcopy(query).requires_grad_(False)
    optimizer, queues = sgd(query.parameters()), [Queue(), Queue()]
    views = [noise(number, layout) for _ in range(2)]

    def step():
        optimizer.zero_grad()
        query_map, q, query_grid = query(views[0])
        with torch.no_grad():
            key_map, k, key_grid = shuffled(key, views[1])
            similarity = F.normalize(query_map, dim=2) @ F.normalize(key_map, dim=2).transpose(1, 2)
            nearest = similarity.argmax(2)[:, :, None].expand(-1, -1, OUTPUT)
            matched = F.normalize(key_grid, dim=2).gather(1, nearest)
        dense = nce(F.normalize(query_grid, dim=2).flatten(0, 1), matched.flatten(0, 1), queues[1])
        (0.5 * nce(q, k, queues[0]) + 0.5 * dense).backward()
        optimizer.step()
        queues[0].push(k)
        queues[1].push(F.normalize(key_grid.mean(1), dim=1))
        follow(key, query)

    return step


class Queue:
    """The keys of earlier steps."""

    def __init__(self):
        import torch

        self.keys, self.place = torch.nn.functional.normalize(torch.randn(QUEUE, OUTPUT), dim=1), 0

    def push(self, keys):
        self.keys[self.place : self.place + len(keys)] = keys
        self.place = (self.place + len(keys)) % QUEUE


def nce(queries, keys, queue):
    import torch

    logits = torch.cat([(queries * keys).sum(1, keepdim=True), queries @ queue.keys.T], dim=1) / 0.2
    return torch.nn.functional.cross_entropy(logits, torch.zeros(len(queries), dtype=torch.long))
