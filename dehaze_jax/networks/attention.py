"""A transformer whose attention reaches near pixels and far ones in turn."""

from typing import Literal, TypeAlias

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from dehaze_jax.networks.depthwise import DepthwiseConv
from dehaze_jax.networks.layers import film

Reach: TypeAlias = Literal["window", "grid"]

_HEAD = 16  # channels of a head


class AttentionBlock(nn.Module):
    """Attention among `size` x `size` pixels, then two dense layers at each pixel.

    `window` takes pixels that lie together, `grid` such that are spread evenly over the whole
    picture. Where pixels lie is told by a depthwise convolution before. Both norms are scaled and
    shifted by the embedding; the last layers start at zero, so that a new block only adds the
    convolution.

    Attributes:
        features: channels in and out; a head has 16 of them, or all where 16 does not divide.
        reach: which pixels attend to one another.
        size: see above.
        expansion: channels of the hidden layer as a multiple of `features`.

    Reference: Tu et al., MaxViT (ECCV 2022), for the two reaches; Chu et al., Conditional
    Positional Encodings (ICLR 2023), for the convolution.
    """

    features: int
    reach: Reach = "window"
    size: int = 8
    expansion: int = 2

    @nn.compact
    def __call__(
        self, x: Float[Array, "b h w c"], embedding: Float[Array, "b e"]
    ) -> Float[Array, "b h w c"]:
        """Refines features; of any size."""
        zeros = nn.initializers.zeros
        x = x + DepthwiseConv(3)(x)
        y = nn.Dense(3 * self.features)(film(nn.LayerNorm()(x), embedding))
        y = self._attend(y)
        x = x + nn.Dense(self.features, kernel_init=zeros)(y)
        y = film(nn.LayerNorm()(x), embedding)
        y = nn.gelu(nn.Dense(self.expansion * self.features)(y))
        return x + nn.Dense(self.features, kernel_init=zeros)(y)

    def _attend(self, qkv: Float[Array, "b h w k"]) -> Float[Array, "b h w c"]:
        """Among pixels of the picture alone: those that fill it up to whole windows are masked."""
        height, width = qkv.shape[1:3]
        around = ((0, 0), (0, -height % self.size), (0, -width % self.size), (0, 0))
        qkv = jnp.pad(qkv, around)
        inside = jnp.pad(jnp.ones((1, height, width, 1), bool), around)
        groups = split_groups(qkv, self.reach, self.size)
        masks = split_groups(inside, self.reach, self.size)
        attended = attend(
            groups, masks[..., 0], heads=self.features // _HEAD if self.features % _HEAD == 0 else 1
        )
        joined = join_groups(attended, self.reach, self.size, (qkv.shape[1], qkv.shape[2]))
        return joined[:, :height, :width]


class Attention(nn.Module):
    """Pairs of an `AttentionBlock` that reaches near and one that reaches far, at one resolution.

    Attributes:
        features: channels of the output.
        width: channels inside.
        depth: pairs of blocks.
        size: side of the windows and of the grids.
    """

    features: int
    width: int = 32
    depth: int = 2
    size: int = 8

    @nn.compact
    def __call__(
        self, x: Float[Array, "b h w c"], embedding: Float[Array, "b e"]
    ) -> Float[Array, "b h w k"]:
        """Maps an image or features to `features` channels of the same size; any size."""
        x = nn.Conv(self.width, (3, 3))(x)
        for _ in range(self.depth):
            x = AttentionBlock(self.width, "window", self.size)(x, embedding)
            x = AttentionBlock(self.width, "grid", self.size)(x, embedding)
        return nn.Conv(self.features, (3, 3))(nn.LayerNorm()(x))


def split_groups(x: Array, reach: Reach, size: int) -> Array:
    """`[b, h, w, c]` to the groups that attend, `[b, groups, size * size, c]`.

    Args:
        x: both sides multiples of `size`.
        reach: see `AttentionBlock`.
        size: rows and columns of a group.
    """
    b, h, w, c = x.shape
    if reach == "window":
        x = x.reshape(b, h // size, size, w // size, size, c).transpose(0, 1, 3, 2, 4, 5)
    else:
        x = x.reshape(b, size, h // size, size, w // size, c).transpose(0, 2, 4, 1, 3, 5)
    return x.reshape(b, -1, size * size, c)


def join_groups(groups: Array, reach: Reach, size: int, shape: tuple[int, int]) -> Array:
    """Undoes `split_groups` for pictures of a shape."""
    b, _, _, c = groups.shape
    h, w = shape
    x = groups.reshape(b, h // size, w // size, size, size, c)
    order = (0, 1, 3, 2, 4, 5) if reach == "window" else (0, 3, 1, 4, 2, 5)
    return x.transpose(order).reshape(b, h, w, c)


def attend(
    qkv: Float[Array, "b g n k"], inside: Bool[Array, "#b g n"], *, heads: int
) -> Float[Array, "b g n c"]:
    """Scaled dot-product attention within groups.

    Args:
        qkv: queries, keys and values side by side, each of `c` channels.
        inside: whether a place may be attended to; a group without any gives finite values.
        heads: divides `c`; the first `c / heads` channels are the first head's.

    Reference: Vaswani et al., Attention Is All You Need (NeurIPS 2017).
    """
    b, g, n, k = qkv.shape
    query, key, value = jnp.moveaxis(qkv.reshape(b * g, n, 3, heads, k // 3 // heads), 2, 0)
    mask = jnp.broadcast_to(inside, (b, g, n)).reshape(b * g, 1, 1, n)
    return jax.nn.dot_product_attention(query, key, value, mask=mask).reshape(b, g, n, k // 3)
