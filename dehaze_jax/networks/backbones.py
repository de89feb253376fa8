"""Backbones: `[b, h, w, c]` and a time embedding `[b, e]` to `[b, h, w, features]`."""

import importlib
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TypeAlias

import flax.linen as nn
from jaxtyping import Array, Float

from dehaze_jax.errors import InputError
from dehaze_jax.networks.attention import Attention
from dehaze_jax.networks.layers import ResidualBlock, fold, upsample
from dehaze_jax.networks.nafnet import NAFNet

Backbone: TypeAlias = Callable[..., nn.Module]
"""Makes a module from the keywords `features` and `width`."""


class ResidualCNN(nn.Module):
    """Residual blocks at one resolution.

    Attributes:
        features: channels of the output.
        width: channels inside.
        depth: number of blocks.
    """

    features: int
    width: int = 32
    depth: int = 4

    @nn.compact
    def __call__(
        self, x: Float[Array, "b h w c"], embedding: Float[Array, "b e"]
    ) -> Float[Array, "b h w k"]:
        """Maps an image or features to `features` channels of the same size."""
        x = nn.Conv(self.width, (3, 3))(x)
        for _ in range(self.depth):
            x = ResidualBlock(self.width)(x, embedding)
        return nn.Conv(self.features, (3, 3))(x)


class UNet(nn.Module):
    """Residual blocks on a pyramid: down by two at each level, and up again with skips.

    Attributes:
        features: channels of the output.
        width: channels at the first level; level i has `multipliers[i]` times as many.
        multipliers: one for each level.

    Reference: Ronneberger et al., U-Net (MICCAI 2015), with residual blocks and sums of skips.
    """

    features: int
    width: int = 32
    multipliers: tuple[int, ...] = (1, 2, 3)

    @nn.compact
    def __call__(
        self, x: Float[Array, "b h w c"], embedding: Float[Array, "b e"]
    ) -> Float[Array, "b h w k"]:
        """Maps an image or features to `features` channels of the same size; any size."""
        widths = [self.width * multiplier for multiplier in self.multipliers]
        x = nn.Conv(widths[0], (3, 3))(x)
        skips = []
        for level, width in enumerate(widths):
            if level > 0:
                skips.append(x)
                x = nn.Dense(width)(fold(x, 2))
            x = ResidualBlock(width)(x, embedding)
        x = ResidualBlock(widths[-1])(x, embedding)
        for skip in reversed(skips):
            x = upsample(nn.Dense(skip.shape[-1])(x), *skip.shape[1:3]) + skip
            x = ResidualBlock(skip.shape[-1])(x, embedding)
        return nn.Conv(self.features, (3, 3))(nn.LayerNorm()(x))


BACKBONES: Mapping[str, Backbone] = MappingProxyType(
    {"residual": ResidualCNN, "unet": UNet, "nafnet": NAFNet, "attention": Attention}
)


def find_backbone(name: str) -> Backbone:
    """A backbone by its name in `BACKBONES`, or one of the user's as `"module:Name"`.

    Raises:
        InputError: there is none of that name, or the module cannot be imported.
    """
    if name in BACKBONES:
        return BACKBONES[name]
    module_name, separator, attribute = name.partition(":")
    if not separator:
        known = ", ".join(BACKBONES)
        raise InputError(name, f"no such backbone; there are {known}, and yours as 'module:Name'")
    try:
        return getattr(importlib.import_module(module_name), attribute)
    except (ImportError, AttributeError) as error:
        hint = "its folder has to be the current one or on PYTHONPATH"
        raise InputError(name, f"cannot be imported: {error} ({hint})") from error
