"""Writes golden.json: every protocol on three image pairs, by scikit-image and NumPy in float64.

python tests/metrics/make_golden.py
"""

import json
import math
import pathlib

import numpy as np
import skimage.color
import skimage.metrics

GOLDEN = pathlib.Path(__file__).with_name("golden.json")


def pairs() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Image pairs (restored, clear), float32; restored leaves [0, 1] in places."""

    def scene(height, width, seed):
        rng = np.random.default_rng(seed)
        v, u = np.meshgrid(np.linspace(0, 1, height), np.linspace(0, 1, width), indexing="ij")
        waves = [0.5 + 0.4 * np.sin(7 * (c + 1) * u + 5 * v**2 + c) for c in range(3)]
        clear = np.stack(waves, -1) * (0.7 + 0.3 * ((8 * u).astype(int) % 2))[..., None]
        clear = np.clip(clear + 0.05 * rng.standard_normal(clear.shape), 0, 1)
        transmission = np.exp(-1.5 * (1 - v))[..., None]
        restored = clear * transmission + 0.9 * (1 - transmission)
        return restored + 0.02 * rng.standard_normal(clear.shape), clear

    rng = np.random.default_rng(5)
    flat = np.broadcast_to(np.array([0.2, 0.5, 0.8]), (24, 31, 3))
    made = {
        "small": scene(64, 80, 1),
        "pooled": scene(525, 517, 2),
        "flat": (flat + 0.04 * rng.standard_normal(flat.shape), flat),
    }
    return {name: tuple(x.astype(np.float32) for x in pair) for name, pair in made.items()}


def _ssim(restored, clear, padding):
    if padding:
        edges = ((5, 5), (5, 5), (0, 0))
        restored, clear = (np.pad(x, edges, mode=padding) for x in (restored, clear))
    return skimage.metrics.structural_similarity(
        restored,
        clear,
        data_range=1.0,
        channel_axis=-1,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
    )


def _psnr(restored, clear):
    return skimage.metrics.peak_signal_noise_ratio(clear, restored, data_range=1.0)


def _rounded(image):
    return np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8)


def _pooled(image):
    height, width = image.shape[:2]
    ratio = max(1, round(min(height, width) / 256))
    rows, columns = height // ratio, width // ratio
    out = np.empty((rows, columns, 3))
    for i in range(rows):
        band = image[i * height // rows : math.ceil((i + 1) * height / rows)].mean(axis=0)
        for j in range(columns):
            part = band[j * width // columns : math.ceil((j + 1) * width / columns)]
            out[i, j] = part.mean(axis=0)
    return out


def golden(restored, clear) -> dict[str, dict[str, float]]:
    """Scores of one pair under every protocol."""
    clipped = [np.clip(x.astype(np.float64), 0, 1) for x in (restored, clear)]
    bytes_ = [_rounded(x) for x in (restored, clear)]
    rgb = [x / 255 for x in bytes_]
    luma = [skimage.color.rgb2ycbcr(x)[..., :1] / 255 for x in bytes_]
    lab = [skimage.color.rgb2lab(x) for x in bytes_]
    pooled = [_pooled(x) for x in clipped]
    return {
        "rgb-full": {
            "psnr": _psnr(*rgb),
            "ssim": _ssim(*rgb, None),
            "ciede2000": skimage.color.deltaE_ciede2000(*lab).mean(),
        },
        "rgb-ssim256": {"psnr": _psnr(*clipped), "ssim": _ssim(*pooled, None)},
        "y-full": {"psnr": _psnr(*luma), "ssim": _ssim(*luma, "edge")},
        "rgb-zero": {"psnr": _psnr(*clipped), "ssim": _ssim(*clipped, "constant")},
    }


if __name__ == "__main__":
    scores = {name: golden(*pair) for name, pair in pairs().items()}
    text = json.dumps(scores, indent=2, default=float)
    GOLDEN.write_text(text + "\n", encoding="utf-8")
