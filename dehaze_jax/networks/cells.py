"""From a small square picture to features of the cells of a grid."""

import flax.linen as nn
from jaxtyping import Array, Float

from dehaze_jax.errors import InputError
from dehaze_jax.networks.backbones import find_backbone
from dehaze_jax.networks.layers import fold
from dehaze_jax.networks.precision import FLOAT32, Policy, run

FOLD = 4
"""Side of the blocks of pixels that become features; the picture's size is a multiple of it."""


def cell_features(
    picture: Float[Array, "b p p c"],
    embedding: Float[Array, "b e"],
    *,
    backbone: str,
    width: int,
    cells: int,
    policy: Policy = FLOAT32,
) -> Float[Array, "b cells cells k"]:
    """Layers inside a compact module: blocks of pixels, a backbone, all pixels of each cell.

    Args:
        picture: square; `cells` divides a quarter of its side.
        embedding: what the backbone is modulated by.
        backbone: see `find_backbone`.
        width: channels of the backbone.
        cells: rows and columns of the grid.
        policy: types that the layers work in.

    Raises:
        InputError: the backbone does not give as many features as it is asked for.
    """
    x = nn.gelu(run(nn.Dense(width), fold(picture, FOLD), policy=policy))
    x = run(find_backbone(backbone)(features=width, width=width), x, embedding, policy=policy)
    if x.shape[-1] != width:
        raise InputError(backbone, f"gives {x.shape[-1]} features, not {width}")
    return fold(nn.gelu(x), x.shape[1] // cells)
