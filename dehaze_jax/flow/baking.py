"""Compressing a solved flow into something that is applied in one pass.

What a flow did to a picture is learnt from a small copy of it and its restored copy, and then done
to the picture at full size. A look-up table can only follow the colour of a pixel; a grid of local
affine colour models follows its place and brightness as well.

Reference: Chen et al., Bilateral guided upsampling (SIGGRAPH Asia 2016), for the local form; the
models are fitted here to the moments around each node of the grid, not by one large sparse system.
"""

import dataclasses
import operator
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Shaped

from dehaze_jax.arrays import Grid, Image, Lut
from dehaze_jax.image.bilateral_grid import level_weights, slice_apply
from dehaze_jax.image.colour import luma
from dehaze_jax.lut.fitting import fit
from dehaze_jax.lut.interpolation import apply

KINDS = ("lut", "local")

_LUT_SIZE, _LUT_SMOOTHNESS = 33, 1e-4
_INTERPOLATION = "tetrahedral"
_GRID_SIZE = (16, 16, 8)

# Chosen on validation pictures. Nodes hear their neighbours this much, and all others a little, so
# that those without pixels have a model too.
_NEIGHBOURS, _REACH, _EVERYWHERE = 0.1, 3, 1e-4
# Variance of colour below which slopes are taken from the picture as a whole.
_VARIANCE = 1e-4

# Where the products of two of (red, green, blue, 1) lie in a symmetric matrix.
_PAIRS = np.stack(np.triu_indices(4), axis=-1)
_PLACE = np.zeros((4, 4), int)
_PLACE[_PAIRS[:, 0], _PAIRS[:, 1]] = _PLACE[_PAIRS[:, 1], _PAIRS[:, 0]] = np.arange(len(_PAIRS))


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class BakedLut:
    """A flow as one table: the same colour becomes the same everywhere.

    Attributes:
        table: what `lut.write_cube` takes.
    """

    table: Lut

    def __call__(
        self, image: Image, *, start: Any = 0, height: Any = None, width: Any = None
    ) -> Image:
        """Restores an image, or a strip of one; where it lies makes no difference."""
        del start, height, width
        return apply(self.table, image, interpolation=_INTERPOLATION)


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class BakedGrid:
    """A flow as a bilateral grid of affine colour models, guided by luma.

    Attributes:
        grid: see `image.slice_apply`.
    """

    grid: Grid

    def __call__(
        self, image: Image, *, start: Any = 0, height: Any = None, width: Any = None
    ) -> Image:
        """Restores an image, or a strip of one.

        Args:
            image: any size, whatever size the flow was baked on; or full rows of an image.
            start: row of the image that the strip begins with.
            height: rows of the whole image, if `image` is a strip.
            width: columns of the whole image, if `image` is padded on its right.
        """
        return slice_apply(self.grid, image, _guide(image), start=start, height=height, width=width)


_guide = jax.jit(luma)


def bake(
    source: Shaped[Array, "..."],
    target: Shaped[Array, "..."],
    *,
    kind: str = "lut",
    size: int | Sequence[int] | None = None,
) -> BakedLut | BakedGrid:
    """Learns from a picture before and after what happened to it.

    Args:
        source: the hazy picture, `[h, w, 3]` in [0, 1]; a small copy is enough, see the module.
        target: what the flow made of it, of the same size.
        kind: `"lut"`, one table for all pixels, or `"local"`, affine models that depend on place
            and luma.
        size: nodes along each axis of the table (33); or rows, columns and luma levels of the grid
            (16, 16, 8).

    Returns:
        A function from image to image; a pytree. A table stays within the range of `target`; local
        models may leave it.

    Raises:
        ValueError: the pictures are not float colour pictures of one size, or hold values that are
            not finite; the size does not fit the kind; or there is no such kind.
    """
    if source.ndim != 3 or source.shape[-1] != 3 or source.shape != target.shape:
        raise ValueError(
            "a flow is baked from two colour pictures of one size [h, w, 3], not "
            f"{list(source.shape)} and {list(target.shape)}"
        )
    for name, picture in (("source", source), ("target", target)):
        if not jnp.issubdtype(picture.dtype, jnp.floating):
            raise ValueError(f"the {name} has to hold floats in [0, 1], not {picture.dtype}")
        if not isinstance(picture, Tracer) and not bool(jnp.isfinite(picture).all()):
            raise ValueError(f"the {name} holds values that are not finite")
    if kind == "lut":
        nodes = _LUT_SIZE if size is None else size
        if isinstance(nodes, Sequence):
            raise ValueError(f"a table has one size, not {nodes}")
        table = fit(
            source,
            target,
            size=operator.index(nodes),
            smoothness=_LUT_SMOOTHNESS,
            interpolation=_INTERPOLATION,
        )
        # Where there was no colour, the fit carries on what it saw, beyond any colour.
        seen = [reduce(target, axis=(0, 1)).reshape(1, 1, 1, 3) for reduce in (jnp.min, jnp.max)]
        return BakedLut(jnp.clip(table, *seen))
    if kind == "local":
        shape = _GRID_SIZE if size is None else size
        if not isinstance(shape, Sequence) or len(shape) != 3 or min(shape) < 1:
            raise ValueError(f"a grid has rows, columns and levels, at least 1 each, not {shape}")
        return BakedGrid(_fit_grid(source, target, tuple(map(operator.index, shape))))
    raise ValueError(f"a flow is baked into one of {', '.join(KINDS)}, not {kind!r}")


