"""Haze on the fly: a clear picture and a key to a hazy picture, on the device.

The scene J, in its own light and through its own gamma, is seen through the scattering model with
a transmission T and an airlight A that vary over the picture, plus the glow G of lamps:

    hazy = camera(J T + A (1 - T) + G),  T = exp(-beta density depth)

Nothing is read or kept, so one clear picture gives pairs without end.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from dehaze_jax.arrays import Image, Key, Plane
from dehaze_jax.errors import InputError
from dehaze_jax.haze.config import HazeConfig
from dehaze_jax.haze.degradation import camera_noise, compress_jpeg
from dehaze_jax.haze.density import altitude_falloff, density_field
from dehaze_jax.haze.depth import procedural_depth
from dehaze_jax.haze.night import lamp_depths, lamp_discs, lamp_glow
from dehaze_jax.haze.parameters import HazeParameters, draw_haze
from dehaze_jax.haze.scattering import compose, transmission


class HazeSample(NamedTuple):
    """A hazy picture and everything that made it.

    Attributes:
        hazy: in [0, 1].
        clear: its partner: the given picture, by night dimmed and with the lamps.
        depth: as it was used.
        transmission: share of the scene's light that arrives.
        airlight: colour of infinitely thick haze, pixel by pixel.
        glow: light of lamps that haze scatters.
        parameters: everything else that was drawn.
    """

    hazy: Float[Array, "*batch height width 3"]
    clear: Float[Array, "*batch height width 3"]
    depth: Plane
    transmission: Plane
    airlight: Float[Array, "*batch height width 3"]
    glow: Float[Array, "*batch height width 3"]
    parameters: HazeParameters


@functools.partial(jax.jit, static_argnames="config")
def synthesise(
    key: Key,
    clear: Float[Array, "height width 3"],
    depth: Float[Array, "height width"] | None = None,
    *,
    config: HazeConfig,
) -> HazeSample:
    """Renders random haze onto one picture; use `jax.vmap` for several.

    `haze.invert(hazy - glow, transmission, airlight)` is the clear picture again where neither
    gamma nor noise nor compression is on and the glow was nowhere too bright.

    Args:
        key: which haze.
        clear: haze-free picture in [0, 1].
        depth: distance to the camera, not negative; what is not finite, as the sky may be, is put
            at the farthest point that is. None makes up a `procedural_depth`.
        config: what the haze is drawn from.

    Raises:
        InputError: the picture is of integers, or has not three channels.
    """
    if not jnp.issubdtype(clear.dtype, jnp.floating) or clear.shape[2:] != (3,):
        reason = f"must be float [h, w, 3] in [0, 1], not {clear.dtype} {list(clear.shape)}"
        raise InputError("clear", reason)
    key_parameters, key_depth, key_density, key_noise = jax.random.split(key, 4)
    drawn = draw_haze(key_parameters, config=config)
    if depth is None:
        made_up = procedural_depth(key_depth, clear, horizon=drawn.horizon)
        distance = config.farthest * made_up
    else:
        distance = _known(depth, config)
    density = _density(key_density, distance, drawn, config)
    through = transmission(distance, beta=drawn.beta * density)
    airlight = _airlight(clear, drawn, config)

    glow = jnp.zeros_like(clear)
    if config.night.probability:
        height, width, _ = clear.shape
        clear = jnp.maximum(clear * drawn.exposure, lamp_discs(drawn.lamps, height, width))
        depths = lamp_depths(drawn.lamps, distance)
        glow = lamp_glow(drawn.lamps, height, width, depth=depths, beta=drawn.beta)
    scene = clear**drawn.gamma if config.gamma.probability else clear
    hazy = compose(scene, through, airlight)
    if config.night.probability:
        hazy = jnp.minimum(hazy + glow, 1)
    return HazeSample(
        hazy=_through_camera(key_noise, hazy, drawn, config),
        clear=clear,
        depth=distance,
        transmission=through,
        airlight=airlight,
        glow=glow,
        parameters=drawn,
    )


def _known(depth: Plane, config: HazeConfig) -> Plane:
    """Depth of the data, finite and in the unit that is configured."""
    finite = jnp.isfinite(depth)
    depth = jnp.where(finite, depth, jnp.where(finite, depth, 0).max())
    return depth if config.depth_unit == "own" else config.farthest / _farthest(depth) * depth


def _farthest(depth: Plane) -> Float[Array, ""]:
    return jnp.maximum(depth.max(), 1e-6)


def _density(key: Key, depth: Plane, drawn: HazeParameters, config: HazeConfig) -> Plane:
    """Density along the ray of each pixel, in the unit of beta."""
    density = jnp.ones_like(depth)
    if config.patches.probability:
        density *= density_field(key, *depth.shape, strength=drawn.patches)
    if config.falloff.probability:
        rate = drawn.falloff / _farthest(depth)
        density *= altitude_falloff(depth, rate=rate, horizon=drawn.horizon)
    return density


def _airlight(clear: Image, drawn: HazeParameters, config: HazeConfig) -> Image:
    """Airlight of each pixel, rising along the gradient."""
    airlight = jnp.broadcast_to(drawn.airlight, clear.shape)
    if not config.gradient.probability:
        return airlight
    height, width, _ = clear.shape
    across, down = ((jnp.arange(n, dtype=float) + 0.5) / n - 0.5 for n in (width, height))
    slope = 1 + drawn.gradient[0] * across[None] + drawn.gradient[1] * down[:, None]
    return jnp.clip(airlight * slope[..., None], 0, 1)


def _through_camera(key: Key, hazy: Image, drawn: HazeParameters, config: HazeConfig) -> Image:
    """Noise, then compression, of the examples that have them."""
    if config.noise.probability:
        noisy = camera_noise(key, hazy, shot=drawn.shot_noise, read=drawn.read_noise)
        hazy = jnp.where(drawn.shot_noise > 0, noisy, hazy)
    if config.jpeg.probability:
        compressed = compress_jpeg(hazy, quality=jnp.maximum(drawn.jpeg_quality, 1))
        hazy = jnp.where(drawn.jpeg_quality > 0, compressed, hazy)
    return hazy
