"""Full-size pictures from what the networks see on a small copy.

The copy has at most `proxy_size` pixels along its longer side, so memory does not grow with the
picture. Of transmission and depth the copy gives smooth linear models of the colours (the guided
filter's); at full size each pixel evaluates its model and inverts the scattering model.
"""

from functools import partial
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from dehaze_jax.arrays import Image, Params, PerImage, Plane
from dehaze_jax.haze.scattering import compose, invert
from dehaze_jax.haze.scattering import transmission as thin
from dehaze_jax.image.filters import guided_models
from dehaze_jax.image.resampling import enlarge_rows
from dehaze_jax.methods.nedr.config import NedrConfig
from dehaze_jax.methods.nedr.networks import STRIDE, Networks, Scene, find_airlight, finish_haze
from dehaze_jax.methods.protocol import Maps, Rows

Models: TypeAlias = Float[Array, "b rows columns 4"]


class Context(NamedTuple):
    """What is global in a hazy picture.

    Attributes:
        models: of transmission by colour, see `image.guided_models`.
        airlight: colour of the haze.
        density: scattering coefficient.
    """

    models: Models
    airlight: Float[Array, "b 3"]
    density: PerImage


class HazeContext(NamedTuple):
    """What is global in a clear picture that gets haze.

    Attributes:
        models: of depth by colour, see `image.guided_models`.
        correction: what the network adds to rendered haze.
        airlight: colour of the haze.
        density: scattering coefficient.
    """

    models: Models
    correction: Float[Array, "b rows columns 3"]
    airlight: Float[Array, "b 3"]
    density: PerImage


def copy_size(config: NedrConfig, height: int, width: int) -> tuple[int, int]:
    """Rows and columns of the copy that the networks read: multiples of `STRIDE`.

    The picture keeps its shape up to the rounding, and small ones about their size.
    """
    scale = min(1, config.proxy_size / max(height, width))

    def fit(side: int) -> int:
        return max(STRIDE, round(side * scale / STRIDE) * STRIDE)

    return fit(height), fit(width)


@partial(jax.jit, static_argnames="config")
def shrink(config: NedrConfig, picture: Image) -> Float[Array, "b rows columns 3"]:
    """The copy that the networks read."""
    picture = picture.reshape(-1, *picture.shape[-3:])
    size = copy_size(config, *picture.shape[1:3])
    return jax.image.resize(picture, (len(picture), *size, 3), "linear", antialias=True)


@partial(jax.jit, static_argnames="config")
def find_scene(
    config: NedrConfig, variables: Params, copy: Float[Array, "b rows columns 3"]
) -> Scene:
    """Runs the network on the copy of a hazy picture."""
    return _run(config, variables, "find_scene", copy)


@partial(jax.jit, static_argnames="config")
def make_context(
    config: NedrConfig, copy: Float[Array, "b rows columns 3"], scene: Scene
) -> Context:
    """What the full-size picture needs of the copy and what the network saw in it."""
    models = _model(config, copy, scene.transmission)
    return Context(models, find_airlight(config, copy), scene.density)


@partial(jax.jit, static_argnames="config")
def restore_rows(config: NedrConfig, context: Context, rows: Image, where: Rows) -> Image:
    """Inverts the scattering model on a strip; not clipped."""
    strip = rows.reshape(-1, *rows.shape[-3:])
    transmission = _find_transmission(config, context, strip, where)
    return invert(strip, transmission, context.airlight).reshape(rows.shape)


@partial(jax.jit, static_argnames="config")
def find_maps(config: NedrConfig, context: Context, rows: Image, where: Rows) -> Maps:
    """Transmission and depth of a strip, airlight and density of the picture."""
    strip = rows.reshape(-1, *rows.shape[-3:])
    transmission = _find_transmission(config, context, strip, where)
    depth = -jnp.log(transmission) / context.density[:, None, None]
    batch = rows.shape[:-3]
    return Maps(
        planes={
            "transmission": transmission.reshape(rows.shape[:-1]),
            "depth": depth.reshape(rows.shape[:-1]),
        },
        values={
            "airlight": context.airlight.reshape(*batch, 3),
            "density": context.density.reshape(batch),
        },
    )


@partial(jax.jit, static_argnames="config")
def find_haze_context(
    config: NedrConfig,
    variables: Params,
    copy: Float[Array, "b rows columns 3"],
    density: Float[Array, ""],
    airlight: Float[Array, "3"] | None,
) -> HazeContext:
    """Runs the networks on the copy of a clear picture; default airlight is its largest values."""
    depth = _run(config, variables, "find_depth", copy)
    densities = jnp.broadcast_to(density, (len(copy),))
    largest = jnp.max(copy, axis=(1, 2))
    colours = largest if airlight is None else jnp.broadcast_to(airlight, largest.shape)
    rendered = compose(copy, thin(depth, beta=densities), colours)
    correction = _run(config, variables, "correct_haze", rendered)
    return HazeContext(_model(config, copy, depth), correction, colours, densities)


@partial(jax.jit, static_argnames="config")
def add_haze_rows(config: NedrConfig, context: HazeContext, rows: Image, where: Rows) -> Image:
    """Renders haze onto a strip of a clear picture."""
    strip = rows.reshape(-1, *rows.shape[-3:])
    depth = jnp.clip(_evaluate(context.models, strip, where), *config.depth)
    rendered = compose(strip, thin(depth, beta=context.density), context.airlight)
    correction = _enlarge(context.correction, strip, where)
    return finish_haze(rendered, correction).reshape(rows.shape)


def _run(config: NedrConfig, variables: Params, network: str, picture: Image) -> Any:
    return Networks(config).apply(variables, picture, train=False, method=network)


def _model(config: NedrConfig, guide: Image, plane: Plane) -> Models:
    """Models of a plane by the colours of its picture."""
    if config.refinement == "bilinear":
        flat = jnp.zeros_like(guide)
        return jnp.concatenate([flat, plane[..., None]], axis=-1)
    options = {"radius": config.radius, "epsilon": config.epsilon}
    if config.refinement == "colour":
        return guided_models(guide, plane, **options)
    # As published: each channel, stretched to [0, 1] with the others, guides on its own.
    low, high = (end(guide, axis=(1, 2, 3), keepdims=True) for end in (jnp.min, jnp.max))
    span = jnp.maximum(high - low, 1e-6)
    each = [guided_models((guide[..., k : k + 1] - low) / span, plane, **options) for k in range(3)]
    slopes = jnp.concatenate([model[..., :1] for model in each], axis=-1) / (3 * span)
    offsets = sum(model[..., 1] for model in each[1:]) + each[0][..., 1]
    offset = offsets / 3 - low[..., 0] * jnp.sum(slopes, axis=-1)
    return jnp.concatenate([slopes, offset[..., None]], axis=-1)


def _find_transmission(config: NedrConfig, context: Context, strip: Image, where: Rows) -> Plane:
    return jnp.clip(_evaluate(context.models, strip, where), *config.transmission)


def _evaluate(models: Models, strip: Image, where: Rows) -> Plane:
    model = _enlarge(models, strip, where)
    return jnp.sum(model[..., :3] * strip, axis=-1) + model[..., 3]


def _enlarge(small: Float[Array, "b r c k"], strip: Image, where: Rows) -> Array:
    count, columns = strip.shape[1:3]
    return enlarge_rows(small, where.start, count, where.height, where.width, columns)
