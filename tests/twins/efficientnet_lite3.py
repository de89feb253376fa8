"""Writes tests/methods/golden/efficientnet_lite3.npz: the encoder in PyTorch.

    python tests/twins/efficientnet_lite3.py

Needs torch; written with torch 2.13.0. A model of our own after the description of the published
one; its attributes are named so that the names of its tensors are those of timm. Golden arrays are
computed in float64.
"""

import importlib
import pathlib
import sys

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

METHODS = pathlib.Path(__file__).parents[1] / "methods"
GOLDEN = METHODS / "golden" / "efficientnet_lite3.npz"
if str(METHODS) not in sys.path:
    sys.path.insert(0, str(METHODS))

given = importlib.import_module("efficientnet_weights")


class SameConv(nn.Conv2d):
    """Zeros around as in TensorFlow: the output has ceil(size / stride) pixels."""

    def __init__(self, features, out, size, stride=1, groups=1):
        super().__init__(features, out, size, stride, groups=groups, bias=False)

    def forward(self, x):
        around = []
        for length in (x.shape[3], x.shape[2]):
            size, stride = self.kernel_size[0], self.stride[0]
            total = max(size - (length % stride or stride), 0)
            around += [total // 2, total - total // 2]
        return super().forward(F.pad(x, around))


def norm(features):
    return nn.BatchNorm2d(features, eps=1e-3)


class Separable(nn.Module):
    """Depthwise, then 1 x 1."""

    def __init__(self, features, out, size, stride):
        super().__init__()
        self.conv_dw = SameConv(features, features, size, stride, groups=features)
        self.bn1 = norm(features)
        self.conv_pw = SameConv(features, out, 1)
        self.bn2 = norm(out)

    def forward(self, x):
        return self.bn2(self.conv_pw(F.relu6(self.bn1(self.conv_dw(x)))))


class Inverted(nn.Module):
    """1 x 1 to more channels, depthwise, 1 x 1 to fewer."""

    def __init__(self, features, out, size, stride, expansion):
        super().__init__()
        middle = expansion * features
        self.conv_pw = SameConv(features, middle, 1)
        self.bn1 = norm(middle)
        self.conv_dw = SameConv(middle, middle, size, stride, groups=middle)
        self.bn2 = norm(middle)
        self.conv_pwl = SameConv(middle, out, 1)
        self.bn3 = norm(out)
        self.residual = stride == 1 and features == out

    def forward(self, x):
        y = F.relu6(self.bn1(self.conv_pw(x)))
        y = F.relu6(self.bn2(self.conv_dw(y)))
        y = self.bn3(self.conv_pwl(y))
        return x + y if self.residual else y


class Encoder(nn.Module):
    """Features after the stages of `TAPS`."""

    def __init__(self):
        super().__init__()
        self.conv_stem = SameConv(3, 32, 3, 2)
        self.bn1 = norm(32)
        stages, features = [], 32
        for out, blocks, size, stride, expansion in given.STAGES:
            made = []
            for block in range(blocks):
                step = stride if block == 0 else 1
                if expansion == 1:
                    made.append(Separable(features, out, size, step))
                else:
                    made.append(Inverted(features, out, size, step, expansion))
                features = out
            stages.append(nn.Sequential(*made))
        self.blocks = nn.Sequential(*stages)

    def forward(self, x):
        x = F.relu6(self.bn1(self.conv_stem(x)))
        taps = []
        for number, stage in enumerate(self.blocks):
            x = stage(x)
            if number in given.TAPS:
                taps.append(x)
        return taps

    def layers(self):
        """The same modules, named as MiDaS names them."""
        first, second, third, fourth, fifth, sixth, seventh = self.blocks
        return nn.ModuleDict(
            {
                "layer1": nn.Sequential(self.conv_stem, self.bn1, nn.ReLU6(), first, second),
                "layer2": nn.Sequential(third),
                "layer3": nn.Sequential(fourth, fifth),
                "layer4": nn.Sequential(sixth, seventh),
            }
        )


def model(dtype=torch.float64):
    """The encoder with the weights that tests have without PyTorch."""
    made = Encoder()
    made.load_state_dict({name: torch.from_numpy(a) for name, a in given.state_dict().items()})
    return made.to(dtype)


def taps(case, dtype=torch.float64):
    """Features `[b, h, w, c]` of a case, and running statistics after it."""
    network = model(dtype).train(given.CASES[case][1])
    pictures = torch.from_numpy(given.pictures(case)).to(dtype).movedim(-1, 1)
    with torch.no_grad():
        features = [tap.movedim(1, -1).numpy() for tap in network(pictures)]
    return features, {name: tensor.numpy() for name, tensor in network.state_dict().items()}


def solve(case):
    """What the golden file has of a case."""
    features, state = taps(case)
    found = {f"{case}/{number}": given.summary(tap) for number, tap in enumerate(features)}
    if given.CASES[case][1]:
        for name in given.RUNNING:
            for part in ("running_mean", "running_var"):
                found[f"{name}.{part}"] = state[f"{name}.{part}"].astype(np.float32)
    return found


if __name__ == "__main__":
    GOLDEN.parent.mkdir(exist_ok=True)
    results = {name: array for case in given.CASES for name, array in solve(case).items()}
    np.savez_compressed(GOLDEN, allow_pickle=False, **results)
