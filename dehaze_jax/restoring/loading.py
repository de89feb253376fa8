"""From a name or a folder to a restorer."""

import os
from collections.abc import Sequence

import jax
import jax.numpy as jnp

from dehaze_jax import methods
from dehaze_jax.errors import InputError
from dehaze_jax.flow.baking import KINDS
from dehaze_jax.flow.solvers import SOLVERS
from dehaze_jax.methods.config import RestoreOptions
from dehaze_jax.restoring.baking import bake_method
from dehaze_jax.restoring.restorer import Restorer
from dehaze_jax.restoring.strips import STRIP_PIXELS, Device
from dehaze_jax.storage.configs import config_from_dict
from dehaze_jax.storage.trees import match
from dehaze_jax.storage.weights import find_weights


def load(
    name_or_path: str | os.PathLike[str] = "dehazeflow",
    *,
    solver: str = "rk4",
    steps: int = 4,
    baked: str | None = None,
    strip_pixels: int = STRIP_PIXELS,
    devices: Sequence[Device] = (),
) -> Restorer:
    """Loads trained weights as a function from picture to picture.

    Args:
        name_or_path: weights that come with the package, a folder of weights, or a run directory,
            of which the newest checkpoint's averaged variables are taken.
        solver: a name in `flow.SOLVERS`.
        steps: equal steps of the solver.
        baked: if given, only a small copy of each picture is restored in full and the picture by
            what `flow.bake` of this kind learns from it: many times faster, a little less exact.
        strip_pixels: see `Restorer`.
        devices: see `Restorer`.

    Raises:
        InputError: no such weights, damaged ones, tensors of another method or size than the
            config says; an unknown solver or kind of baking; no step.
    """
    options = check_options(solver=solver, steps=steps)
    if baked not in (None, *KINDS):
        raise InputError("baked", f"no kind {baked!r}; there are {', '.join(KINDS)}")
    weights = find_weights(name_or_path)
    config = config_from_dict(methods.MethodConfig, weights.config, source=name_or_path)
    method = methods.build(config)
    pictures = jax.ShapeDtypeStruct((1, 64, 64, 3), jnp.float32)
    expected = jax.eval_shape(method.init, jax.random.key(0), {"hazy": pictures, "clear": pictures})
    match(weights.variables, expected, source=name_or_path)
    return Restorer(
        method if baked is None else bake_method(method, kind=baked),
        weights.variables,
        options,
        strip_pixels=strip_pixels,
        devices=devices,
        config=config,
        card=weights.card,
    )


def check_options(*, solver: str, steps: int) -> RestoreOptions:
    """Options to restore with.

    Raises:
        InputError: an unknown solver, or no step.
    """
    if solver not in SOLVERS:
        raise InputError("solver", f"no solver {solver!r}; there are {', '.join(SOLVERS)}")
    if steps < 1:
        raise InputError("steps", f"must be at least 1, not {steps}")
    return RestoreOptions(solver=solver, num_steps=steps)
