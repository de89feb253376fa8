"""Contact sheet of haze on the fly: every part of it alone, then samples by the default.

    python experiments/figures/haze.py [--output docs/figures/haze.jpg]

A procedural landscape of known depth and photographs that scikit-image carries, whose depth is made
up. Parts stand alone at the strong end of their ranges.
"""

import dataclasses
import pathlib
import sys

import jax
import jax.numpy as jnp
import numpy as np
import skimage.data
import skimage.transform
import tyro

from dehaze_jax import haze, image, restoring
from dehaze_jax.haze import config as parts

HEIGHT, WIDTH = 240, 320
PLAIN = haze.PRESETS["reside_its"]
ALONE = {
    "patches": parts.PatchConfig(probability=1.0, strength=(0.7, 0.8)),
    "falloff": parts.FalloffConfig(probability=1.0, height=(0.1, 0.15)),
    "gradient": parts.GradientConfig(probability=1.0, strength=(0.3, 0.3)),
    "night": parts.NightConfig(probability=1.0),
    "gamma": parts.GammaConfig(probability=1.0),
    "noise": parts.NoiseConfig(probability=1.0, shot=(0.012, 0.012)),
    "jpeg": parts.JpegConfig(probability=1.0, quality=(30, 30)),
}
BY_NIGHT = dataclasses.replace(haze.HazeConfig(), night=ALONE["night"])
CONFIGS = {
    "plain": PLAIN,
    **{name: dataclasses.replace(PLAIN, **{name: part}) for name, part in ALONE.items()},
    **{f"default, {number}": haze.HazeConfig() for number in (1, 2)},
    **{f"default by night, {number}": BY_NIGHT for number in (1, 2)},
}


def scenes() -> dict[str, tuple[np.ndarray, np.ndarray | None]]:
    """Clear pictures in [0, 1], with their depth where it is known."""

    def fit(pixels: np.ndarray) -> np.ndarray:
        height, width = pixels.shape[:2]
        rows = min(height, width * HEIGHT // WIDTH)
        top, left = (height - rows) // 2, (width - rows * WIDTH // HEIGHT) // 2
        cut = pixels[top : top + rows, left : left + rows * WIDTH // HEIGHT]
        return np.asarray(skimage.transform.resize(cut, (HEIGHT, WIDTH), anti_aliasing=True))

    return {
        "landscape": haze.landscape(7, HEIGHT, WIDTH),
        "motorcycle": (fit(skimage.data.stereo_motorcycle()[0]), None),
        "astronaut": (fit(skimage.data.astronaut()), None),
        "rocket": (fit(skimage.data.rocket()), None),
    }


def main(output: str = "docs/figures/haze.jpg", width: int = 150, seed: int = 0) -> None:
    """Writes the contact sheet: a column for each scene, a row for each configuration.

    Args:
        output: the picture.
        width: of each panel.
        seed: of everything drawn.
    """
    columns = []
    for number, (name, (clear, depth)) in enumerate(scenes().items()):
        given = jnp.asarray(clear, jnp.float32)
        distance = None if depth is None else jnp.asarray(depth)
        panels = {name: np.asarray(given)}
        for row, (label, config) in enumerate(CONFIGS.items()):
            key = jax.random.fold_in(jax.random.key(seed + number), row)
            panels[label] = np.asarray(haze.synthesise(key, given, distance, config=config).hazy)
        columns.append(
            [restoring.side_by_side({label: panel}, width=width) for label, panel in panels.items()]
        )
    sheet = np.concatenate([np.concatenate(column) for column in columns], axis=1)
    image.write(pathlib.Path(output), image.Picture(sheet))
    sys.stdout.write(f"{output}\n")


if __name__ == "__main__":
    tyro.cli(main)
