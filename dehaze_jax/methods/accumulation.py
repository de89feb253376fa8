"""Gradients of a large batch in the memory of a small one."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from dehaze_jax.arrays import Params, Tree


def value_and_grad(
    objective: Callable[[Params, Tree], tuple[Float[Array, ""], Any]],
    variables: Params,
    batch: Tree,
    *,
    parts: int,
) -> tuple[tuple[Float[Array, ""], Any], Params]:
    """An objective, what it returns beside, and its gradient: means over equal parts of a batch.

    They are those of the whole batch if the objective is a mean over its examples, and what it
    draws at random is drawn before, for the whole batch.

    Args:
        objective: `(variables, batch) -> (loss, others)`, a scalar and any arrays.
        variables: what the gradient is of.
        batch: arrays with a leading axis of examples that `parts` divides, on every device that
            holds some of them.
        parts: worked off one after the other; 1 is `jax.value_and_grad`.
    """
    of_part = jax.value_and_grad(objective, has_aux=True)
    if parts == 1:
        return of_part(variables, batch)
    # Every `parts`-th example, so that each stays on the device that it is on.
    cut = jax.tree.map(lambda leaf: leaf.reshape(-1, parts, *leaf.shape[1:]), batch)

    def find(number: Array) -> Any:
        part = jax.tree.map(
            lambda leaf: jax.lax.dynamic_index_in_dim(leaf, number, 1, keepdims=False), cut
        )
        return of_part(variables, part)

    def add(total: Any, number: Array) -> tuple[Any, None]:
        return jax.tree.map(jnp.add, total, find(number)), None

    numbers = jnp.arange(parts)
    shapes = jax.eval_shape(find, numbers[0])
    zeros = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)
    total, _ = jax.lax.scan(add, zeros, numbers)
    return jax.tree.map(lambda leaf: leaf / parts, total)
