"""In which types networks keep their parameters, compute, and give results."""

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from dehaze_jax.arrays import Tree


@dataclasses.dataclass(frozen=True)
class Policy:
    """The types of a network.

    Attributes:
        params: of the parameters, hence of their gradients, moments and averages.
        compute: of products, convolutions and the features between them. Means over places, and
            what is normalised by them, stay in float32.
        output: of what leaves the network.
    """

    params: DTypeLike = jnp.float32
    compute: DTypeLike = jnp.float32
    output: DTypeLike = jnp.float32


FLOAT32 = Policy()
"""Everything in one type."""

POLICIES: Mapping[str, Policy] = MappingProxyType(
    {"float32": FLOAT32, "bfloat16": Policy(compute=jnp.bfloat16)}
)
"""Policies by the name of the type that they compute in."""


def run(module: nn.Module, *inputs: Any, policy: Policy, **options: Any) -> Any:
    """Calls a module inside a compact one by a policy: `module(*inputs, **options)`.

    Parameters and inputs are converted on the way in, and the results on the way out, so that a
    module need not know of types. Its other collections, such as running statistics, stay as they
    are. If nothing is to be converted, this is the call alone.

    Args:
        module: any, with parameters of the type `policy.params`.
        inputs: arrays; those of other types than `policy.params` are left alone.
        policy: the types.
        options: handed on.
    """
    if policy.compute == policy.params or module.is_initializing():
        return module(*inputs, **options)

    def narrow(tree: Tree) -> Tree:
        return _convert(tree, policy.params, policy.compute)

    # A function of the module, not a class made of its own: the names of parameters stay.
    called: Any = nn.map_variables(
        lambda module, *inputs: module(*inputs, **options), "params", trans_in_fn=narrow
    )
    # flax takes a mean in float32 from features in bfloat16, which strict promotion forbids.
    with jax.numpy_dtype_promotion("standard"):
        results = called(module, *narrow(inputs))
    return _convert(results, policy.compute, policy.output)


def _convert(tree: Tree, old: DTypeLike, new: DTypeLike) -> Tree:
    """Arrays of one type in another."""
    return jax.tree.map(lambda leaf: leaf.astype(new) if leaf.dtype == old else leaf, tree)
