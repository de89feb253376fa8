"""The pictures: procedural scenes of exact depth, and haze rendered onto them."""

import pathlib

import numpy as np
from uhd_study.config import StudyConfig

from dehaze_jax import data, haze, image


def make_pair(config: StudyConfig, number: int) -> tuple[np.ndarray, np.ndarray]:
    """Hazy and clear picture of a scene, `[height, width, 3]` uint8.

    Haze takes the transmissions of the configuration in turn and a pale, slightly tinted airlight.
    """
    clear, depth = haze.landscape(config.seed + number, config.height, config.width)
    share = config.transmission[number % len(config.transmission)]
    rng = np.random.default_rng([config.seed, number])
    airlight = np.clip(rng.uniform(0.75, 0.95) + rng.normal(0, 0.015, 3), 0, 1)
    levels = image.from_float(clear, np.uint8)
    hazy = data.add_haze(
        image.as_picture(levels),
        depth,
        beta=float(-np.log(share) / np.median(depth)),
        airlight=airlight.tolist(),
        non_homogeneous=config.non_homogeneity,
        seed=config.seed + number,
    )
    return hazy.pixels, levels


def picture_names(config: StudyConfig) -> list[str]:
    """Names of the pictures in every folder."""
    return [f"{number:02d}.png" for number in range(config.scenes)]


def write_pairs(config: StudyConfig, folder: pathlib.Path) -> None:
    """Writes `hazy/` and `clear/`, unless that was done before."""
    for number, name in enumerate(picture_names(config)):
        files = [folder / side / name for side in ("hazy", "clear")]
        if all(file.exists() for file in files):
            continue
        for file, pixels in zip(files, make_pair(config, number), strict=True):
            file.parent.mkdir(parents=True, exist_ok=True)
            image.write(file, pixels)
