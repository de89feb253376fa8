"""Lamps in the haze of the night."""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from dehaze_jax.arrays import Image, Plane
from dehaze_jax.haze.depth import coarse_size, enlarge

_LAMP = 0.006
"""Radius of a lamp, as a share of the longer side."""


class Lamps(NamedTuple):
    """Point lights of one picture.

    Attributes:
        place: x from the left and y from the top, as shares of width and height.
        colour: brightness of the glow in endless haze, R G B; 0 is no lamp.
        width: distance at which the glow is 1/e, as a share of the longer side.
        shape: exponent of the glow.
    """

    place: Float[Array, "*batch lamps 2"]
    colour: Float[Array, "*batch lamps 3"]
    width: Float[Array, "*batch lamps"]
    shape: Float[Array, "*batch lamps"]


def lamp_discs(lamps: Lamps, height: int, width: int) -> Image:
    """The lamps themselves, small discs with soft edges; `[height, width, 3]`, black elsewhere.

    A disc has the colour of its lamp at full brightness: its largest channel is 1.
    """
    distance = _distances(lamps, height, width)
    edge = 1 / max(height, width)
    cover = jnp.clip((_LAMP - distance) / edge + 0.5, 0, 1)
    brightest = lamps.colour.max(axis=-1, keepdims=True)
    colour = lamps.colour / jnp.where(brightest > 0, brightest, 1)
    return (cover[..., None] * colour[:, None, None]).max(axis=0)


def lamp_depths(lamps: Lamps, depth: Plane) -> Float[Array, " lamps"]:
    """Distances of the lamps: each hangs before what is seen at its place."""
    height, width = depth.shape
    column, row = (
        jnp.minimum((lamps.place[:, axis] * size).astype(int), size - 1)
        for axis, size in enumerate((width, height))
    )
    return depth[row, column]


def lamp_glow(
    lamps: Lamps,
    height: int,
    width: int,
    *,
    depth: Float[Array, " lamps"],
    beta: float | Float[Array, ""],
) -> Image:
    """Light of the lamps that haze scatters into the camera, `[height, width, 3]`.

    A lamp of colour L at the depth d, r away from a pixel, adds L (1 - exp(-beta d))
    exp(-(r / width)^shape): a generalised Gaussian in place of the atmospheric point spread
    function, to which it comes close.

    Args:
        lamps: point lights.
        height: rows.
        width: columns.
        depth: distances of the lamps.
        beta: scattering coefficient per unit of depth.

    Reference:
        Metari, Deschênes, "A new convolution kernel for atmospheric point spread function applied
        to computer vision", ICCV 2007; after Narasimhan, Nayar, "Shedding light on the weather",
        CVPR 2003.
    """
    # Only the peak is sharper than that, and there is the lamp.
    rows, columns = coarse_size(height, width)
    distance = _distances(lamps, rows, columns, aspect=(height, width))
    relative = distance / lamps.width[:, None, None]
    spread = jnp.exp(-(relative ** lamps.shape[:, None, None]))
    light = lamps.colour * -jnp.expm1(-beta * depth)[:, None]
    glow = jnp.einsum("kyx,kc->yxc", spread, light, precision="highest")
    return enlarge(glow, height, width)


def _distances(
    lamps: Lamps, rows: int, columns: int, *, aspect: tuple[int, int] | None = None
) -> Float[Array, "lamps rows columns"]:
    """Distances of pixel centres from the lamps, as shares of the picture's longer side."""
    height, width = aspect or (rows, columns)
    longer = max(height, width)
    across, down = (
        ((jnp.arange(n, dtype=float) + 0.5)[None] / n - lamps.place[:, axis, None])
        * (size / longer)
        for axis, (n, size) in enumerate(((columns, width), (rows, height)))
    )
    return jnp.hypot(across[:, None, :], down[:, :, None])
