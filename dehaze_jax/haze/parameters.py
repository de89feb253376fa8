"""The parameters of one rendered haze, and how they are drawn."""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from dehaze_jax.arrays import Key
from dehaze_jax.haze.config import HazeConfig, NightConfig
from dehaze_jax.haze.night import Lamps

_HORIZON = (0.2, 0.5)

# Brooks et al. 2019, section 3.1: the line of read noise over shot noise, in logarithms.
_READ_SLOPE, _READ_OFFSET, _READ_SCATTER = 2.18, 1.20, 0.26

_NUMBERS = 24
"""At least as many as a haze without its lamps takes."""

_LAMP_ROWS = (0.05, 0.6)
"""Where lamps hang, from the top as a share of the height."""

_SODIUM, _WHITE = (1.0, 0.62, 0.28), (0.9, 0.95, 1.0)
"""Between these colours lie those of lamps."""


class HazeParameters(NamedTuple):
    """All that is drawn for one example, but for the fields of noise.

    A part that an example has not got has the value that does nothing.

    Attributes:
        beta: scattering coefficient per unit of depth.
        airlight: its colour, in the middle of the picture; of a night dimmed as the scene is.
        horizon: its row as a share of the height, from the top.
        patches: standard deviation of the logarithm of the density over the picture; or 0.
        falloff: inverse of the altitude at which the density is 1/e, per farthest distance; or 0.
        gradient: change of the airlight over the width (to the right) and the height (downwards),
            as a share of it; or 0.
        exposure: brightness of a night's scene as a share of the day's; or 1.
        lamps: point lights; of black colour by day.
        gamma: exponent of the scene under the haze; or 1.
        shot_noise: variance at white, in linear light; or 0.
        read_noise: variance at black, in linear light; or 0.
        jpeg_quality: 1 to 100; or 0 for no compression.
    """

    beta: Float[Array, "*batch"]
    airlight: Float[Array, "*batch 3"]
    horizon: Float[Array, "*batch"]
    patches: Float[Array, "*batch"]
    falloff: Float[Array, "*batch"]
    gradient: Float[Array, "*batch 2"]
    exposure: Float[Array, "*batch"]
    lamps: Lamps
    gamma: Float[Array, "*batch"]
    shot_noise: Float[Array, "*batch"]
    read_noise: Float[Array, "*batch"]
    jpeg_quality: Float[Array, "*batch"]


def draw_haze(key: Key, *, config: HazeConfig) -> HazeParameters:
    """Draws the haze of one example.

    What is drawn for one part does not depend on how the others are configured.

    Args:
        key: which haze.
        config: ranges and probabilities.
    """
    key_numbers, key_scatter, key_lamps = jax.random.split(key, 3)
    numbers = iter(jax.random.uniform(key_numbers, (_NUMBERS,)))

    def uniform(low: float | int, high: float) -> Array:
        return low + (high - low) * next(numbers)

    def one_of(values: tuple[float, ...]) -> Array:
        if config.draw == "uniform":
            return uniform(*values)
        return jnp.asarray(values, float)[_whole(next(numbers), len(values))]

    def with_probability(probability: float, value: Array, nothing: int) -> Array:
        return jnp.where(next(numbers) < probability, value, nothing)

    beta, brightness = one_of(config.beta), one_of(config.airlight)
    tint = jnp.stack([uniform(-config.tint, config.tint) for _ in range(3)])
    horizon = uniform(*_HORIZON)

    patches = with_probability(config.patches.probability, uniform(*config.patches.strength), 0)
    falloff = with_probability(config.falloff.probability, 1 / uniform(*config.falloff.height), 0)
    angle = uniform(0, 2 * math.pi)
    strength = with_probability(config.gradient.probability, uniform(*config.gradient.strength), 0)
    night = with_probability(config.night.probability, jnp.ones(()), 0)
    exposure = jnp.where(night > 0, uniform(*config.night.exposure), 1)
    lamps = _draw_lamps(key_lamps, config.night)
    lamps = lamps._replace(colour=night * lamps.colour)
    gamma = with_probability(config.gamma.probability, uniform(*config.gamma.exponent), 1)

    log_shot = uniform(*map(math.log, config.noise.shot))
    scatter = _READ_SCATTER * jax.random.normal(key_scatter)
    log_read = _READ_SLOPE * log_shot + _READ_OFFSET + scatter
    noisy = with_probability(config.noise.probability, jnp.ones(()), 0)
    low, high = config.jpeg.quality
    quality = low + _whole(next(numbers), high - low + 1).astype(float)
    return HazeParameters(
        beta=beta,
        airlight=jnp.clip(brightness[None] + tint, 0, 1) * exposure,
        horizon=horizon,
        patches=patches,
        falloff=falloff,
        gradient=jnp.stack([strength * jnp.cos(angle), strength * jnp.sin(angle)]),
        exposure=exposure,
        lamps=lamps,
        gamma=gamma,
        shot_noise=noisy * jnp.exp(log_shot),
        read_noise=noisy * jnp.exp(log_read),
        jpeg_quality=with_probability(config.jpeg.probability, quality, 0),
    )


def _whole(number: Array, count: int) -> Array:
    """A number in [0, 1) as one of 0 to `count` - 1."""
    return jnp.minimum(jnp.floor(number * count).astype(int), count - 1)


def _draw_lamps(key: Key, config: NightConfig) -> Lamps:
    numbers = jax.random.uniform(key, (6, config.lamps))

    def uniform(row: int, low: float, high: float) -> Array:
        return low + (high - low) * numbers[row]

    white = numbers[5][:, None]
    hue = jnp.asarray([_SODIUM]) * (1 - white) + jnp.asarray([_WHITE]) * white
    return Lamps(
        place=jnp.stack([numbers[0], uniform(1, *_LAMP_ROWS)], axis=-1),
        colour=uniform(2, *config.brightness)[:, None] * hue,
        width=uniform(3, *config.width),
        shape=uniform(4, *config.shape),
    )
