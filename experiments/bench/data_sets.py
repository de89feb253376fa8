"""Makes what the benchmark of the loader reads: rendered 3840 x 2160 pairs as JPEG files and sets.

Scenes are procedural landscapes with camera noise, so that files are as large as those of cameras.
"""

import os
import pathlib
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor

import cv2
import numpy as np

from dehaze_jax.data import prepare

HEIGHT, WIDTH = 2160, 3840
QUALITY = 95
"""Of the JPEG files, whose colours are subsampled as those of cameras and videos are."""
TILED = {"jpeg": (256, 95), "png": (256, None)}
"""Tile and quality of the tiled sets."""
_NOISE = 0.012  # standard deviation


def make_sets(root: pathlib.Path, scenes: int, hazes: int) -> None:
    """Writes `pairs/`, and of it the sets `whole/`, `jpeg/` and `png/`; what is there stays.

    Args:
        root: where to.
        scenes: number of landscapes.
        hazes: pairs of each.
    """
    source = root / "pairs"
    if not source.exists():
        for side in ("hazy", "clear"):
            (source / "train" / side).mkdir(parents=True)
        with ProcessPoolExecutor(max_workers=os.cpu_count()) as pool:
            jobs = [(source / "train", scene, hazes) for scene in range(scenes)]
            list(pool.map(_write_scene, jobs))
    for name, (tile, quality) in {"whole": (0, None), **TILED}.items():
        if not (root / name).exists():
            prepare("paired_folder", root / name, source=source, tiles=tile, quality=quality)
    os.sync()  # only pages that are on disk can be dropped


def pair_files(root: pathlib.Path) -> list[tuple[pathlib.Path, pathlib.Path]]:
    """The hazy and clear files of every pair."""
    hazy = sorted((root / "pairs" / "train" / "hazy").iterdir())
    return [(path, path.parents[1] / "clear" / path.name) for path in hazy]


def small_set(root: pathlib.Path) -> pathlib.Path:
    """A set of 64 pairs of 64 x 64 noise; what is there stays."""
    target = root / "small"
    if not target.exists():
        rng = np.random.default_rng(0)
        for side in ("hazy", "clear"):
            folder = root / "small-pairs" / "train" / side
            folder.mkdir(parents=True, exist_ok=True)
            for number in range(64):
                pixels = rng.integers(0, 256, (64, 64, 3), np.uint8)
                cv2.imwrite(str(folder / f"{number:02d}.png"), pixels)
        prepare("paired_folder", target, source=root / "small-pairs")
    return target


def evict(paths: Sequence[pathlib.Path]) -> None:
    """Drops files from the operating system's memory, so that reading them reaches the disk."""
    for path in paths:
        file = os.open(path, os.O_RDONLY)
        try:
            os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(file)


def _write_scene(job: tuple[pathlib.Path, int, int]) -> None:
    from dehaze_jax.haze.landscapes import landscape

    folder, seed, hazes = job
    clear, depth = landscape(seed, HEIGHT, WIDTH)
    rng = np.random.default_rng(seed)
    for number in range(hazes):
        transmission = np.exp(-rng.uniform(0.5, 2.5) * depth)[..., None]
        hazy = clear * transmission + rng.uniform(0.7, 1.0) * (1 - transmission)
        for side, picture in (("hazy", hazy), ("clear", clear)):
            noisy = picture + _NOISE * rng.standard_normal(picture.shape, np.float32)
            pixels = np.round(255 * np.clip(noisy, 0, 1)).astype(np.uint8)
            path = folder / side / f"{seed:02d}_{number}.jpg"
            cv2.imwrite(str(path), pixels[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
