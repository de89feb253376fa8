"""Writes tests/methods/golden/bilateral_released.npz: the released bilateral network in PyTorch.

    python tests/twins/bilateral_released.py

Needs torch; written with torch 2.13.0. A model of our own after the description of the published
one; its attributes are named so that the names of its tensors are the published ones. Golden
arrays are computed in float64.
"""

import importlib
import pathlib
import sys

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

METHODS = pathlib.Path(__file__).parents[1] / "methods"
GOLDEN = METHODS / "golden" / "bilateral_released.npz"
if str(METHODS) not in sys.path:
    sys.path.insert(0, str(METHODS))

given = importlib.import_module("released_weights")


def resize(x, height, width):
    """Cubic with a = -0.75, corner to corner."""
    return F.interpolate(x, (height, width), mode="bicubic", align_corners=True)


class DoubleConv(nn.Module):
    """Convolution, norm, ReLU, twice."""

    def __init__(self, features, middle, out):
        super().__init__()
        self.double_conv = nn.Sequential(
            nn.Conv2d(features, middle, 3, padding=1),
            nn.BatchNorm2d(middle),
            nn.ReLU(),
            nn.Conv2d(middle, out, 3, padding=1),
            nn.BatchNorm2d(out),
            nn.ReLU(),
        )

    def forward(self, x):
        return self.double_conv(x)


class Down(nn.Module):
    """Half the size."""

    def __init__(self, features, out):
        super().__init__()
        self.maxpool_conv = nn.Sequential(nn.MaxPool2d(2), DoubleConv(features, out, out))

    def forward(self, x):
        return self.maxpool_conv(x)


class Up(nn.Module):
    """Twice the size, with zeros around up to the skip's, whose features go first."""

    def __init__(self, features, out):
        super().__init__()
        self.conv = DoubleConv(features, features // 2, out)

    def forward(self, x, skip):
        x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True)
        rows, columns = (skip.shape[axis] - x.shape[axis] for axis in (2, 3))
        # One more after than before, where the difference is odd.
        left, top = columns // 2, rows // 2
        x = F.pad(x, (left, columns - left, top, rows - top))
        return self.conv(torch.cat((skip, x), dim=1))


class UNet(nn.Module):
    """Five levels, three channels in (0, 1) out."""

    def __init__(self, width):
        super().__init__()
        self.inc = DoubleConv(3, width, width)
        self.down1 = Down(width, 2 * width)
        self.down2 = Down(2 * width, 4 * width)
        self.down3 = Down(4 * width, 8 * width)
        self.down4 = Down(8 * width, 8 * width)
        self.up1 = Up(16 * width, 4 * width)
        self.up2 = Up(8 * width, 2 * width)
        self.up3 = Up(4 * width, width)
        self.up4 = Up(2 * width, width)
        self.pre = nn.Conv2d(width, 3, 3, padding=1)

    def forward(self, x):
        skips = [self.inc(x)]
        for down in (self.down1, self.down2, self.down3, self.down4):
            skips.append(down(skips[-1]))
        x = skips.pop()
        for up in (self.up1, self.up2, self.up3, self.up4):
            x = up(x, skips.pop())
        return torch.sigmoid(self.pre(x))


