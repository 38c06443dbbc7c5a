#!/usr/bin/env python3
"""Writes tests/fixtures/model_NAME.json: parameters, layers, densities and costs of a model as PyTorch has it.

    pip install torch torchvision
    scripts/make-model-fixture.py tests/fixtures

WideResNet and LeNet-5 are written after the ITOP code (sparselearning/models.py), VGG-19 after "Rethinking the Value of
Network Pruning" (Liu et al. 2019), each without dropout; the ResNets are torchvision's.
"""
import json
import math
import sys
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F
from torchvision import models

DELTA_T = [100, 1500, 4000]


class WideBlock(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.bn1 = nn.BatchNorm2d(inputs)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.convShortcut = None if inputs == outputs else nn.Conv2d(inputs, outputs, 1, stride, bias=False)

    def forward(self, x):
        before = F.relu(self.bn1(x))
        y = self.conv2(F.relu(self.bn2(self.conv1(before))))
        return y + (x if self.convShortcut is None else self.convShortcut(before))


class WideStage(nn.Module):
    def __init__(self, blocks, inputs, outputs, stride):
        super().__init__()
        make = lambda i: WideBlock(outputs if i else inputs, outputs, 1 if i else stride)
        self.layer = nn.Sequential(*map(make, range(blocks)))

    def forward(self, x):
        return self.layer(x)


class WideResNet(nn.Module):
    def __init__(self, depth, widen, classes):
        super().__init__()
        blocks, wide = (depth - 4) // 6, [16 * widen, 32 * widen, 64 * widen]
        self.conv1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False)
        self.block1 = WideStage(blocks, 16, wide[0], 1)
        self.block2 = WideStage(blocks, wide[0], wide[1], 2)
        self.block3 = WideStage(blocks, wide[1], wide[2], 2)
        self.bn1 = nn.BatchNorm2d(wide[2])
        self.fc = nn.Linear(wide[2], classes)

    def forward(self, x):
        x = F.relu(self.bn1(self.block3(self.block2(self.block1(self.conv1(x))))))
        return self.fc(F.avg_pool2d(x, 8).flatten(1))


class Vgg19(nn.Module):
    def __init__(self, classes):
        super().__init__()
        layers, inputs = [], 3
        for convs, outputs in [(2, 64), (2, 128), (4, 256), (4, 512), (4, 512)]:
            layers += [nn.MaxPool2d(2)] if layers else []
            for _ in range(convs):
                layers += [nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]
                inputs = outputs
        self.feature = nn.Sequential(*layers)
        self.classifier = nn.Linear(512, classes)

    def forward(self, x):
        return self.classifier(F.avg_pool2d(self.feature(x), 2).flatten(1))


class LeNet5(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 20, 5)
        self.conv2 = nn.Conv2d(20, 50, 5)
        self.fc3 = nn.Linear(800, 500)
        self.fc4 = nn.Linear(500, classes)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        return self.fc4(F.relu(self.fc3(x.flatten(1))))


