"""Writes tests/networks/golden/nedr_decoder.npz: the decoder of MiDaS in PyTorch.

    python tests/twins/nedr_decoder.py

Needs torch; written with torch 2.13.0. A model of our own after the description of the published
one; its attributes are named so that the names of its tensors are the published ones. Golden
arrays are computed in float64.
"""

import pathlib
import zlib

import numpy as np

GOLDEN = pathlib.Path(__file__).parents[1] / "networks" / "golden" / "nedr_decoder.npz"
TAPS = (3, 5, 4, 6)  # channels of the encoder, from fine to coarse
WIDTHS = (4, 4, 6, 8)  # of the decoder
HEAD = 5
SIZE = (2, 3, 2)  # batch, and rows and columns of the coarsest features
PUBLISHED = ((32, 48, 136, 384), (32, 64, 128, 256), 32)


def shapes(taps=TAPS, widths=WIDTHS, head=HEAD):
    """Names and shapes of the published tensors."""
    found = {}

    def conv(name, features, out, size=3, bias=True):
        found[f"{name}.weight"] = (out, features, size, size)
        if bias:
            found[f"{name}.bias"] = (out,)

    for level, (features, width) in enumerate(zip(taps, widths, strict=True), 1):
        conv(f"layer{level}_rn.1", features, width, bias=False)
        for unit in (1, 2):
            for number in (1, 2):
                conv(f"refinenet{level}.resConfUnit{unit}.conv{number}", width, width)
        conv(f"refinenet{level}.out_conv", width, widths[max(level - 2, 0)], size=1)
    conv("output_conv.1", widths[0], widths[0] // 2)
    conv("output_conv.4", widths[0] // 2, head)
    conv("output_conv.6", head, 1, size=1)
    return found


def weights():
    """The tensors, each by its name alone."""
    found = {}
    for name, shape in shapes().items():
        rng = np.random.default_rng(zlib.crc32(name.encode()))
        deviation = 0.1 if len(shape) == 1 else np.prod(shape[1:]) ** -0.5
        found[name] = rng.normal(0, deviation, shape).astype(np.float32)
    return found


def features():
    """What the encoder gives, `[b, h, w, c]`, from fine to coarse."""
    batch, rows, columns = SIZE
    rng = np.random.default_rng(3)
    return [
        rng.normal(size=(batch, rows << 3 - level, columns << 3 - level, channels)).astype(
            np.float32
        )
        for level, channels in enumerate(TAPS)
    ]


def cotangents():
    """Weights of the sum over the results."""
    batch, rows, columns = SIZE
    return np.random.default_rng(4).normal(size=(batch, 32 * rows, 32 * columns, 1)).astype("f4")


def model(taps=TAPS, widths=WIDTHS, head=HEAD):
    """The decoder, with PyTorch's initial values."""
    import torch.nn.functional as F
    from torch import nn

    def conv(features, out, bias=True):
        return nn.Conv2d(features, out, 3, padding=1, padding_mode="reflect", bias=bias)

    class Unit(nn.Module):
        def __init__(self, width):
            super().__init__()
            self.conv1, self.conv2 = conv(width, width), conv(width, width)

        def forward(self, x):
            return x + self.conv2(self.conv1(x.relu()).relu())

    class Fusion(nn.Module):
        def __init__(self, width, out):
            super().__init__()
            self.out_conv = nn.Conv2d(width, out, 1)
            self.resConfUnit1, self.resConfUnit2 = Unit(width), Unit(width)

        def forward(self, x, skip=None):
            if skip is not None:
                x = x + self.resConfUnit1(skip)
            x = self.resConfUnit2(x)
            return self.out_conv(
                F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True)
            )

    class Decoder(nn.Module):
        def __init__(self):
            super().__init__()
            for level, (features, width) in enumerate(zip(taps, widths, strict=True), 1):
                mapper = nn.Sequential(nn.Identity(), conv(features, width, bias=False))
                self.add_module(f"layer{level}_rn", mapper)
                fusion = Fusion(width, widths[max(level - 2, 0)])
                self.add_module(f"refinenet{level}", fusion)
            self.output_conv = nn.Sequential(
                nn.Identity(),
                conv(widths[0], widths[0] // 2),
                nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False),
                nn.Identity(),
                conv(widths[0] // 2, head),
                nn.ReLU(),
                nn.Conv2d(head, 1, 1),
            )

        def forward(self, taps):
            x = None
            for level in (4, 3, 2, 1):
                skip = self.get_submodule(f"layer{level}_rn")(taps[level - 1])
                fusion = self.get_submodule(f"refinenet{level}")
                x = fusion(skip) if x is None else fusion(x, skip)
            return self.output_conv(x)

    return Decoder()


def solve():
    """Result, and gradients of features and tensors."""
    import torch

    network = model().double()
    network.load_state_dict({name: torch.from_numpy(array) for name, array in weights().items()})
    taps = [torch.from_numpy(array).double().movedim(-1, 1) for array in features()]
    out = network([tap.requires_grad_() for tap in taps])
    (out * torch.from_numpy(cotangents()).movedim(-1, 1)).sum().backward()
    found = {"out": out.detach().movedim(1, -1)}
    found |= {f"tap{level}": tap.grad.movedim(1, -1) for level, tap in enumerate(taps, 1)}
    parameters = dict(network.named_parameters())
    for name, tensor in parameters.items():
        if tensor.grad is not None:
            found[name] = tensor.grad
    return {name: value.numpy().astype(np.float32) for name, value in found.items()}


if __name__ == "__main__":
    GOLDEN.parent.mkdir(exist_ok=True)
    np.savez_compressed(GOLDEN, allow_pickle=False, **solve())