class Layer(nn.Module):
    """Convolution, norm and PReLU; the last of a guide has a tanh instead of both."""

    def __init__(self, features, out, size, last=False):
        super().__init__()
        self.conv = nn.Conv2d(features, out, size, padding=size // 2)
        self.bn = nn.Identity() if last else nn.BatchNorm2d(out)
        self.activation = nn.Tanh() if last else nn.PReLU()

    def forward(self, x):
        return self.activation(self.bn(self.conv(x)))


class Guide(nn.Module):
    """A value in (-1, 1) for every pixel, from one colour."""

    def __init__(self):
        super().__init__()
        self.conv1 = Layer(1, 16, 3)
        self.conv2 = Layer(16, 16, 3)
        self.conv3 = Layer(16, 1, 1, last=True)

    def forward(self, x):
        return self.conv3(self.conv2(self.conv1(x)))


def slice_grid(grid, guide):
    """Coefficients `[b, 12, h, w]` at each pixel's place and guide."""
    b, _, h, w = guide.shape
    y = torch.linspace(-1, 1, h, dtype=guide.dtype, device=guide.device)
    x = torch.linspace(-1, 1, w, dtype=guide.dtype, device=guide.device)
    y, x = torch.meshgrid(y, x, indexing="ij")
    place = torch.stack((x, y)).expand(b, 2, h, w)
    # Innermost from the last axis of the grid to the first.
    where = torch.cat((place, guide), dim=1).permute(0, 2, 3, 1)[:, None]
    return F.grid_sample(grid, where, mode="bilinear", align_corners=True)[:, :, 0]


def affine(coefficients, features):
    """Colour i of the result is row i of a 3 x 4 matrix times the features and 1."""
    matrices = coefficients.unflatten(1, (3, 4))
    return (matrices[:, :, :3] * features[:, None]).sum(2) + matrices[:, :, 3]


class Released(nn.Module):
    """The whole network; the defaults are the published ones."""

    def __init__(self, width=64, proxy_size=256, feature_size=320, grid_size=16, grid_depth=16):
        super().__init__()
        self.proxy_size, self.feature_size = proxy_size, feature_size
        self.grid_size, self.grid_depth = grid_size, grid_depth
        self.u_net = UNet(width)
        self.u_net_mini = UNet(width)
        self.guide_r, self.guide_g, self.guide_b = Guide(), Guide(), Guide()
        self.smooth = nn.PReLU()  # published, and used nowhere
        self.fusion = nn.Sequential(
            nn.Conv2d(9, 16, 3, padding=1), nn.PReLU(), nn.Conv2d(16, 3, 1), nn.PReLU()
        )
        self.x_r_fusion = nn.Sequential(
            nn.Conv2d(3, 8, 3, padding=1), nn.PReLU(), nn.Conv2d(8, 3, 3, padding=1), nn.PReLU()
        )
        self.p = nn.PReLU()
        self.r_point, self.g_point, self.b_point = (nn.Conv2d(3, 3, 1) for _ in range(3))

    def grid(self, x):
        """Affine coefficients `[b, 12, depth, size, size]`."""
        proxy = self.u_net(resize(x, self.proxy_size, self.proxy_size))
        pooled = F.adaptive_avg_pool2d(proxy, (4 * self.grid_depth, self.grid_size**2))
        return pooled.reshape(len(x), 12, self.grid_depth, self.grid_size, self.grid_size)

    def features(self, x):
        """Three sets of three features at every pixel."""
        low = self.u_net_mini(resize(x, self.feature_size, self.feature_size))
        full = resize(low, x.shape[2], x.shape[3])
        return [self.p(point(full)) for point in (self.r_point, self.g_point, self.b_point)]

    def forward(self, x):
        grid = self.grid(x)
        guides = (self.guide_r(x[:, :1]), self.guide_g(x[:, 1:2]), self.guide_b(x[:, 2:]))
        restored = [
            affine(slice_grid(grid, guide), features)
            for guide, features in zip(guides, self.features(x), strict=True)
        ]
        fused = self.fusion(torch.cat(restored, dim=1))
        return self.p(self.x_r_fusion(fused) * x - fused + 1)


def model(dimensions, dtype=torch.float64):
    """The network with the weights that tests have without PyTorch."""
    made = Released(**dimensions)
    weights = given.state_dict({name: tuple(t.shape) for name, t in made.state_dict().items()})
    made.load_state_dict({name: torch.from_numpy(array) for name, array in weights.items()})
    return made.to(dtype).eval()


def solve(case):
    """What is restored in a case; of the trained one also statistics and gradients."""
    dimensions, _ = given.CASES[case]
    hazy, cotangents = (torch.from_numpy(a).double().movedim(-1, 1) for a in given.pictures(case))
    network = model(dimensions)
    with torch.no_grad():
        found = {f"{case}/restored": network(hazy).movedim(1, -1)}
    if case == given.TRAINED:
        network.train()
        restored = network(hazy.requires_grad_())
        (restored * cotangents).sum().backward()
        parameters, state = dict(network.named_parameters()), network.state_dict()
        found["trained/restored"] = restored.detach().movedim(1, -1)
        found["gradient/hazy"] = hazy.grad.movedim(1, -1)
        found |= {f"gradient/{name}": parameters[name].grad for name in given.GRADIENTS}
        found |= {f"running/{name}": state[name] for name in given.RUNNING}
    return {name: value.numpy().astype(np.float32) for name, value in found.items()}


if __name__ == "__main__":
    GOLDEN.parent.mkdir(exist_ok=True)
    results = {name: array for case in given.CASES for name, array in solve(case).items()}
    np.savez_compressed(GOLDEN, allow_pickle=False, **results)
