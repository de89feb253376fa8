"""Kolmogorov-Arnold layers: a learnt function of one variable on every connection.

Reference: Liu et al., KAN: Kolmogorov-Arnold networks (ICLR 2025), in the efficient form, where
the basis functions are evaluated once for all outputs.
"""

import functools
from collections.abc import Callable
from typing import Any, Literal, TypeAlias

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from dehaze_jax.networks.splines import bases_and_slopes, spline_basis, uniform_knots

Outside: TypeAlias = Literal["zero", "clamp", "extend"]

_NOISE = 0.1  # of the initial splines, over the number of intervals

# Values whose basis functions are held at a time. On CPUs as many as fit into the caches, and few,
# so that most inputs are worked off in a loop: XLA stores what a loop reads, but would compute it
# anew, a depthwise convolution say, for every basis function.
_PIECE_CPU = 2**12
_PIECE = 2**22


class KANLinear(nn.Module):
    """Sums of functions of one input each: SiLU and a B-spline, both with learnt weights.

    y = SiLU(x) base + sum over inputs and basis functions of B(x) scale weight. The parameters are
    `base` and `scale` `[inputs, features]` and `weight` `[inputs, bases, features]`. The
    collection `grids` holds `knots` `[inputs, knots]`, which have no gradient: see `update_grid`.

    Large inputs are worked off in pieces along the axis before the channels (the columns of
    images), so that their basis functions never exist all at once, nor in the gradient. That axis
    should not be spread over devices. Gradients are by reverse differentiation only.

    Attributes:
        features: channels of the output.
        intervals: polynomial pieces on the domain.
        order: of the polynomials.
        domain: where the grids begin and end at first.
        outside: how the splines go on beyond the domain. `zero`: they run out to zero over `order`
            more intervals, as in efficient-KAN; `clamp`: they keep the value at the end; `extend`:
            they go on along their tangent at the end (their last polynomial would leave with the
            power of the order).

    Reference: Liu et al., KAN: Kolmogorov-Arnold networks (ICLR 2025).
    """

    features: int
    intervals: int = 5
    order: int = 3
    domain: tuple[float, float] = (-1.0, 1.0)
    outside: Outside = "zero"

    @nn.compact
    def __call__(self, x: Float[Array, "*batch c"]) -> Float[Array, "*batch k"]:
        """Maps the channels at every place to `features` channels."""
        inputs = x.shape[-1]
        bound = inputs**-0.5

        def uniform(key, shape):
            return jax.random.uniform(key, shape, jnp.float32, -bound, bound)

        def knots():
            each = uniform_knots(*self.domain, self.intervals, self.order)
            return jnp.tile(each.astype(jnp.float32), (inputs, 1))

        base = self.param("base", uniform, (inputs, self.features))
        scale = self.param("scale", uniform, (inputs, self.features))
        weight = self.param("weight", self._fit_noise, inputs)
        grid = self.variable("grids", "knots", knots).value
        # As a product: XLA would fold a transpose into its loops, and these take half as long again
        # when they read with a stride.
        first = jnp.matmul(jnp.eye(grid.shape[1], dtype=grid.dtype), grid.T, precision="highest")
        matrix = jnp.concatenate([base[:, None], weight * scale[:, None]], axis=1)
        matrix = matrix.swapaxes(0, 1).reshape(-1, self.features)
        return _mix(x, matrix, first, self.order, self.outside)

    def _fit_noise(self, key, inputs: int) -> Array:
        """Splines that are closest to noise at the ends of the intervals."""
        shape = (inputs, self.intervals + 1, self.features)
        noise = jax.random.uniform(key, shape, jnp.float32, -0.5, 0.5) * _NOISE / self.intervals
        with jax.ensure_compile_time_eval():
            knots = uniform_knots(*self.domain, self.intervals, self.order)
            ends = knots[self.order : self.order + self.intervals + 1]
            fit = np.linalg.pinv(np.asarray(spline_basis(ends, knots, order=self.order)))
        return jnp.einsum("be,iek->ibk", fit.astype(np.float32), noise, precision="highest")


def continued_bases(
    x: Float[Array, "*batch c"], knots: Float[Array, "knots c"], order: int, outside: Outside
) -> list[Float[Array, "*batch c"]]:
    """Values of the B-splines as `KANLinear` continues them beyond the domain."""
    return _continued(x, knots, order, outside)[0]


