"""Trees of variables as flat dictionaries of named arrays."""

import math
import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from dehaze_jax.errors import InputError


def flatten(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested dictionaries to `{"params/purifier/kernel": array}`, in the tree's order."""
    flat = {}
    for name, value in tree.items():
        if isinstance(value, Mapping):
            flat.update(flatten(value, f"{prefix}{name}/"))
        else:
            flat[f"{prefix}{name}"] = value
    return flat


def unflatten(flat: Mapping[str, Any]) -> dict[str, Any]:
    """The inverse of `flatten` for trees without empty branches."""
    tree: dict[str, Any] = {}
    for name, value in flat.items():
        *branches, leaf = name.split("/")
        node = tree
        for branch in branches:
            node = node.setdefault(branch, {})
        node[leaf] = value
    return tree


def match(
    variables: Mapping[str, Any], target: Mapping[str, Any], *, source: str | os.PathLike[str]
) -> None:
    """Checks that variables have the names and shapes that a model expects.

    Args:
        variables: nested dictionaries of arrays.
        target: the same, of anything that has `shape`.
        source: where the variables came from; named in errors.

    Raises:
        InputError: names the first array that is missing, unexpected or of another shape.
    """
    have, want = flatten(variables), flatten(target)
    for name in want:
        if name not in have:
            raise InputError(source, f"belongs to another model: {name} is missing")
        if np.shape(have[name]) != tuple(want[name].shape):
            raise InputError(
                source,
                f"belongs to another model: {name} has shape {np.shape(have[name])}, "
                f"expected {tuple(want[name].shape)}",
            )
    for name in have:
        if name not in want:
            raise InputError(source, f"belongs to another model: {name} is unexpected")


def count_parameters(variables: Mapping[str, Any]) -> int:
    """Values that are trained: all, or those in `params` beside running statistics."""
    return sum(
        math.prod(leaf.shape) for leaf in flatten(variables.get("params", variables)).values()
    )
