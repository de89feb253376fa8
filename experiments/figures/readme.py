"""The pictures of the README: hazy, restored and clear, side by side.

    python experiments/figures/readme.py [--output docs/figures]

The scenes are a procedural landscape and a photograph that scikit-image carries, with haze that
this package rendered; the weights are those that ship, which have seen neither.
"""

import pathlib
import sys

import numpy as np
import skimage.data
import tyro

import dehaze_jax
from dehaze_jax import data, haze, image, restoring


def main(output: str = "docs/figures") -> None:
    """Writes `landscape.jpg` and `photograph.jpg`.

    Args:
        output: folder for the pictures.
    """
    restorer = dehaze_jax.load()
    clear, depth = haze.landscape(7, 540, 960, samples=2)
    scenes = {
        "landscape": (image.from_float(clear, np.uint8), depth, 1.5),
        "photograph": (skimage.data.coffee(), None, 1.2),
    }
    for name, (pixels, depth, beta) in scenes.items():
        picture = image.Picture(pixels)
        hazy = data.add_haze(picture, depth, beta=beta, airlight=(0.84, 0.86, 0.88), seed=3)
        panels = {"hazy": hazy.pixels, "restored": restorer(hazy.pixels), "clear": pixels}
        target = pathlib.Path(output) / f"{name}.jpg"
        image.write(target, restoring.side_by_side(panels, width=480))
        sys.stdout.write(f"{target}\n")


if __name__ == "__main__":
    tyro.cli(main)
