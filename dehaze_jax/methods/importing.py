"""Published PyTorch tensors, put where our networks have them."""

import itertools
import os
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from dehaze_jax.errors import InputError
from dehaze_jax.storage.trees import unflatten


class Layout(NamedTuple):
    """How one kind of tensor differs between PyTorch and us.

    Attributes:
        convert: their array to ours.
        their_shape: our shape to theirs.
    """

    convert: Callable[[np.ndarray], np.ndarray]
    their_shape: Callable[[tuple[int, ...]], tuple[int, ...]]


KERNEL = Layout(lambda value: value.transpose(2, 3, 1, 0), lambda s: (s[3], s[2], s[0], s[1]))
"""Kernel of a convolution: theirs `[out, in, h, w]`, ours `[h, w, in, out]`."""

MATRIX = Layout(lambda value: value.T, lambda shape: shape[::-1])
"""Kernel of a linear layer: theirs `[out, in]`, ours `[in, out]`."""

VECTOR = Layout(lambda value: value, lambda shape: shape)
"""As it is: one value for each channel."""

SCALAR = Layout(lambda value: value.reshape(()), lambda shape: (1,))
"""One value for all, which PyTorch keeps as an array of one."""


class Place(NamedTuple):
    """Where a published tensor belongs.

    Attributes:
        path: name in our flattened variables.
        layout: how it gets there.
    """

    path: str
    layout: Layout


class Used(NamedTuple):
    """A published tensor that was taken: its name and shape, and the path it has here."""

    name: str
    path: str
    shape: tuple[int, ...]


class LeftOver(NamedTuple):
    """A published tensor that was not taken, and why."""

    name: str
    shape: tuple[int, ...]
    reason: str


class Imported(NamedTuple):
    """Weights made from a published checkpoint.

    Attributes:
        variables: nested dictionaries of float32 arrays, as the method has them.
        config: configuration of the published network.
        used: tensors of the checkpoint that went into the variables; one that went to two places
            is there twice.
        left_over: the others.
        initial: parts of the model that the checkpoint lacks and that have initial values.
    """

    variables: dict[str, Any]
    config: Any
    used: tuple[Used, ...]
    left_over: tuple[LeftOver, ...]
    initial: tuple[str, ...] = ()


COUNTER = "num_batches_tracked"
"""Ends the name of a tensor by which PyTorch counts training steps; nothing we have needs it."""


def convolution(name: str, path: str, layout: Layout = KERNEL) -> dict[str, Place]:
    """Places of the tensors of a convolution, or of a layer with another layout, by name."""
    return {
        f"{name}.weight": Place(f"params/{path}/kernel", layout),
        f"{name}.bias": Place(f"params/{path}/bias", VECTOR),
    }


def batch_norm(name: str, path: str) -> dict[str, Place]:
    """Places of the tensors of a batch normalisation, by name."""
    return {
        f"{name}.weight": Place(f"params/{path}/scale", VECTOR),
        f"{name}.bias": Place(f"params/{path}/bias", VECTOR),
        f"{name}.running_mean": Place(f"batch_stats/{path}/mean", VECTOR),
        f"{name}.running_var": Place(f"batch_stats/{path}/var", VECTOR),
    }


def slope(name: str, path: str) -> dict[str, Place]:
    """Place of the one slope of a PReLU, by name."""
    return {f"{name}.weight": Place(f"params/{path}/negative_slope", SCALAR)}


def take(
    tensors: Mapping[str, np.ndarray],
    places: Mapping[str, Place],
    shapes: Mapping[str, Any],
    *,
    config: Any,
    reasons: Mapping[str, str],
    source: str | os.PathLike[str],
) -> Imported:
    """Takes the tensors of a published checkpoint that a method has places for.

    Args:
        tensors: the checkpoint.
        places: by published name.
        shapes: for each path among `places` anything that has the `shape` it has here.
        config: configuration of the published network.
        reasons: why tensors may be left over, by their name, its last part, or a beginning of it
            up to a dot.
        source: the file; named in errors.

    Raises:
        InputError: names the first tensor, in the order of `places`, that is missing, has another
            shape or values that are not finite.
    """
    flat, used = {}, []
    for name, (path, layout) in places.items():
        if name not in tensors:
            raise InputError(source, f"belongs to another model: {name} is missing")
        tensor, expected = tensors[name], layout.their_shape(tuple(shapes[path].shape))
        if tensor.shape != expected:
            raise InputError(
                source,
                f"belongs to another model: {name} has shape {tensor.shape}, expected {expected}",
            )
        if tensor.dtype.kind != "f":
            raise InputError(source, f"{name} has values of type {tensor.dtype}")
        with np.errstate(over="ignore"):
            value = np.asarray(layout.convert(tensor), np.float32, order="C")
        if not np.isfinite(value).all():
            raise InputError(source, f"{name} has values that are not finite in float32")
        flat[path] = value
        used.append(Used(name, path, tensor.shape))
    left_over = tuple(
        LeftOver(name, tensor.shape, _reason(name, reasons))
        for name, tensor in tensors.items()
        if name not in places
    )
    return Imported(unflatten(flat), config, tuple(used), left_over)


def _reason(name: str, reasons: Mapping[str, str]) -> str:
    beginnings = itertools.accumulate(name.split("."), "{}.{}".format)
    keys = (name, name.rpartition(".")[2], *beginnings)
    return next((reasons[key] for key in keys if key in reasons), "unknown to the method")