class LeNet300(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.fc1, self.fc2, self.fc3 = nn.Linear(784, 300), nn.Linear(300, 100), nn.Linear(100, classes)

    def forward(self, x):
        return self.fc3(F.relu(self.fc2(F.relu(self.fc1(x.flatten(1))))))


CIFAR, MNIST, IMAGENET = [3, 32, 32], [1, 28, 28], [3, 224, 224]
MODELS = {
    "wrn-16-8": (lambda classes: WideResNet(16, 8, classes), CIFAR, [10, 100]),
    "wrn-22-2": (lambda classes: WideResNet(22, 2, classes), CIFAR, [10]),
    "wrn-28-2": (lambda classes: WideResNet(28, 2, classes), CIFAR, [10]),
    "wrn-28-10": (lambda classes: WideResNet(28, 10, classes), CIFAR, [10]),
    "vgg19": (Vgg19, CIFAR, [10, 100]),
    "lenet300-100": (LeNet300, MNIST, [10]),
    "lenet5": (LeNet5, MNIST, [10]),
    "resnet18-imagenet": (lambda classes: models.resnet18(num_classes=classes), IMAGENET, [1000]),
    "resnet34-imagenet": (lambda classes: models.resnet34(num_classes=classes), IMAGENET, [1000]),
    "resnet50-imagenet": (lambda classes: models.resnet50(num_classes=classes), IMAGENET, [1000]),
}


def kind(module, field):
    names = {nn.Conv2d: "conv", nn.Linear: "linear", nn.BatchNorm2d: "bn2d", nn.BatchNorm1d: "bn1d"}
    return f"{names[type(module)]}_{field}"


def layers(model, shape):
    """The convolution and linear layers in the order in which they run."""
    found = []

    def hook(name):
        def record(module, inputs, output):
            x, weight = inputs[0], module.weight
            row = {"name": f"{name}.weight", "type": "conv" if weight.dim() == 4 else "linear"}
            row |= {"C": weight.shape[1], "K": weight.shape[0]}
            if weight.dim() == 4:
                row |= {"kernel": module.kernel_size[0], "stride": module.stride[0], "pad": module.padding[0]}
            row["bias"] = module.bias is not None
            if weight.dim() == 4:
                row |= {"in_hw": list(x.shape[2:]), "out_hw": list(output.shape[2:])}
            row["macs"] = weight.numel() * math.prod(output.shape[2:])
            found.append(row)

        return record

    for name, module in model.named_modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            module.register_forward_hook(hook(name))
    with torch.no_grad():
        model.eval()(torch.zeros(1, *shape))
    return found


def erk(shapes, density):
    """Densities, epsilon, and the layers made dense in order: Evci et al. 2020, power 1."""
    raw = {name: sum(shape) / math.prod(shape) for name, shape in shapes.items()}
    dense, budget = [], density * sum(map(math.prod, shapes.values()))
    while True:
        rest = [name for name in shapes if name not in dense]
        left = budget - sum(math.prod(shapes[name]) for name in dense)
        epsilon = left / sum(raw[name] * math.prod(shapes[name]) for name in rest)
        most = max(rest, key=raw.get)
        if raw[most] * epsilon <= 1:
            break
        dense.append(most)
    return {name: 1.0 if name in dense else raw[name] * epsilon for name in shapes}, epsilon, dense


def table(shapes, macs, densities):
    nnz = {name: max(1, math.floor(densities[name] * math.prod(shapes[name]) + 0.5)) for name in shapes}
    sparse = sum(densities[name] * macs[name] for name in shapes) / sum(macs.values())
    rigl = {str(t): (3 * sparse * t + 2 * sparse + 1) / (3 * (t + 1)) for t in DELTA_T}
    training = {"static": sparse, "set": sparse, "rigl": rigl, "dense_weight_gradient_every_step": (2 * sparse + 1) / 3}
    return {
        "density": densities,
        "nnz_exact": nnz,
        "nnz_total": sum(nnz.values()),
        "density_realised": sum(nnz.values()) / sum(map(math.prod, shapes.values())),
        "forward_flops_ratio": sparse,
        "training_flops_ratio": training,
    }


def entry(model, shape):
    modules = dict(model.named_modules())
    params = []
    for name, value in model.named_parameters():
        module, field = name.rsplit(".", 1)
        row = {"name": name, "shape": list(value.shape), "numel": value.numel()}
        row |= {"kind": kind(modules[module], field), "sparse_eligible": value.dim() > 1}
        params.append(row)
    forward = layers(model, shape)
    shapes = {row["name"]: row["shape"] for row in params if row["sparse_eligible"]}
    macs = {row["name"]: row["macs"] for row in forward}
    sparsity = {}
    for share in [0.8, 0.9, 0.98]:
        density = round(1 - share, 12)
        densities, epsilon, dense = erk(shapes, density)
        erk_table = {"epsilon": epsilon, "made_dense_in_order": dense} | table(shapes, macs, densities)
        uniform = table(shapes, macs, dict.fromkeys(shapes, density))
        sparsity[str(share)] = {"target_density": density, "erk": erk_table, "uniform": uniform}
    return {
        "total_params": sum(row["numel"] for row in params),
        "sparse_eligible_params": sum(map(math.prod, shapes.values())),
        "total_macs": sum(macs.values()),
        "forward_flops": 2 * sum(macs.values()),
        "params": params,
        "buffers": [{"name": name, "shape": list(value.shape)} for name, value in model.named_buffers()],
        "layers_in_forward_order": forward,
        "sparsity": sparsity,
    }


def main():
    folder = Path(sys.argv[1])
    for name in sys.argv[2:] or MODELS:
        make, shape, counts = MODELS[name]
        entries = {str(classes): entry(make(classes), shape) for classes in counts}
        data = {
            "model": name,
            "input": shape,
            "flops_per_mac": 2,
            "counted": "conv and linear layers; no bias, BatchNorm, ReLU or pooling",
            "delta_t": DELTA_T,
            "num_classes": entries,
        }
        (folder / f"model_{name}.json").write_text(json.dumps(data, separators=(",", ":")) + "\n")
        for classes, of in entries.items():
            print(f"{name}, {classes} classes: {of['total_params']:,} parameters, {of['total_macs']:,} MACs")


if __name__ == "__main__":
    main()
