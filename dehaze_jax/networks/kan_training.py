"""What training may do with the splines of a KAN layer beside descending: new grids, a penalty."""

import functools
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from dehaze_jax.errors import InputError
from dehaze_jax.networks.kan import Outside, continued_bases


def update_grid(
    variables: Mapping[str, Any],
    inputs: Float[Array, "*batch c"],
    *,
    order: int = 3,
    margin: float = 0.01,
    uniform: float = 0.02,
    outside: Outside = "zero",
) -> dict[str, dict[str, Array]]:
    """Moves the grid of a `KANLinear` to where its inputs are, and fits its splines anew.

    In each channel the ends of the intervals are a mean of quantiles of the inputs and of evenly
    spaced places from `margin` below the least to `margin` above the greatest. The new splines are
    the closest to the old ones at the inputs, in the sense of least squares; between and beyond
    them they may differ.

    Args:
        variables: `params` and `grids` of the layer.
        inputs: of the layer, at least one value a basis function and channel; all are held with
            their basis functions, so that a few thousand are enough.
        order: of the layer's splines.
        margin: positive, in the unit of the inputs.
        uniform: share of the evenly spaced places, over 0 and up to 1.
        outside: of the layer.

    Returns:
        New `params` and `grids`.

    Raises:
        InputError: a number is out of its range.

    Reference: Liu et al., KAN (ICLR 2025), section 2.5 and appendix A.
    """
    if margin <= 0:
        raise InputError("margin", f"{margin} is not positive")
    if not 0 < uniform <= 1:
        raise InputError("uniform", f"{uniform} is not over 0 and up to 1")
    params, old = variables["params"], variables["grids"]["knots"]
    inputs = inputs.reshape(-1, inputs.shape[-1])
    weight, new = _renew(params["weight"], old, inputs, margin, uniform, order, outside)
    return {"params": {**params, "weight": weight}, "grids": {"knots": new}}


def spline_regularisation(
    params: Mapping[str, Any],
    *,
    activation: Float[Array, ""] | float = 1.0,
    entropy: Float[Array, ""] | float = 1.0,
) -> Float[Array, ""]:
    """Penalty that makes the connections of a `KANLinear` few.

    The size of a connection is the mean over the bases of |weight|. The penalty is `activation`
    times the sum of all sizes and `entropy` times the entropy of their shares in that sum.

    Args:
        params: of the layer.
        activation: weight of the sum.
        entropy: weight of the entropy.

    Reference: Liu et al., KAN (ICLR 2025), section 2.5.1, with weights in place of activations as
    in efficient-KAN.
    """
    sizes = jnp.mean(jnp.abs(params["weight"]), axis=1)
    total = jnp.sum(sizes)
    shares = sizes / jnp.where(total > 0, total, 1)
    # Shares of zero add nothing, and neither does their gradient.
    surprise = -jnp.log(jnp.where(shares > 0, shares, 1))
    return activation * total + entropy * jnp.sum(shares * surprise)


@functools.partial(jax.jit, static_argnames=("order", "outside"))
def _renew(weight, old, inputs, margin, uniform, order: int, outside: Outside):
    """New weights and knots for inputs `[number, channels]`."""
    new = _knots_for(inputs, old.shape[-1] - 1 - 2 * order, order, margin, uniform)

    def refit(x, old, new, weight):
        before, after = (
            jnp.concatenate(continued_bases(x[:, None], knots[:, None], order, outside), axis=-1)
            for knots in (old, new)
        )
        fit, *_ = jnp.linalg.lstsq(after, before, rcond=1e-6)
        return fit @ weight

    # GPUs would round the products to ten bits.
    with jax.default_matmul_precision("highest"):
        return jax.vmap(refit, in_axes=(1, 0, 0, 0))(inputs, old, new, weight), new


def _knots_for(inputs, intervals: int, order: int, margin, uniform) -> Array:
    """Knots `[channels, knots]` for inputs `[number, channels]`."""
    ordered = jnp.sort(inputs, axis=0).T
    last = ordered.shape[1] - 1
    quantiles = ordered[:, jnp.round(jnp.linspace(0, last, intervals + 1)).astype(int)]
    step = (ordered[:, -1:] - ordered[:, :1] + 2 * margin) / intervals
    even = ordered[:, :1] - margin + step * jnp.arange(intervals + 1, dtype=step.dtype)[None]
    ends = uniform * even + (1 - uniform) * quantiles
    beyond = step * jnp.arange(1, order + 1, dtype=step.dtype)[None]
    return jnp.concatenate([ends[:, :1] - beyond[:, ::-1], ends, ends[:, -1:] + beyond], axis=1)
