"""What stands beside every model: the hazy picture as it is, and the dark-channel prior."""

from collections.abc import Callable, Mapping

import jax.numpy as jnp
import numpy as np

from dehaze_jax.haze.dark_channel_prior import dark_channel_restore
from dehaze_jax.image.ranges import from_float, to_float

HAZY = "hazy"


def _untouched(image: np.ndarray) -> np.ndarray:
    return image


def _dark_channel(image: np.ndarray) -> np.ndarray:
    restored = dark_channel_restore(jnp.asarray(to_float(image)))
    return from_float(np.asarray(restored), image.dtype)


BASELINES: Mapping[str, Callable[[np.ndarray], np.ndarray]] = {
    HAZY: _untouched,
    "dark-channel": _dark_channel,
}
"""Restorers that need no training, by the name they have in reports."""
