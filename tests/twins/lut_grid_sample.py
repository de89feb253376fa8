"""Writes tests/lut/golden/grid_sample.npz: look-ups by PyTorch's `grid_sample`, with gradients.

    python tests/twins/lut_grid_sample.py

Needs torch; written with torch 2.13.0. In five dimensions, with the corners at the ends and the
border repeated, `grid_sample` is the trilinear look-up.
"""

import pathlib

import numpy as np

GOLDEN = pathlib.Path(__file__).parents[1] / "lut" / "golden" / "grid_sample.npz"
SIZES = (2, 5, 8)


def arguments(size: int) -> tuple[np.ndarray, ...]:
    """Two tables, two images that leave the domain, and cotangents of the looked-up images."""
    rng = np.random.default_rng(size)
    tables = rng.uniform(-0.2, 1.2, (2, size, size, size, 3))
    return tables, rng.uniform(-0.2, 1.2, (2, 5, 6, 3)), rng.normal(size=(2, 5, 6, 3))


def look_up(tables, images):
    """The look-up of tensors."""
    import torch

    # It wants [batch, channels, depth, height, width], and coordinates from the last axis to the
    # first, in [-1, 1].
    volume = tables.permute(0, 4, 1, 2, 3)
    grid = 2 * images.flip(-1)[:, None] - 1
    out = torch.nn.functional.grid_sample(
        volume, grid, mode="bilinear", padding_mode="border", align_corners=True
    )
    return out[:, :, 0].permute(0, 2, 3, 1)


def solve(size: int) -> dict[str, np.ndarray]:
    """The looked-up images, and the gradients with respect to tables and images, in float64."""
    import torch

    tables, images, cotangents = (torch.tensor(array) for array in arguments(size))
    tables.requires_grad_()
    images.requires_grad_()
    out = look_up(tables, images)
    out.backward(cotangents)
    results = {"out": out, "d_tables": tables.grad, "d_images": images.grad}
    return {f"{name}_{size}": tensor.detach().numpy() for name, tensor in results.items()}


if __name__ == "__main__":
    GOLDEN.parent.mkdir(exist_ok=True)
    results = {name: array for size in SIZES for name, array in solve(size).items()}
    np.savez_compressed(GOLDEN, allow_pickle=False, **results)
