"""Weights of the network that the authors published, for ours."""

import os
from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np

from dehaze_jax.methods.bilateral.config import RELEASED, BilateralConfig
from dehaze_jax.methods.bilateral.released import ReleasedNetwork
from dehaze_jax.methods.importing import (
    COUNTER,
    Imported,
    Place,
    batch_norm,
    convolution,
    slope,
    take,
)
from dehaze_jax.storage.trees import flatten

REASONS = {
    COUNTER: "counts training steps, no weight",
    "smooth.weight": "published, but used nowhere",
}
"""Why tensors of a published checkpoint are left over."""


def places() -> dict[str, Place]:
    """Where each published tensor belongs, by its name."""
    found: dict[str, Place] = {}
    for name, path in (("u_net", "grid_network"), ("u_net_mini", "feature_network")):
        found |= _double_convolution(f"{name}.inc", f"{path}/inc")
        for level in range(1, 5):
            found |= _double_convolution(
                f"{name}.down{level}.maxpool_conv.1", f"{path}/down{level}"
            )
        for level in range(1, 5):
            found |= _double_convolution(f"{name}.up{level}.conv", f"{path}/up{level}")
        found |= convolution(f"{name}.pre", f"{path}/head")
    for name, path in (("guide_r", "red"), ("guide_g", "green"), ("guide_b", "blue")):
        for number in (1, 2):
            layer = f"{name}.conv{number}"
            found |= convolution(f"{layer}.conv", f"guides/{path}/conv{number}")
            found |= batch_norm(f"{layer}.bn", f"guides/{path}/norm{number}")
            found |= slope(f"{layer}.activation", f"guides/{path}/prelu{number}")
        found |= convolution(f"{name}.conv3.conv", f"guides/{path}/conv3")
    for name, path in (("fusion", "fusion"), ("x_r_fusion", "refine")):
        for number in (1, 2):
            found |= convolution(f"{name}.{2 * number - 2}", f"{path}/conv{number}")
            found |= slope(f"{name}.{2 * number - 1}", f"{path}/prelu{number}")
    for colour in "rgb":
        found |= convolution(f"{colour}_point", f"point_{colour}")
    return found | slope("p", "prelu")


def import_published(
    tensors: Mapping[str, np.ndarray],
    *,
    source: str | os.PathLike[str],
    config: BilateralConfig = RELEASED,
) -> Imported:
    """Makes our variables of a checkpoint of the published network.

    Args:
        tensors: the checkpoint, by published name.
        source: where it came from; named in errors.
        config: sizes of the network, where they are not the published ones.

    Raises:
        InputError: a tensor is missing, has another shape or values that are not finite.
    """
    network = ReleasedNetwork(config)
    pictures = jax.ShapeDtypeStruct((1, 64, 64, 3), jnp.float32)
    shapes = flatten(jax.eval_shape(network.init, jax.random.key(0), pictures))
    return take(tensors, places(), shapes, config=config, reasons=REASONS, source=source)


def _double_convolution(name: str, path: str) -> dict[str, Place]:
    found: dict[str, Place] = {}
    for number in (1, 2):
        first = 3 * number - 3
        found |= convolution(f"{name}.double_conv.{first}", f"{path}/conv{number}")
        found |= batch_norm(f"{name}.double_conv.{first + 1}", f"{path}/norm{number}")
    return found