def _fit_grid(source: Array, target: Array, shape: tuple[int, ...]) -> Array:
    """Weighted least squares at every node of the grid.

    With x = (red, green, blue, 1) before and y after, a node's model minimises

        sum_p w_p |A x_p - y_p|^2 + v sum_p w_p |slopes of (A - A_0)|^2

    where w_p is the weight of pixel p at the node when the grid is sliced, plus those of near nodes
    counted less and less, v the variance `_VARIANCE`, and A_0 the model of the whole picture.
    """
    moments = _splat(_moments(source, target), luma(source), shape)
    whole = jnp.sum(moments, axis=(0, 1, 2))
    nearby, total = moments, moments
    for _ in range(_REACH):
        nearby = _NEIGHBOURS * _blur(nearby)
        total = total + nearby
    total = total + (_EVERYWHERE / float(np.prod(shape))) * whole[None, None, None]
    overall = _solve(whole, jnp.eye(3, 4, dtype=source.dtype))
    models = _solve(total, overall)
    return models.reshape(*shape, 12)


def _moments(source, target):
    """`[h, w, 22]`: ten products of x with x, twelve of y with x."""
    before = jnp.concatenate([source, jnp.ones_like(source[..., :1])], axis=-1)
    squares = before[..., _PAIRS[:, 0]] * before[..., _PAIRS[:, 1]]
    products = target[..., :, None] * before[..., None, :]
    return jnp.concatenate([squares, products.reshape(*source.shape[:2], 12)], axis=-1)


def _splat(values, guide, shape):
    """The transpose of slicing: each pixel gives its values to the eight nodes around it."""
    rows, columns, levels = shape
    down, across = (
        jnp.asarray(_node_weights(*sizes), values.dtype)
        for sizes in zip(values.shape, (rows, columns), strict=False)
    )
    depth = jnp.stack(level_weights(guide, levels), axis=-1)
    # In full precision: GPUs would round the products to ten bits.
    lines = jnp.einsum("wx,hwd,hwk->hxdk", across, depth, values, precision="highest")
    return jnp.einsum("hy,hxdk->yxdk", down, lines, precision="highest")


def _node_weights(pixels: int, nodes: int) -> np.ndarray:
    at = np.clip((np.arange(pixels) + 0.5) * nodes / pixels - 0.5, 0, nodes - 1)
    return np.maximum(1 - np.abs(at[:, None] - np.arange(nodes)), 0)


def _blur(grid):
    """Weights 1/4, 1/2, 1/4 along rows, columns and levels; beyond the edge its node repeats."""
    for axis in range(3):
        padded = jnp.pad(grid, [(int(k == axis),) * 2 for k in range(grid.ndim)], mode="edge")
        before, after = (
            jax.lax.slice_in_dim(padded, k, k + grid.shape[axis], axis=axis) for k in (0, 2)
        )
        grid = grid / 2 + (before + after) / 4
    return grid


def _solve(moments, expected):
    """Models `[..., 3, 4]` from moments; slopes lean towards those of `expected`."""
    squares, products = moments[..., _PLACE], moments[..., len(_PAIRS) :]
    products = products.reshape(*moments.shape[:-1], 3, 4)
    count = squares[..., 3:, 3:]
    slopes = np.diag([_VARIANCE] * 3 + [0.0])
    lean = jnp.matmul(expected, jnp.asarray(slopes, moments.dtype), precision="highest")
    above = (1,) * (count.ndim - 2)
    left = squares + count * jnp.asarray(slopes, moments.dtype).reshape(*above, 4, 4)
    right = products + count * lean.reshape(*above, 3, 4)
    return jnp.swapaxes(jnp.linalg.solve(left, jnp.swapaxes(right, -1, -2)), -1, -2)
