"""Guides: from a picture to where each pixel looks in the depth of the grid, three times."""

from typing import Literal, TypeAlias

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from dehaze_jax.arrays import Params
from dehaze_jax.networks.convolutions import TorchConv
from dehaze_jax.networks.normalisation import BatchNorm

Planes: TypeAlias = tuple[Array, Array, Array]

COLOURS = ("red", "green", "blue")
GUIDES = len(COLOURS)
_KNOTS = 16
_CHANNELS = 16


class Guides(nn.Module):
    """Three guides of one kind.

    Attributes:
        kind: see `BilateralConfig.guides`.
    """

    kind: Literal["curves", "convolutions"]

    @nn.compact
    def __call__(
        self, planes: Planes, *, train: bool = False, inside: Bool[Array, "h w"] | None = None
    ) -> Planes:
        """Maps red, green and blue planes to a guide each, in or near [0, 1].

        Args:
            planes: `[b, h, w]`; curves take any shape.
            train: whether batch normalisation is by the batch.
            inside: which pixels of a strip are in the picture, where not all are.
        """
        if self.kind == "curves":
            return CurveGuides(name="curves")(planes)
        red, green, blue = (
            ConvolutionGuide(name=colour)(plane, train=train, inside=inside)
            for colour, plane in zip(COLOURS, planes, strict=True)
        )
        return red, green, blue

    @property
    def halo(self) -> int:
        """Rows above and below that a guide depends on."""
        return 0 if self.kind == "curves" else 2


def guide_variables(variables: Params, colour: str) -> Params:
    """Variables of one `ConvolutionGuide` from those of a network that has `guides`."""
    return {name: part["guides"][colour] for name, part in variables.items() if "guides" in part}


class CurveGuides(nn.Module):
    """A mixture of a pixel's colours, and a piecewise linear curve of it, for each guide.

    The mixture also sees the pixel's smallest and largest colour. It starts as red, green and blue,
    and the curves as the identity.

    Reference: Gharbi et al., Deep bilateral learning (SIGGRAPH 2017), section 3.4.1; the smallest
    and largest colour, which tell haze from white, are ours.
    """

    @nn.compact
    def __call__(self, planes: Planes) -> Planes:
        """Maps red, green and blue planes of any one shape to three planes, mostly in [0, 1]."""

        def mixture_init(_, shape):
            return jnp.eye(*shape, dtype=jnp.float32)

        def slope_init(_, shape):
            return jnp.zeros(shape, jnp.float32).at[:, 0].set(1)

        red, green, blue = planes
        low = jnp.minimum(jnp.minimum(red, green), blue)
        high = jnp.maximum(jnp.maximum(red, green), blue)
        seen = (red, green, blue, low, high)
        mixture = self.param("mixture", mixture_init, (GUIDES, len(seen)))
        offset = self.param("offset", nn.initializers.zeros, (GUIDES,), jnp.float32)
        slopes = self.param("slopes", slope_init, (GUIDES, _KNOTS))

        def curve(guide: int) -> Array:
            x = sum((mixture[guide, k] * plane for k, plane in enumerate(seen)), offset[guide])
            # The first slope holds below the first knot too.
            bends = (slopes[guide, knot] * nn.relu(x - knot / _KNOTS) for knot in range(1, _KNOTS))
            return sum(bends, slopes[guide, 0] * x)

        return curve(0), curve(1), curve(2)


class ConvolutionGuide(nn.Module):
    """A small convolutional network on one colour plane, as published.

    Two 3 x 3 convolutions of 16 channels, each with batch normalisation and PReLU, one 1 x 1, tanh.
    """

    @nn.compact
    def __call__(
        self,
        plane: Float[Array, "b h w"],
        *,
        train: bool,
        inside: Bool[Array, "h w"] | None = None,
    ) -> Float[Array, "b h w"]:
        """Maps a plane to values in (0, 1).

        Args:
            plane: one colour.
            train: whether to normalise by the batch.
            inside: which pixels of a strip are in the picture, where not all are.
        """
        x = blank(plane[..., None], inside)
        for number in (1, 2):
            x = TorchConv(_CHANNELS, name=f"conv{number}")(x, train=train)
            x = BatchNorm(name=f"norm{number}")(x, train=train)
            x = blank(nn.PReLU(negative_slope_init=0.25, name=f"prelu{number}")(x), inside)
        return (jnp.tanh(TorchConv(1, 1, name="conv3")(x, train=train)[..., 0]) + 1) / 2


def blank(x: Float[Array, "b h w c"], inside: Bool[Array, "h w"] | None) -> Array:
    """Zeros outside the picture, as a convolution finds them around a whole one."""
    return x if inside is None else jnp.where(inside[None, :, :, None], x, 0)
