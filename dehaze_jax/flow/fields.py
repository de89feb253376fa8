"""Velocities made from other velocities.

They are `Partial`s, not closures: two made from the same velocity are equal, so that a solve is
compiled once.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.tree_util import Partial
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from dehaze_jax.arrays import Tree


def from_its_start(velocity: Callable, t0: float) -> Callable:
    """A velocity whose time is counted from `t0`."""
    return Partial(_from_its_start, velocity, float(t0))


def computed_in(velocity: Callable, dtype: DTypeLike) -> Callable:
    """A velocity that sees state and parameters in another type; time and result keep theirs."""
    return Partial(_computed_in, velocity, jnp.dtype(dtype))


def with_energy(velocity: Callable) -> Callable:
    """A velocity of (state, energy), where the energy of each image is the integral of |v|²."""
    return Partial(_with_energy, velocity)


def with_no_energy(x: Tree) -> tuple[Tree, Float[Array, " batch"]]:
    """A state before its energy has been measured."""
    check_batched(x)
    return x, jnp.zeros(jax.tree.leaves(x)[0].shape[0])


def check_batched(x: Tree) -> None:
    """Raises ValueError if the leaves of a state do not count the same images on axis 0."""
    shapes = [leaf.shape for leaf in jax.tree.leaves(x)]
    if len({shape[:1] for shape in shapes}) != 1 or () in shapes:
        raise ValueError(f"the leaves of the state have no common first axis of images: {shapes}")


def mean_square(tree: Tree) -> Float[Array, " batch"]:
    """Mean square of each image's values, over all leaves."""
    leaves = jax.tree.leaves(tree)
    totals = [jnp.sum(jnp.square(leaf), axis=range(1, leaf.ndim)) for leaf in leaves]
    return jnp.sum(jnp.stack(totals), axis=0) / sum(leaf[0].size for leaf in leaves)


def _from_its_start(velocity, t0, t, x, params: Any):
    return velocity(t0 + t, x, params)


def _computed_in(velocity, dtype, t, x, params: Any):
    def narrow(leaf):
        leaf = jnp.asarray(leaf)
        return leaf.astype(dtype) if jnp.issubdtype(leaf.dtype, jnp.floating) else leaf

    slope = velocity(t, *jax.tree.map(narrow, (x, params)))
    return jax.tree.map(lambda k, leaf: k.astype(leaf.dtype), slope, x)


def _with_energy(velocity, t, state, params: Any):
    x, energy = state
    slope = velocity(t, x, params)
    slope = jax.tree.map(lambda k, leaf: jnp.asarray(k, leaf.dtype), slope, x)
    return slope, mean_square(slope).astype(energy.dtype)
