#!/usr/bin/env python3
"""Writes tests/fixtures/init_small.safetensors: the scores of SNIP, GraSP and SynFlow of a small network, as PyTorch has them.

    pip install torch numpy safetensors
    scripts/make-init-fixture.py tests/fixtures

Each rule is written after its official code: SNIP (github.com/namhoonlee/snip-public), GraSP (github.com/alecwangcz/GraSP),
SynFlow (github.com/ganguli-lab/Synaptic-Flow). Everything is computed in float64 from float32 inputs, GraSP's Hessian by
automatic differentiation.
"""
import copy
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional as F

IMAGES, CLASSES, KEEP, ROUNDS, TEMPERATURE = 12, 5, 0.2, 100, 200


class Small(nn.Module):
    """tests/fixture/inits.rs describes the same network."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(8)
        self.conv2 = nn.Conv2d(8, 8, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(8)
        self.conv3 = nn.Conv2d(8, 12, 3, 2, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(12)
        self.fc = nn.Linear(12 * 2 * 2, CLASSES)

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        x = F.relu(self.bn2(self.conv2(x)) + x)
        x = F.relu(self.bn3(self.conv3(x)))
        return self.fc(F.avg_pool2d(x, 2).flatten(1))


def prunable(model):
    return {name: value for name, value in model.named_parameters() if value.dim() > 1}


def snip(model, images, labels):
    weights = prunable(model)
    grads = torch.autograd.grad(F.cross_entropy(model(images), labels), list(weights.values()))
    return {name: (w * g).abs() for (name, w), g in zip(weights.items(), grads)}


def grasp(model, images, labels):
    """The official score -w * Hg, of which the smallest stay, with the sign turned."""
    weights = prunable(model)
    values = list(weights.values())
    loss = lambda: F.cross_entropy(model(images) / TEMPERATURE, labels)
    along = torch.autograd.grad(loss(), values)
    grads = torch.autograd.grad(loss(), values, create_graph=True)
    z = sum((a * g).sum() for a, g in zip(along, grads))
    return {name: w * hg for (name, w), hg in zip(weights.items(), torch.autograd.grad(z, values))}


def flow(model, shape):
    """As the official code: |w| for every number of the state, evaluation mode, an image of ones."""
    weights = prunable(model)
    grads = torch.autograd.grad(model(torch.ones(1, *shape, dtype=torch.float64)).sum(), list(weights.values()))
    return {name: (w * g).abs() for (name, w), g in zip(weights.items(), grads)}


def chosen(scores, density):
    """The largest of all, exactly so many."""
    flat = torch.cat([score.flatten() for score in scores.values()])
    keep = torch.zeros(flat.numel(), dtype=torch.bool)
    keep[torch.topk(flat, int(density * flat.numel() + 0.5)).indices] = True
    parts = keep.split([score.numel() for score in scores.values()])
    return {name: part.view(score.shape) for (name, score), part in zip(scores.items(), parts)}


def synflow(model, shape):
    """The flow at first, and what is left after all rounds."""
    model.eval()
    with torch.no_grad():
        for value in model.state_dict().values():
            value.abs_()
    first, masks = None, {name: torch.ones_like(w, dtype=torch.bool) for name, w in prunable(model).items()}
    for round_ in range(1, ROUNDS + 1):
        with torch.no_grad():
            for name, w in prunable(model).items():
                w.mul_(masks[name])
        scores = flow(model, shape)
        first = first or scores
        masks = chosen(scores, KEEP ** (round_ / ROUNDS))
    return first, masks


def main():
    torch.manual_seed(3)
    model = Small()
    images, labels = torch.randn(IMAGES, 3, 8, 8), torch.arange(IMAGES) % CLASSES
    tensors = {"images": images, "labels": labels}
    tensors |= {f"init.{name}": value.detach().clone() for name, value in model.named_parameters()}
    model, images = model.double(), images.double()
    # Before the others, whose passes move the running statistics.
    scores, masks = synflow(copy.deepcopy(model), images.shape[1:])
    tensors |= {f"synflow.{name}": score.detach().float() for name, score in scores.items()}
    tensors |= {f"synflow_mask.{name}": mask.to(torch.uint8) for name, mask in masks.items()}
    for how, scores in [("snip", snip(model, images, labels)), ("grasp", grasp(model, images, labels))]:
        tensors |= {f"{how}.{name}": score.detach().float() for name, score in scores.items()}
        tensors |= {f"{how}_mask.{name}": mask.to(torch.uint8) for name, mask in chosen(scores, KEEP).items()}
    metadata = {"keep": KEEP, "rounds": ROUNDS, "torch": torch.__version__}
    path = Path(sys.argv[1]) / "init_small.safetensors"
    save_file({name: value.contiguous() for name, value in tensors.items()}, path, {k: str(v) for k, v in metadata.items()})
    print(f"{path}: {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
