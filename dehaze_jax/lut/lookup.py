"""Reading a table: the primitive below `apply`, with its derivatives.

Colours are given as planes, one array a channel, because planes vectorise and interleaved colours
do not. Reading is linear in the table, and its transpose adds every colour's cotangent to the nodes
that the colour was read from. Left to itself XLA writes all these updates out, a dozen times the
memory of the image, and adds them one number at a time. Here nodes that lie side by side are added
together, and on CPUs piece by piece of the image, so that the updates stay in the cache. This is a
primitive, and not `jax.custom_vjp`, so that forward mode, `vmap` and second derivatives work too.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir
from jaxtyping import Array, Float

from dehaze_jax.lut.checks import Interpolation
from dehaze_jax.sharing import divided

FloatPlane: TypeAlias = Float[Array, "..."]
FloatPlanes: TypeAlias = tuple[FloatPlane, FloatPlane, FloatPlane]

# Colours in one piece of the transpose.
_PIECE = 1 << 16


class Nodes(NamedTuple):
    """The nodes that a colour is a weighted mean of.

    Attributes:
        groups: a node's number, counted from the first node of the colour's cell, and the weight
            of it and the nodes that follow it along blue.
        along: share in that weight of the node itself and those that follow it.
    """

    groups: list[tuple[Any, Array]]
    along: tuple[Array, ...]


def _trilinear(fraction: Sequence[Array], size: int) -> Nodes:
    """The four edges of a cell along blue."""
    red, green, blue = fraction
    groups = [
        (step_red + step_green, along_red * along_green)
        for step_red, along_red in ((0, 1 - red), (size * size, red))
        for step_green, along_green in ((0, 1 - green), (size, green))
    ]
    return Nodes(groups, (1 - blue, blue))


def _tetrahedral(fraction: Sequence[Array], size: int) -> Nodes:
    """The corners of one of six tetrahedra around the cell's neutral diagonal.

    Reference: Kasson et al., Performing color space conversions with three-dimensional linear
    interpolation (Journal of Electronic Imaging, 1995).
    """
    red, green, blue = fraction
    step_red, step_green, step_blue = size * size, size, 1
    high = jnp.maximum(jnp.maximum(red, green), blue)
    low = jnp.minimum(jnp.minimum(red, green), blue)
    middle = jnp.maximum(jnp.minimum(red, green), jnp.minimum(jnp.maximum(red, green), blue))
    first = jnp.where(red == high, step_red, jnp.where(green == high, step_green, step_blue))
    last = jnp.where(blue == low, step_blue, jnp.where(green == low, step_green, step_red))
    far = step_red + step_green + step_blue
    groups = [(0, 1 - high), (first, high - middle), (far - last, middle - low), (far, low)]
    return Nodes(groups, (jnp.ones_like(low),))


_INTERPOLATIONS = {"trilinear": _trilinear, "tetrahedral": _tetrahedral}


def _locate(
    interpolation: Interpolation, size: int, planes: Sequence[Array]
) -> tuple[Array, Nodes]:
    """Number of the first node of each colour's cell, and the nodes the colour lies between."""
    scaled = [jnp.clip(plane, 0, 1) * (size - 1) for plane in planes]
    # Clipped below as well: what a NaN becomes as an integer is left open.
    index = [jnp.clip(at.astype(jnp.int32), 0, size - 2) for at in scaled]
    fraction = [at - cell.astype(at.dtype) for at, cell in zip(scaled, index, strict=True)]
    red, green, blue = index
    return (red * size + green) * size + blue, _INTERPOLATIONS[interpolation](fraction, size)


def _read(table: Array, *planes: Array, interpolation: Interpolation) -> list[Array]:
    if table.ndim > 4:
        return jax.vmap(partial(_read, interpolation=interpolation))(table, *planes)
    first, nodes = _locate(interpolation, table.shape[-2], planes)
    flat = table.reshape(-1, 3)

    def channel(values):
        def group(offset):
            read = [
                share * values.at[first + (offset + k)].get(mode="promise_in_bounds")
                for k, share in enumerate(nodes.along)
            ]
            return sum(read[1:], read[0])

        parts = [weight * group(offset) for offset, weight in nodes.groups]
        return sum(parts[1:], parts[0])

    return [channel(flat[:, k]) for k in range(3)]


