"""B-splines of any order on any knots.

Reference: de Boor, A practical guide to splines (1978), chapters IX and X.
"""

import functools

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from dehaze_jax.errors import InputError


def uniform_knots(low: float, high: float, intervals: int, order: int) -> Float[Array, " knots"]:
    """Evenly spaced knots of the splines on [low, high], `order` of them beyond each end.

    Args:
        low: where the domain begins.
        high: where it ends.
        intervals: number of polynomial pieces within.
        order: of the polynomials; 3 for cubic ones.

    Returns:
        `intervals + 1 + 2 * order` knots, for `intervals + order` basis functions.

    Raises:
        InputError: there is no interval, the order is negative, or the domain is empty.
    """
    if intervals < 1:
        raise InputError("intervals", f"{intervals} is not positive")
    _check_order(order)
    if not low < high:
        raise InputError("domain", f"does not run from {low} up to {high}")
    steps = jnp.arange(-order, intervals + order + 1, dtype=jnp.result_type(float))
    return low + (high - low) / intervals * steps


def spline_basis(
    x: Float[Array, "..."], knots: Float[Array, "*channels knots"], *, order: int
) -> Float[Array, "... bases"]:
    """Values of all B-splines of one order, by the recursion of Cox and de Boor.

    An interval includes its left end only, the last one both. Beyond the outermost knots all
    values are zero. Between knot `order` and knot `-order - 1` they sum to one.

    Args:
        x: where; `[..., channels]` if each channel has knots of its own.
        knots: ascending, `[knots]` or `[channels, knots]`, at least `order + 2`. Knots may be
            repeated; an empty interval contributes nothing.
        order: of the polynomials.

    Returns:
        One value for each of the `knots - order - 1` basis functions.

    Raises:
        InputError: the order is negative, or the knots are too few or do not fit the channels.
    """
    _check_order(order)
    if knots.shape[-1] < order + 2:
        raise InputError(
            "knots", f"{knots.shape[-1]} are too few for order {order}, which needs {order + 2}"
        )
    if knots.ndim > 2 or (knots.ndim == 2 and x.shape[-1:] != knots.shape[:1]):
        raise InputError("knots", f"{knots.shape} do not fit values of shape {x.shape}")
    bases, _ = bases_and_slopes(x, jnp.moveaxis(knots, -1, 0), order)
    return jnp.stack(bases, axis=-1)


@functools.partial(jax.jit, static_argnames="order")
def bases_and_slopes(
    x: Float[Array, "..."], knots: Float[Array, "knots ..."], order: int
) -> tuple[list[Float[Array, "..."]], list[Float[Array, "..."]]]:
    """Values and derivatives of all B-splines: a list of arrays like `x` for each.

    Args:
        x: where; its last axis is that of the channels, if these have knots of their own.
        knots: with the axis of the knots first, so that those of all channels are neighbours.
        order: of the polynomials.
    """
    # One axis for each of x's.
    knots = knots.reshape(-1, *(1,) * (x.ndim - knots.ndim + 1), *knots.shape[1:])
    fixed = jax.lax.stop_gradient(knots)
    starts, ends, last = fixed[:-1], fixed[1:], fixed[-1:]
    ends = jnp.where((starts < last) & (ends == last), jnp.nextafter(last, jnp.inf), ends)
    values = [
        ((start <= x) & (x < end)).astype(x.dtype) for start, end in zip(starts, ends, strict=True)
    ]
    slopes = [jnp.zeros_like(x) for _ in values]
    for degree in range(1, order + 1):
        width = knots[degree:] - knots[:-degree]
        rate = jnp.where(width > 0, 1 / jnp.where(width > 0, width, 1), 0)
        lower, count = values, len(values) - 1
        slopes = [degree * (rate[k] * lower[k] - rate[k + 1] * lower[k + 1]) for k in range(count)]
        values = [
            (x - knots[k]) * rate[k] * lower[k]
            + (knots[k + degree + 1] - x) * rate[k + 1] * lower[k + 1]
            for k in range(count)
        ]
    return values, slopes


def _check_order(order: int) -> None:
    if order < 0:
        raise InputError("order", f"{order} is negative")
