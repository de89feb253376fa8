"""Writes tests/image/golden/resize_corners.npz: PyTorch's `interpolate`, with gradients.

    python tests/twins/resize_corners.py

Needs torch; written with torch 2.13.0. In float32, since PyTorch rounds the places of pixels as it
rounds the image.
"""

import pathlib
import zlib

import numpy as np

GOLDEN = pathlib.Path(__file__).parents[1] / "image" / "golden" / "resize_corners.npz"
KERNELS = ("bilinear", "bicubic")
# (batch, height, width) and the new (height, width).
CASES = {
    "up": ((2, 7, 5), (13, 22)),
    "down": ((2, 23, 17), (9, 6)),
    "mixed": ((1, 12, 5), (5, 12)),
    "same": ((1, 4, 6), (4, 6)),
    "to one": ((1, 6, 7), (1, 1)),
    "from one": ((1, 1, 1), (4, 5)),
    "to and from one": ((2, 1, 6), (5, 1)),
    # In float64 its places differ by up to 1e-4 of a pixel.
    "far": ((1, 2, 1917), (3, 320)),
}


def arguments(case: str) -> tuple[np.ndarray, np.ndarray]:
    """Images of two channels, and cotangents of the resized ones."""
    (batch, *size), new_size = CASES[case]
    rng = np.random.default_rng(zlib.crc32(case.encode()))
    images = rng.uniform(size=(batch, *size, 2)).astype(np.float32)
    return images, rng.normal(size=(batch, *new_size, 2)).astype(np.float32)


def solve(case: str) -> dict[str, np.ndarray]:
    """The resized images and the gradients with respect to the images, for each kernel."""
    import torch

    images, cotangents = (torch.tensor(array).movedim(-1, 1) for array in arguments(case))
    results = {}
    for kernel in KERNELS:
        image = images.clone().requires_grad_()
        out = torch.nn.functional.interpolate(
            image, CASES[case][1], mode=kernel, align_corners=True
        )
        (gradient,) = torch.autograd.grad(out, image, cotangents)
        for name, tensor in {"out": out, "d_image": gradient}.items():
            results[f"{case}/{kernel}/{name}"] = tensor.detach().movedim(1, -1).numpy()
    return results


if __name__ == "__main__":
    GOLDEN.parent.mkdir(exist_ok=True)
    results = {name: array for case in CASES for name, array in solve(case).items()}
    np.savez_compressed(GOLDEN, allow_pickle=False, **results)
