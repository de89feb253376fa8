"""Writes tests/image/golden/bilateral_slice.npz: slices by PyTorch's `grid_sample`, with gradients.

    python tests/twins/bilateral_slice.py

Needs torch; written with torch 2.13.0. In five dimensions, with the corners at the ends and the
border repeated, `grid_sample` slices a bilateral grid whose cells lie in the corners; in four it
spreads the shares of guides.
"""

import pathlib
import zlib

import numpy as np

GOLDEN = pathlib.Path(__file__).parents[1] / "image" / "golden" / "bilateral_slice.npz"
# (height, width), (rows, columns, depth), guides. A single guide has no shares.
CASES = {
    "pixel": ((1, 1), (3, 4, 2), 1),
    "cell": ((7, 5), (1, 1, 1), 1),
    "two columns": ((3, 2), (4, 8, 1), 1),
    "odd": ((7, 5), (4, 3, 5), 3),
    "divides": ((6, 16), (3, 4, 2), 1),
    "more cells": ((5, 9), (16, 12, 2), 2),
    "wide": ((4, 33), (2, 4, 3), 3),
}
INPUTS = ("grid", "image", "guides", "shares")


def arguments(case: str) -> dict[str, np.ndarray]:
    """Inputs of the slice, guides first in `guides`, and cotangents of the result."""
    size, cells, guides = CASES[case]
    rng = np.random.default_rng(zlib.crc32(case.encode()))
    return {
        "grid": rng.normal(size=(*cells, 12)),
        "image": rng.uniform(size=(*size, 3)),
        "guides": rng.uniform(-0.2, 1.2, size=(guides, *size)),
        "shares": rng.uniform(-0.2, 1.2, size=(*cells[:2], guides)),
        "cotangents": rng.normal(size=(*size, 3)),
    }


def slice_apply(grid, image, guides, shares):
    """The sum over guides of share times sliced model times colour."""
    import torch

    def sample(volume, places):
        return torch.nn.functional.grid_sample(
            volume[None], places[None], padding_mode="border", align_corners=True
        )[0]

    height, width = image.shape[:2]
    ends = (torch.linspace(-1, 1, size, dtype=image.dtype) for size in (height, width))
    y, x = torch.meshgrid(*ends, indexing="ij")
    spread = sample(shares.permute(2, 0, 1), torch.stack((x, y), dim=-1))
    total = 0
    for number, guide in enumerate(guides):
        # Places go from the last axis of the volume to the first.
        places = torch.stack((x, y, 2 * guide - 1), dim=-1)[None]
        models = sample(grid.permute(3, 2, 0, 1), places)[:, 0].unflatten(0, (3, 4))
        colours = (models[:, :3] * image.permute(2, 0, 1)).sum(1) + models[:, 3]
        total = total + colours * (spread[number] if len(guides) > 1 else 1)
    return total.permute(1, 2, 0)


def solve(case: str) -> dict[str, np.ndarray]:
    """What is sliced and applied in float64, and the gradients with respect to all inputs."""
    import torch

    given = {name: torch.tensor(array) for name, array in arguments(case).items()}
    inputs = [given[name].requires_grad_() for name in INPUTS]
    out = slice_apply(*inputs)
    gradients = torch.autograd.grad(out, inputs, given["cotangents"], materialize_grads=True)
    tensors = {"out": out, **dict(zip(INPUTS, gradients, strict=True))}
    return {f"{case}/{name}": tensor.detach().numpy() for name, tensor in tensors.items()}


if __name__ == "__main__":
    GOLDEN.parent.mkdir(exist_ok=True)
    results = {name: array for case in CASES for name, array in solve(case).items()}
    np.savez_compressed(GOLDEN, allow_pickle=False, **results)
