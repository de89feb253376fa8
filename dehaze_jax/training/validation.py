"""Scores and pictures of a few validation examples during training."""

import dataclasses
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from dehaze_jax import data
from dehaze_jax.arrays import Params
from dehaze_jax.data.config import DataConfig
from dehaze_jax.image.ranges import to_float
from dehaze_jax.methods.protocol import Method
from dehaze_jax.metrics.protocols import PROTOCOLS, score
from dehaze_jax.restoring.comparing import side_by_side
from dehaze_jax.restoring.restorer import Restorer

_PROTOCOL = "rgb-full"
SCORE = f"{_PROTOCOL}/psnr"
"""The score by which weights are the best of a run."""

_PSNR = dataclasses.replace(PROTOCOLS[_PROTOCOL], scores=("psnr",))
_PANEL_WIDTH = 320


class Validation(NamedTuple):
    """Mean scores by `protocol/score`, and hazy | restored | clear by example."""

    scores: dict[str, float]
    pictures: dict[str, np.ndarray]


def open_validation(config: DataConfig, count: int) -> list[Any]:
    """`count` examples, or as many as there are, spread evenly over the validation splits.

    Raises:
        InputError: a directory cannot be opened.
    """
    splits = [data.open_prepared(path, config.validation_split) for path in config.validation]
    every = [(split, index) for split in splits for index in range(len(split))]
    chosen = np.linspace(0, len(every) - 1, min(count, len(every))).round().astype(int)
    return [every[place][0][every[place][1]] for place in chosen]


def validate(method: Method, variables: Params, examples: list[Any]) -> Validation:
    """Restores examples at full size and scores them under `rgb-full`.

    Raises:
        InputError: the model returned values that are not finite.
    """
    restorer = Restorer(method, variables)
    psnr = {"": [], "_hazy": []}
    pictures = {}
    for example in examples:
        hazy, clear = to_float(example.hazy), to_float(example.clear)
        restored = restorer(hazy)
        for suffix, image in (("", restored), ("_hazy", hazy)):
            scored = score(_PSNR, jnp.asarray(image), jnp.asarray(clear))
            psnr[suffix].append(float(scored["psnr"]))
        pictures[example.id] = side_by_side(
            {"hazy": hazy, "restored": restored, "clear": clear}, width=_PANEL_WIDTH
        )
    scores = {f"{_PROTOCOL}/psnr{suffix}": float(np.mean(all_)) for suffix, all_ in psnr.items()}
    return Validation(scores, pictures)
