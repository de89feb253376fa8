"""Fields whose solution is known in closed form, on the pixels of a small landscape."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np

from dehaze_jax import haze

_ANGLE, _WOBBLE = 3.0, 3.0  # radians; frequency of the change of speed
_STIFFNESS, _DRIFT, _FREQUENCY = 30.0, 0.1, 4.0
_GREY = np.ones(3) / np.sqrt(3)
_CROSS = np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]]) / np.sqrt(3)


@dataclasses.dataclass(frozen=True)
class AnalyticField:
    """A field and where it ends.

    Attributes:
        name: short name.
        title: what it is.
        velocity: `velocity(t, x, params)`.
        x0: state at t = 0, `[1, h, w, 3]` float64.
        params: of the velocity.
        end: the exact state at t = 1.
    """

    name: str
    title: str
    velocity: Callable
    x0: np.ndarray
    params: Any
    end: np.ndarray


def analytic_fields(height: int, width: int, seed: int) -> list[AnalyticField]:
    """All of them, from one hazy landscape to its clear version or elsewhere."""
    clear, depth = haze.landscape(seed, height, width)
    clear = clear[None].astype(np.float64)
    transmission = np.exp(-1.5 * depth.astype(np.float64))[None, ..., None]
    airlight = np.array([0.84, 0.86, 0.88])[None, None, None]
    hazy = airlight + (clear - airlight) * transmission
    return [
        AnalyticField("straight", "straight line", _straight, hazy, {"way": clear - hazy}, clear),
        AnalyticField(
            "thinning",
            "thinning haze, exact",
            _thinning,
            hazy,
            {"rate": -np.log(transmission), "airlight": airlight},
            clear,
        ),
        AnalyticField(
            "rotation",
            "rotating colours",
            _rotation,
            hazy,
            {"cross": _CROSS, "centre": np.float64(0.5)},
            0.5 + (hazy - 0.5) @ _turn(_ANGLE * (1 + 0.5 * np.sin(_WOBBLE) / _WOBBLE)).T,
        ),
        AnalyticField(
            "stiff",
            "mildly stiff",
            _stiff,
            hazy,
            {"clear": clear},
            clear + _DRIFT * np.sin(_FREQUENCY) + (hazy - clear) * np.exp(-_STIFFNESS),
        ),
    ]


def _straight(t, x, params):
    """The velocity of the linear path: constant."""
    del t, x
    return params["way"]


def _thinning(t, x, params):
    """The scattering path, x = A + (J - A) T^(1-t): v = -ln T (x - A)."""
    del t
    return params["rate"] * (x - params["airlight"])


def _rotation(t, x, params):
    """Colours turn about the grey axis, at a speed that changes."""
    speed = _ANGLE * (1 + 0.5 * jnp.cos(_WOBBLE * t))
    centred = x - params["centre"]
    return speed * jnp.einsum("ij,...j->...i", params["cross"], centred, precision="highest")


def _stiff(t, x, params):
    """Drawn to a drifting target g: v = k (g - x) + g' (Prothero and Robinson, 1974)."""
    target = params["clear"] + _DRIFT * jnp.sin(_FREQUENCY * t)
    return _STIFFNESS * (target - x) + _DRIFT * _FREQUENCY * jnp.cos(_FREQUENCY * t)


def _turn(angle: float) -> np.ndarray:
    """Rotation matrix about the grey axis (Rodrigues)."""
    return (
        np.cos(angle) * np.eye(3)
        + np.sin(angle) * _CROSS
        + (1 - np.cos(angle)) * np.outer(_GREY, _GREY)
    )