def _spread(
    *planes_and_cotangents: Array,
    interpolation: Interpolation,
    table_shape: tuple[int, ...],
    piece: int | None,
    parts: tuple[int, ...] = (),
) -> Array:
    """Adds the cotangents of the colours to the nodes they were read from.

    Pieces are rows of the planes: their last axis but one is cut. Parts cut the first axes; each
    has its own sum.
    """
    size = table_shape[-2]
    if len(table_shape) > 4:
        of_one = partial(
            _spread,
            interpolation=interpolation,
            table_shape=table_shape[1:],
            piece=piece,
            parts=parts[1:],
        )
        return jax.vmap(of_one)(*planes_and_cotangents)
    if any(part > 1 for part in parts):
        of_part = partial(
            _spread, interpolation=interpolation, table_shape=table_shape, piece=piece
        )
        for _ in parts:
            of_part = jax.vmap(of_part)
        sums = of_part(*(_cut_apart(array, parts) for array in planes_and_cotangents))
        return sums.sum(axis=tuple(range(len(parts))))
    shape = planes_and_cotangents[0].shape
    total = jnp.zeros(int(np.prod(table_shape)), planes_and_cotangents[-1].dtype)
    if 0 in shape:
        return total.reshape(table_shape)
    *outer, rows, columns = [1] * (2 - len(shape)) + list(shape)
    if rows == 1:
        rows, columns = columns, 1
    arrays = [array.reshape(*outer, rows, columns) for array in planes_and_cotangents]
    height = rows if piece is None else min(rows, max(1, rows * piece // arrays[0].size))

    def add(total, top, whole):
        """Adds the rows from `top` on; those before `whole` have been added already."""

        def cut(array):
            return lax.dynamic_slice_in_dim(array, top, height, axis=-2).reshape(-1)

        planes, cotangents = [cut(a) for a in arrays[:3]], [cut(a) for a in arrays[3:]]
        row = (top + jnp.arange(height)).reshape((1,) * len(outer) + (height, 1))
        fresh = jnp.broadcast_to(row >= whole, (*outer, height, columns)).reshape(-1)
        cotangents = [jnp.where(fresh, cotangent, 0) for cotangent in cotangents]
        first, nodes = _locate(interpolation, size, planes)
        # [colours, nodes along blue, channels], as they lie in the table.
        shares = jnp.stack(nodes.along, axis=-1)[:, :, None]
        shares = (shares * jnp.stack(cotangents, axis=-1)[:, None, :]).reshape(first.size, -1)
        for offset, weight in nodes.groups:
            total = lax.scatter_add(
                total,
                (3 * (first + offset))[:, None],
                weight[:, None] * shares,
                lax.ScatterDimensionNumbers((1,), (), (0,)),
                mode="promise_in_bounds",
            )
        return total

    if height >= rows:
        return add(total, 0, 0).reshape(table_shape)

    def step(index, total):
        # The last piece is as high as all others and overlaps the one before it.
        return add(total, jnp.minimum(index * height, rows - height), index * height)

    return lax.fori_loop(0, -(-rows // height), step, total).reshape(table_shape)


def _cut_apart(array: Array, parts: tuple[int, ...]) -> Array:
    """Cuts the first axes, each into a number of parts that comes to the front."""
    count = len(parts)
    inside = [size // part for size, part in zip(array.shape, parts, strict=False)]
    both = [size for pair in zip(parts, inside, strict=True) for size in pair]
    array = array.reshape(*both, *array.shape[count:])
    return jnp.moveaxis(array, range(0, 2 * count, 2), range(count))


_read_p = Primitive("read_lookup_table")
_read_p.multiple_results = True


@_read_p.def_abstract_eval
def _abstract(table, *planes, interpolation):
    del table, interpolation
    return list(planes)


_read_p.def_impl(jax.jit(_read, static_argnames="interpolation"))
mlir.register_lowering(_read_p, mlir.lower_fun(_read, multiple_results=True))


def _jvp(primals, tangents, *, interpolation):
    (table, *planes), (table_dot, *planes_dot) = primals, tangents
    out = _read_p.bind(table, *planes, interpolation=interpolation)
    parts = []
    if not isinstance(table_dot, ad.Zero):
        parts.append(_read_p.bind(table_dot, *planes, interpolation=interpolation))
    if not all(isinstance(dot, ad.Zero) for dot in planes_dot):
        # The slopes are computed anew in the backward pass: they would be nine planes.
        read = jax.checkpoint(partial(_read, table, interpolation=interpolation))
        given = tuple(ad.instantiate_zeros(dot) for dot in planes_dot)
        parts.append(jax.jvp(read, tuple(planes), given)[1])
    return out, [sum(channel[1:], channel[0]) for channel in zip(*parts, strict=True)]


def _transpose(cotangents, table, *planes, interpolation):
    given = [ad.instantiate_zeros(cotangent) for cotangent in cotangents]
    parts: tuple[int, ...] = ()
    if given[0].ndim > 2 and (counts := divided(given[0].shape)) != (1, 1):
        # Else devices that share pictures would put them together, and all sums piece by piece.
        parts = given[0].shape[0], counts[1]
    spread = partial(
        _spread, interpolation=interpolation, table_shape=table.aval.shape, parts=parts
    )
    total = lax.platform_dependent(
        *planes, *given, cpu=partial(spread, piece=_PIECE), default=partial(spread, piece=None)
    )
    return [total, None, None, None]


def _batch(operands, axes, *, interpolation):
    count = next(
        operand.shape[axis]
        for operand, axis in zip(operands, axes, strict=True)
        if axis is not None
    )

    def in_front(operand, axis):
        if axis is None:
            return jnp.broadcast_to(operand, (count, *operand.shape))
        return jnp.moveaxis(operand, axis, 0)

    (table, *planes), (table_axis, *planes_axes) = operands, axes
    if table_axis is not None or table.ndim > 4:  # else one table serves any planes
        table = in_front(table, table_axis)
    planes = [in_front(plane, axis) for plane, axis in zip(planes, planes_axes, strict=True)]
    return _read_p.bind(table, *planes, interpolation=interpolation), [0, 0, 0]


ad.primitive_jvps[_read_p] = _jvp
ad.primitive_transposes[_read_p] = _transpose
batching.primitive_batchers[_read_p] = _batch


def read(
    table: Float[Array, "*tables size size size 3"],
    planes: FloatPlanes,
    *,
    interpolation: Interpolation,
) -> FloatPlanes:
    """Reads colours from one table, or from one for each of the first axes of the planes.

    Args:
        table: of the planes' dtype.
        planes: coordinates, clamped to [0, 1]: the nodes lie at 0, 1 / (size - 1), ..., 1.
        interpolation: between the nodes of a cell.
    """
    red, green, blue = _read_p.bind(table, *planes, interpolation=interpolation)
    return red, green, blue
