"""Fitting a table to pairs of colours.

The pixels are read once. A colour touches the nodes of one cell only, so the normal equations
couple a node with its 26 neighbours: a stencil, which indicator tables of every third node along
each axis read off exactly, for any interpolation. What follows works on the stencil alone.
"""

import functools
from typing import TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.scipy.sparse.linalg import cg
from jaxtyping import Array, Float, Shaped

from dehaze_jax.lut.checks import (
    Bound,
    Interpolation,
    check_colours,
    check_domain,
    check_interpolation,
    check_size,
)
from dehaze_jax.lut.interpolation import apply, is_finite, to_unit
from dehaze_jax.lut.stencils import OFFSETS, system_of
from dehaze_jax.lut.tables import identity

Colours: TypeAlias = Shaped[Array | np.ndarray, "..."]

_PIXELS_AT_ONCE = 2**18


def fit(
    source: Colours,
    target: Colours,
    *,
    size: int,
    smoothness: float | Float[Array, ""],
    weights: Colours | None = None,
    interpolation: Interpolation = "trilinear",
    domain: tuple[Bound, Bound] = (0.0, 1.0),
    tolerance: float = 1e-6,
) -> Float[Array, "size size size 3"]:
    """The smooth table that carries `source` to `target` in the sense of least squares.

    With D the table less the identity, the minimum is taken of

        sum_i w_i |apply(table, source_i) - target_i|^2 / sum_i w_i
        + smoothness * sum_a (mean |d_a D|^2 - 0.99 |mean d_a D|^2)

    where the axes a are red, green and blue, slopes d_a are differences of neighbours over their
    distance (1 is the whole axis) and means run over the table. The second line is the variance of
    the slopes plus 0.01 times their squared mean: an affine change of colour is nearly free, and
    the rest is a membrane. So cells without data carry on the overall affine change, and bend
    towards the data near them; they do not swing out as with second differences, which carry on
    the local slope. Where the data say nothing of a direction, as in a grey picture, the identity
    is kept, and without any data the table is the identity. Both terms are means: `smoothness`
    holds for any number of colours and, but for what a finer table can follow, for any size.

    Solved by conjugate gradients with a multilevel preconditioner; tens of steps are usual, and
    after 20 * size + 200 the table is returned as it is. Can be used under `jit`, and
    differentiated with respect to `target`.

    Args:
        source: colours `[..., 3]`, floats, or uint8 or uint16, whose largest value stands for 1;
            outside the domain they count as its border.
        target: as many colours, of any of these dtypes; floats of any range.
        size: nodes along each axis, at least 2.
        smoothness: positive; 1e-5 to 1e-3 suit photographs in [0, 1].
        weights: one real number for each colour, not negative; by default all are 1.
        interpolation: the one that the table will be applied with.
        domain: input values of the first and the last node: numbers, or one for each channel.
        tolerance: residual at which the solver stops, over that of the identity; the equations are
            scaled to a diagonal of one.

    Returns:
        A table of float64 for a float64 `source`, else of float32. Under `jit`, where values cannot
        be refused, NaN throughout if one of them would be.

    Raises:
        ValueError: shapes or dtypes are not these, a number is out of its range or not finite, a
            colour or weight is not finite, or the domain or the interpolation is one that `apply`
            refuses.
    """
    check_size(size)
    check_interpolation(interpolation)
    ends = check_domain(domain)
    source, target = jnp.asarray(source), jnp.asarray(target)
    check_colours(source, "source")
    check_colours(target, "target")
    dtype = source.dtype if source.dtype == jnp.float64 else jnp.float32
    weights = jnp.ones(source.shape[:-1]) if weights is None else jnp.asarray(weights)
    weights = weights.astype(dtype)
    _check_shapes(source, target, weights)
    for name, value in (("source", source), ("target", target), ("weights", weights)):
        _check_values(name, value)
    _check_number("smoothness", smoothness, dtype)
    _check_number("tolerance", tolerance, dtype)
    return _fit(
        to_unit(source, dtype).reshape(-1, 3),
        to_unit(target, dtype).reshape(-1, 3),
        weights.reshape(-1),
        jnp.asarray(smoothness, dtype),
        jnp.asarray(tolerance, dtype),
        size=size,
        interpolation=interpolation,
        domain=ends,
    )


