"""Flow matching: regressing a velocity field on the velocity of a path."""

from collections.abc import Callable
from typing import Any, Literal, TypeAlias

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from dehaze_jax.arrays import Image, Key, PerImage

TimeDistribution: TypeAlias = Literal["uniform", "logit_normal"]
Penalty: TypeAlias = Literal["l2", "l1", "charbonnier"]
Target: TypeAlias = Literal["velocity", "endpoint"]

# A logit-normal with its median at t = 0.27: more of the states that a solve starts in.
_LOGIT_MEAN, _LOGIT_SCALE = -1.0, 1.0

TIME_DISTRIBUTIONS: dict[str, Callable[..., Array]] = {
    "uniform": lambda key, shape: jax.random.uniform(key, shape),
    "logit_normal": lambda key, shape: jax.nn.sigmoid(
        _LOGIT_MEAN + _LOGIT_SCALE * jax.random.normal(key, shape)
    ),
}


def sample_times(
    key: Key, shape: tuple[int, ...], *, distribution: TimeDistribution = "uniform"
) -> Float[Array, "..."]:
    """Draws training times in [0, 1]."""
    return TIME_DISTRIBUTIONS[distribution](key, shape)


def penalise(error: Float[Array, "..."], penalty: Penalty) -> Float[Array, "..."]:
    """Squares, absolute values, or their smooth mixture sqrt(e^2 + 1e-6), element by element."""
    if penalty == "l2":
        return error**2
    if penalty == "l1":
        return jnp.abs(error)
    return jnp.sqrt(error**2 + 1e-6)


def matching_loss(
    velocity: Callable[[PerImage, Any, Any], Image],
    params: Any,
    t: PerImage,
    state: Image,
    target: Image,
    *,
    penalty: Penalty = "l2",
    on: Target = "velocity",
) -> PerImage:
    """Penalises the difference between a field and the velocity of a path.

    Args:
        velocity: the field; gets one time an image.
        params: its parameters.
        t: times.
        state: states on the path at these times.
        target: velocities of the path there.
        penalty: how a difference is counted.
        on: `"velocity"`, or `"endpoint"`: the error of the straight extrapolation to t = 1, which
            counts early times more.

    Returns:
        One mean an image.

    Reference: Lipman et al. (ICLR 2023), equation 9.
    """
    error = velocity(t, state, params) - target
    if on == "endpoint":
        error = error * (1 - t)[..., None, None, None]
    return jnp.mean(penalise(error, penalty), axis=(-3, -2, -1))
