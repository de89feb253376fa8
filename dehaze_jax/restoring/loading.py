"""From a name or a folder to a restorer."""

import os
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from dehaze_jax import methods
from dehaze_jax.errors import InputError
from dehaze_jax.flow.baking import KINDS
from dehaze_jax.flow.solvers import SOLVERS
from dehaze_jax.methods.config import HazeOptions, MethodConfig, RestoreOptions
from dehaze_jax.methods.protocol import Method
from dehaze_jax.restoring.baking import bake_method
from dehaze_jax.restoring.cutting import STRIP_PIXELS
from dehaze_jax.restoring.restorer import Restorer
from dehaze_jax.restoring.strips import Device
from dehaze_jax.storage.configs import config_from_dict
from dehaze_jax.storage.trees import match
from dehaze_jax.storage.weights import find_weights

_MAX_STEPS = 10**6  # their times alone would fill the memory from some number on


def load(
    name_or_path: str | os.PathLike[str] = "dehazeflow",
    *,
    solver: str | None = None,
    steps: int | None = None,
    baked: str | None = None,
    strip_pixels: int = STRIP_PIXELS,
    devices: Sequence[Device] = (),
    memory: int | None = None,
) -> Restorer:
    """Loads trained weights as a function from picture to picture.

    Args:
        name_or_path: weights that come with the package, a folder of weights, or a run directory,
            of which the newest checkpoint's averaged variables are taken.
        solver: a name in `flow.SOLVERS`; default is the method's own, see `Method.options`. Leave
            it out for a method that solves no ODE.
        steps: equal steps of the solver; default is the method's own, whatever the solver is. Leave
            it out for a method that solves no ODE.
        baked: if given, only a small copy of each picture is restored in full and the picture by
            what `flow.bake` of this kind learns from it: faster, a little less exact.
            There are no maps then.
        strip_pixels: see `Restorer`.
        devices: see `Restorer`.
        memory: see `Restorer`.

    Raises:
        InputError: no such weights, damaged ones, tensors of another method or size than the
            config says; an unknown solver or kind of baking; no step, or too
            many; a solver or steps for a method that solves no ODE.
    """
    if baked not in (None, *KINDS):
        raise InputError("baked", f"no kind {baked!r}; there are {', '.join(KINDS)}")

    def build(config: MethodConfig) -> Method:
        method = methods.build(config)
        return method if baked is None else bake_method(method, kind=baked)

    how = {"strip_pixels": strip_pixels, "devices": devices, "memory": memory}
    return _load(name_or_path, build, solver=solver, steps=steps, **how)


def load_hazing(
    name_or_path: str | os.PathLike[str],
    options: HazeOptions | None = None,
    *,
    strip_pixels: int = STRIP_PIXELS,
    devices: Sequence[Device] = (),
) -> Restorer:
    """Loads trained weights as a function that puts haze onto clear pictures.

    What is returned works as a restorer does, the other way round. Grey pictures stay grey.

    Args:
        name_or_path: see `load`; weights of a method that learns haze, which is `nedr`.
        options: density and airlight of the haze.
        strip_pixels: see `Restorer`.
        devices: see `Restorer`.

    Raises:
        InputError: weights of a method that does not learn haze; otherwise as `load`.
    """

    def build(config: MethodConfig) -> Method:
        build_hazing = methods.METHODS[config.name].build_hazing
        if build_hazing is None:
            able = [name for name, entry in methods.METHODS.items() if entry.build_hazing]
            reason = f"{config.name} does not learn to render haze, only {', '.join(able)} does"
            raise InputError(name_or_path, reason)
        return build_hazing(config, options or HazeOptions())

    return _load(name_or_path, build, strip_pixels=strip_pixels, devices=devices)


def _load(
    name_or_path: str | os.PathLike[str],
    build: Callable[[MethodConfig], Method],
    *,
    solver: str | None = None,
    steps: int | None = None,
    **how: Any,
) -> Restorer:
    weights = find_weights(name_or_path)
    config = config_from_dict(methods.MethodConfig, weights.config, source=name_or_path)
    method = build(config)
    options = choose_options(method, solver=solver, steps=steps, source=name_or_path)
    pictures = jax.ShapeDtypeStruct((1, 64, 64, 3), jnp.float32)
    expected = jax.eval_shape(method.init, jax.random.key(0), {"hazy": pictures, "clear": pictures})
    match(weights.variables, expected, source=name_or_path)
    return Restorer(method, weights.variables, options, config=config, card=weights.card, **how)


def choose_options(
    method: Method,
    *,
    solver: str | None = None,
    steps: int | None = None,
    source: str | os.PathLike[str],
) -> RestoreOptions:
    """Options to restore with: what is given, and the method's own for the rest.

    Args:
        method: what restores.
        solver: see `load`.
        steps: see `load`.
        source: where the method came from; named in the error.

    Raises:
        InputError: an unknown solver, no step, or too many; any of them for a method that solves no
            ODE, where it would have no effect.
    """
    given = [name for name, value in (("solver", solver), ("steps", steps)) if value is not None]
    if given and method.evaluations is None:
        raise InputError(source, f"{method.name} solves no ODE; leave out {' and '.join(given)}")
    solver = method.options.solver if solver is None else solver
    steps = method.options.num_steps if steps is None else steps
    if solver not in SOLVERS:
        raise InputError("solver", f"no solver {solver!r}; there are {', '.join(SOLVERS)}")
    if type(steps) is not int or not 1 <= steps <= _MAX_STEPS:
        raise InputError("steps", f"must be a whole number from 1 to {_MAX_STEPS}, not {steps!r}")
    return RestoreOptions(solver=solver, num_steps=steps)


def first_devices(count: int) -> list[Device]:
    """So many devices of this process.

    Raises:
        InputError: there are not so many.
    """
    devices = jax.local_devices()
    if not 1 <= count <= len(devices):
        raise InputError("devices", f"there are 1 to {len(devices)} to choose, not {count}")
    return devices[:count]
