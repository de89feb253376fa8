"""Writes tests/metrics/golden_lpips.json: LPIPS in PyTorch, with drawn weights.

    python tests/twins/lpips_alex.py

Needs torch; written with torch 2.13.0. A module of our own after the description, with the names
and layouts of the published weights. The weights are drawn by NumPy, here and in the test, as
AlexNet's are too many to keep.
"""

import json
import pathlib

import numpy as np

GOLDEN = pathlib.Path(__file__).parents[1] / "metrics" / "golden_lpips.json"
SIZES = ((31, 31), (64, 97), (2, 40, 52))
"""Height and width of pictures; or how many there are, and these."""

_LAYERS = {0: (64, 3, 11), 3: (192, 64, 5), 6: (384, 192, 3), 8: (256, 384, 3), 10: (256, 256, 3)}


def weights():
    """AlexNet and linear weights under torchvision's and the published names."""
    rng = np.random.default_rng(5)
    alexnet, linear = {}, {}
    for number, (place, (outputs, inputs, size)) in enumerate(_LAYERS.items()):
        scale = np.sqrt(2 / (inputs * size**2))
        kernel = rng.standard_normal((outputs, inputs, size, size), np.float32)
        alexnet[f"features.{place}.weight"] = np.float32(scale) * kernel
        alexnet[f"features.{place}.bias"] = 0.1 * rng.standard_normal(outputs, np.float32)
        linear[f"lin{number}.model.1.weight"] = rng.random((1, outputs, 1, 1), np.float32)
    return alexnet, linear


def pictures(size):
    """Two that are alike, a little beyond [0, 1]."""
    rng = np.random.default_rng(sum(size))
    clear = rng.uniform(-0.05, 1.05, (*size, 3)).astype(np.float32)
    restored = clear + 0.1 * rng.standard_normal(clear.shape, np.float32)
    return restored, clear


def distance(restored, clear):
    """LPIPS of `[..., h, w, 3]`, in float64."""
    import torch
    import torch.nn.functional as F

    def features(picture):
        x = torch.from_numpy(np.rint(np.clip(picture, 0, 1) * 255).astype(np.float64) / 255)
        x = x.reshape(-1, *x.shape[-3:]).permute(0, 3, 1, 2) * 2 - 1
        shift, scale = (torch.tensor(v).reshape(3, 1, 1).double() for v in _SCALING)
        x = (x - shift) / scale
        for place in _LAYERS:
            if place in (3, 6):
                x = F.max_pool2d(x, 3, 2)
            kernel, bias = (
                torch.from_numpy(alexnet[f"features.{place}.{part}"]).double()
                for part in ("weight", "bias")
            )
            stride, padding = (4, 2) if place == 0 else (1, kernel.shape[-1] // 2)
            x = F.relu(F.conv2d(x, kernel, bias, stride, padding))
            yield F.normalize(x, dim=1)

    alexnet, linear = weights()
    total = 0
    for number, (a, b) in enumerate(zip(features(restored), features(clear), strict=True)):
        weight = torch.from_numpy(linear[f"lin{number}.model.1.weight"]).double()
        total += F.conv2d((a - b) ** 2, weight).mean(dim=(1, 2, 3))
    return total.tolist()


_SCALING = ((-0.030, -0.088, -0.188), (0.458, 0.448, 0.450))


def main():
    """Writes the golden values."""
    found = {"x".join(map(str, size)): distance(*pictures(size)) for size in SIZES}
    GOLDEN.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
