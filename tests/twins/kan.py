"""Writes tests/networks/golden/kan.npz: KAN layers in PyTorch, with gradients.

    python tests/twins/kan.py

Needs torch; written with torch 2.13.0. Layers of our own after the description of the efficient
form: all basis functions of all values at once, then one product. Golden arrays are computed in
float64. Arrays are laid out as PyTorch has them: weights `[outputs, inputs, bases]`, images NCHW.
"""

import pathlib
import zlib

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

GOLDEN = pathlib.Path(__file__).parents[1] / "networks" / "golden" / "kan.npz"


class KANLinear(nn.Module):
    """SiLU and splines of each input, for rows of inputs."""

    def __init__(self, inputs, outputs, knots, order):
        super().__init__()
        self.order = order
        self.register_buffer("knots", knots.clone())  # [inputs, knots]
        bases = knots.shape[1] - order - 1
        self.base = nn.Parameter(torch.empty(outputs, inputs))
        self.scale = nn.Parameter(torch.empty(outputs, inputs))
        self.weight = nn.Parameter(torch.empty(outputs, inputs, bases))

    def bases(self, x):
        knots, x = self.knots, x[..., None]
        values = ((knots[:, :-1] <= x) & (x < knots[:, 1:])).to(x.dtype)
        for degree in range(1, self.order + 1):
            up = (x - knots[:, : -degree - 1]) / (knots[:, degree:-1] - knots[:, : -degree - 1])
            down = (knots[:, degree + 1 :] - x) / (knots[:, degree + 1 :] - knots[:, 1:-degree])
            values = up * values[..., :-1] + down * values[..., 1:]
        return values

    def forward(self, x):
        weight = self.weight * self.scale[..., None]
        spline = F.linear(self.bases(x).flatten(1), weight.flatten(1))
        return F.linear(F.silu(x), self.base) + spline


class ChannelKAN(nn.Module):
    """Depthwise convolution, layer, GELU, layer."""

    def __init__(self, features, knots, order, size):
        super().__init__()
        self.depthwise = nn.Conv2d(
            features, features, size, padding=size // 2, padding_mode="reflect", groups=features
        )
        self.kan1 = KANLinear(features, features, knots, order)
        self.kan2 = KANLinear(features, features, knots, order)

    def forward(self, x):
        x = self.depthwise(x).movedim(1, -1)
        rows = self.kan2(F.gelu(self.kan1(x.flatten(0, 2))))
        return rows.reshape(x.shape).movedim(-1, 1)


def knots_from(low, high, intervals, order, *, inputs, uneven=0.0):
    """Evenly spaced, or not quite."""
    step = (high - low) / intervals
    even = low + step * np.arange(-order, intervals + order + 1)
    moves = np.random.default_rng(0).uniform(-0.5, 0.5, (inputs, len(even)))
    return even + uneven * step * moves


# (inputs, outputs, order, knots); inputs reach beyond all knots.
LAYERS = {
    "published": (6, 5, 3, knots_from(-1, 1, 5, 3, inputs=6)),
    "linear": (3, 4, 1, knots_from(-0.5, 2, 3, 1, inputs=3)),
    "grids of channels": (4, 2, 2, knots_from(-1, 1, 4, 2, inputs=4, uneven=0.8)),
    "order 4": (2, 3, 4, knots_from(-2, 1, 2, 4, inputs=2, uneven=0.5)),
}
BLOCK = (2, 5, 7, 6)  # batch, channels, height, width
BLOCK_KNOTS, BLOCK_ORDER, BLOCK_SIZE = knots_from(-1, 1, 5, 3, inputs=5), 3, 7


def build(case):
    """The module, its inputs and cotangents of its outputs, in float64."""
    if case == "block":
        module = ChannelKAN(BLOCK[1], torch.tensor(BLOCK_KNOTS), BLOCK_ORDER, BLOCK_SIZE)
        shapes = BLOCK, BLOCK
    else:
        inputs, outputs, order, knots = LAYERS[case]
        module = KANLinear(inputs, outputs, torch.tensor(knots), order)
        shapes = (12, inputs), (12, outputs)
    x, cotangents, parameters = arguments(case, *shapes, dict(shapes_of(module)))
    module.double().load_state_dict(
        {name: torch.tensor(array) for name, array in parameters.items()}, strict=False
    )
    return module, torch.tensor(x, requires_grad=True), torch.tensor(cotangents)


def shapes_of(module):
    for name, parameter in module.named_parameters():
        yield name, tuple(parameter.shape)


def arguments(case, shape, out_shape, parameters):
    """Inputs, cotangents, and values of the parameters of these shapes."""
    rng = np.random.default_rng(zlib.crc32(case.encode()))
    x, cotangents = rng.normal(scale=1.5, size=shape), rng.normal(size=out_shape)
    return x, cotangents, {n: rng.normal(scale=0.5, size=s) for n, s in parameters.items()}


def solve(case):
    """Outputs, and gradients of the input and of all parameters."""
    module, x, cotangents = build(case)
    out = module(x)
    names, parameters = zip(*module.named_parameters(), strict=True)
    gradients = torch.autograd.grad(out, (x, *parameters), cotangents)
    found = {"x": x, "cotangents": cotangents, "out": out, "d_x": gradients[0]}
    found |= dict(zip(names, parameters, strict=True))
    found |= {f"d_{name}": g for name, g in zip(names, gradients[1:], strict=True)}
    found |= dict(module.named_buffers())
    return {f"{case}/{name}": tensor.detach().numpy() for name, tensor in found.items()}


CASES = (*LAYERS, "block")

if __name__ == "__main__":
    GOLDEN.parent.mkdir(exist_ok=True)
    results = {name: array for case in CASES for name, array in solve(case).items()}
    np.savez_compressed(GOLDEN, allow_pickle=False, **results)