def _continued(x, knots, order: int, outside: Outside) -> tuple[list[Array], list[Array]]:
    """Values and derivatives."""
    if outside == "zero":
        return bases_and_slopes(x, knots, order)
    low, high = (
        knots[k].reshape((1,) * (x.ndim - 1) + (-1,)) for k in (order, len(knots) - order - 1)
    )
    nearest = jnp.clip(x, low, high)
    bases, slopes = bases_and_slopes(nearest, knots, order)
    if outside == "clamp":
        within = ((low <= x) & (x <= high)).astype(x.dtype)
        return bases, [slope * within for slope in slopes]
    beyond = x - nearest
    return [b + beyond * slope for b, slope in zip(bases, slopes, strict=True)], slopes


def _functions(x, knots, order: int, outside: Outside) -> tuple[list[Array], list[Array]]:
    """Values of SiLU and of the continued B-splines, and their derivatives."""
    sigmoid = nn.sigmoid(x)
    bases, slopes = _continued(x, knots, order, outside)
    return [x * sigmoid, *bases], [sigmoid * (1 + x * (1 - sigmoid)), *slopes]


@functools.partial(jax.custom_vjp, nondiff_argnums=(3, 4))
def _mix(x, matrix, knots, order: int, outside: Outside) -> Array:
    """All functions of all channels, one function after the other, times a matrix.

    Args:
        x: `[*batch, channels]`.
        matrix: `[functions * channels, features]`.
        knots: `[knots, channels]`; have no gradient.
        order: of the splines.
        outside: see `KANLinear`.
    """

    def product(_, pieces):
        (x,) = pieces
        values, _ = _functions(x, knots, order, outside)
        return None, jnp.matmul(jnp.concatenate(values, axis=-1), matrix)

    return _in_pieces(product, None, x)[1]


def _mix_forward(x, matrix, knots, order, outside):
    return _mix(x, matrix, knots, order, outside), (x, matrix, knots)


# The automatic gradient, told to keep nothing of a piece, takes a quarter longer.
def _mix_backward(order, outside, residuals, cotangents):
    x, matrix, knots = residuals

    def pull(total, pieces):
        x, cotangents = pieces
        values, slopes = _functions(x, knots, order, outside)
        d_values = jnp.split(jnp.matmul(cotangents, matrix.T), len(slopes), axis=-1)
        d_x = sum(slope * d for slope, d in zip(slopes, d_values, strict=True))
        places = tuple(range(x.ndim - 1))
        part = jnp.tensordot(jnp.concatenate(values, axis=-1), cotangents, axes=(places, places))
        return total + part, d_x

    d_matrix, d_x = _in_pieces(pull, jnp.zeros_like(matrix), x, cotangents)
    return d_x, d_matrix, jnp.zeros_like(knots)


_mix.defvjp(_mix_forward, _mix_backward)


def _in_pieces(body: Callable[..., Any], total: Any, *arrays: Array) -> Any:
    """`scan_columns` with pieces that suit the platform."""
    scan = functools.partial(scan_columns, body)
    if arrays[0].size <= _PIECE_CPU:
        return body(total, arrays)
    return jax.lax.platform_dependent(
        total,
        *arrays,
        cpu=functools.partial(scan, size=_PIECE_CPU),
        default=functools.partial(scan, size=_PIECE),
    )


def scan_columns(body: Callable[..., Any], total: Any, *arrays: Array, size: int) -> Any:
    """`jax.lax.scan` over runs of columns: the axis before the last.

    Args:
        body: takes a total and a tuple of pieces, and gives the new total and a piece; columns of
            zeros may be added to the last pieces, and what it gives for them is dropped.
        total: the first one.
        arrays: of one shape but for the last axis.
        size: most values of the first array in a piece, if that is a column at least.

    Returns:
        The last total and the joined pieces.
    """
    first = arrays[0]
    columns = first.shape[-2] if first.ndim > 1 else 1
    run = -(-columns // min(columns, -(-first.size // size)))
    if run == columns:
        return body(total, arrays)
    pieces = -(-columns // run)

    def cut(array):
        around = [(0, 0)] * array.ndim
        around[-2] = (0, pieces * run - columns)
        array = jnp.pad(array, around)
        array = array.reshape(*array.shape[:-2], pieces, run, array.shape[-1])
        return jnp.moveaxis(array, -3, 0)

    total, found = jax.lax.scan(body, total, tuple(map(cut, arrays)))
    found = jnp.moveaxis(found, 0, -3)
    found = found.reshape(*found.shape[:-3], pieces * run, found.shape[-1])
    return total, found[..., :columns, :]