def _check_number(name: str, value, dtype) -> None:
    if isinstance(value, Tracer):
        return
    with np.errstate(over="ignore"):
        in_range = 0 < np.asarray(value, dtype) < np.inf
    if not in_range:
        raise ValueError(f"{name} has to be positive and finite, not {value}")


def _check_shapes(source, target, weights) -> None:
    if target.shape != source.shape:
        raise ValueError(f"source and target differ in shape: {source.shape} and {target.shape}")
    if weights.shape != source.shape[:-1]:
        raise ValueError(
            f"weights have shape {weights.shape}, but there are {source.shape[:-1]} colours"
        )


def _check_values(name: str, values) -> None:
    if not is_finite(values):
        raise ValueError(f"{name}: not every value is finite")
    if name == "weights" and not isinstance(values, Tracer):
        with jax.ensure_compile_time_eval():
            if (values < 0).any():
                raise ValueError("weights: some are negative")


@functools.partial(jax.jit, static_argnames=("size", "interpolation", "domain"))
def _fit(source, target, weights, smoothness, tolerance, *, size, interpolation, domain):
    ends = [jnp.asarray(end, source.dtype).reshape(1, 1, 1, 3) for end in domain]
    start = ends[0] + (ends[1] - ends[0]) * identity(size, dtype=source.dtype)
    options = {"interpolation": interpolation, "domain": domain}
    data, pull = _normal_equations(source, target, weights, start, options)
    system = system_of(data, smoothness)
    scale = jax.lax.rsqrt(system.diagonal)[None]
    precondition = system.preconditioner()
    difference, _ = cg(
        lambda field: scale * system(scale * field),
        scale * pull,
        M=lambda field: precondition(field / scale) / scale,
        tol=tolerance,
        maxiter=20 * size + 200,
    )
    table = start + jnp.moveaxis(scale * difference, 0, -1)
    good = (smoothness > 0) & jnp.isfinite(smoothness) & (weights >= 0).all()
    for values in (source, target, weights):
        good &= jnp.isfinite(values).all()
    return jnp.where(good, table, jnp.nan)


def _normal_equations(source, target, weights, start, options):
    """Stencil `[27, size, size, size]` and right-hand side of the data term."""
    size = start.shape[0]
    parts = -(-max(len(source), 1) // _PIXELS_AT_ONCE)
    pixels = -(-max(len(source), 1) // parts)
    missing = parts * pixels - len(source)
    total = weights.sum()
    weights = weights / jnp.where(total > 0, total, 1)

    def split(values):
        padded = jnp.pad(values, ((0, missing),) + ((0, 0),) * (values.ndim - 1))
        return padded.reshape(parts, pixels, *values.shape[1:])

    node = jnp.indices((size,) * 3) % 3
    kind = (9 * node[0] + 3 * node[1] + node[2])[None, ..., None]
    probes = (kind == jnp.arange(27).reshape(9, 1, 1, 1, 3)).astype(start.dtype)

    def add(sums, part):
        colours, wanted, weight = part

        def look(table):
            return apply(table, colours[None], **options)[0]

        _, gather = jax.vjp(look, start)

        def respond(item):
            table, is_probe = item
            shown = look(table)
            values = jnp.where(is_probe, shown, wanted - shown)
            return gather(weight[:, None] * values)[0]

        # One loop over the probes and, for the right-hand side, the identity: compiled once.
        return sums + jax.lax.map(respond, (tables, jnp.arange(len(tables)) < len(probes))), None

    tables = jnp.concatenate([probes, start[None]])
    parted = (split(source), split(target), split(weights))
    sums, _ = jax.lax.scan(add, jnp.zeros_like(tables), parted)
    responses, pull = sums[:-1], sums[-1]
    # Every node sees each of the 27 kinds once: at the neighbour of that kind.
    responses = jnp.moveaxis(responses, -1, 1).reshape(27, size, size, size)
    offsets = jnp.asarray(OFFSETS).T.reshape(3, 27, 1, 1, 1) - 1
    neighbour = (node[:, None] + offsets) % 3
    kinds = 9 * neighbour[0] + 3 * neighbour[1] + neighbour[2]
    stencil = jnp.take_along_axis(responses, kinds, axis=0)
    return stencil, jnp.moveaxis(pull, -1, 0)
