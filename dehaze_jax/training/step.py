"""One training step as one compiled program: haze on the fly, then the method's own step."""

from collections.abc import Callable
from typing import TypeAlias

import jax
import jax.numpy as jnp
from jax.sharding import Mesh

from dehaze_jax.arrays import Key
from dehaze_jax.errors import InputError
from dehaze_jax.haze.config import HazeConfig
from dehaze_jax.methods.protocol import Batch, Method, Scalars, TrainState
from dehaze_jax.training.rehazing import rehaze

BAD = "bad"
"""In a batch: damaged examples in whose place others stand; summed over processes."""

FINITE = "finite"
"""Among the scalars: whether all others are finite, and all variables after the step."""

_INIT, _STEPS, _HAZE = 0, 1, 2  # streams of random numbers

Step: TypeAlias = Callable[[TrainState, Batch, Key], tuple[TrainState, Scalars]]
"""`train_step` of some method."""


def create_state(method: Method, crop_size: int, root: Key) -> TrainState:
    """The state at step 0, with random values."""
    pictures = jnp.zeros((1, crop_size, crop_size, 3))
    batch = {"hazy": pictures, "clear": pictures}
    return method.start(method.init(jax.random.fold_in(root, _INIT), batch))


def train_step(
    method: Method,
    haze: HazeConfig | None,
    state: TrainState,
    batch: Batch,
    root: Key,
    *,
    skip: bool = False,
) -> tuple[TrainState, Scalars]:
    """Trains on one batch; everything random is a function of the root key and the step.

    Args:
        method: what is trained.
        haze: what is rendered onto the clear pictures before, if anything.
        state: before the step.
        batch: see `data.train_batches`.
        root: key of the run.
        skip: a step that is not finite changes nothing but the number of the step.

    Returns:
        The state after the step; scalars of the method, the number of damaged examples, and whether
        the step is finite.
    """
    bad = jnp.sum(batch[BAD])
    batch = {name: value for name, value in batch.items() if name != BAD}
    key, key_haze = (
        jax.random.fold_in(jax.random.fold_in(root, stream), state.step)
        for stream in (_STEPS, _HAZE)
    )
    if haze is not None:
        batch = rehaze(haze, batch, key_haze)
    after, scalars = method.train_step(state, batch, key)
    # A gradient that is not finite need not show in what the method tells.
    told = jax.tree.leaves((scalars, after.variables))
    finite = jnp.stack([jnp.isfinite(value).all() for value in told]).all()
    if skip:
        kept = jax.tree.map(lambda new, old: jnp.where(finite, new, old), after, state)
        after = kept.replace(step=after.step)
    return after, {**scalars, BAD: bad, FINITE: finite}


def compile_step(
    step: Step,
    state: TrainState,
    batch: Batch,
    root: Key | jax.ShapeDtypeStruct,
    mesh: Mesh,
) -> jax.stages.Compiled:
    """Compiles a step for arrays like these; the state is donated and stays where it is.

    Args:
        step: what is compiled.
        state: its arrays, or their shapes, know where they lie; so do those of `batch`.
        batch: see `data.train_batches`.
        root: key of the run, whole on all devices.
        mesh: the devices.
    """
    where = jax.tree.map(lambda leaf: leaf.sharding, state)
    jitted = jax.jit(step, donate_argnums=0, out_shardings=(where, root.sharding))
    with jax.set_mesh(mesh):  # see `sharing`
        return jitted.lower(state, batch, root).compile()


def run_compiled(
    compiled: jax.stages.Compiled, state: TrainState, batch: Batch, root: Key, *, number: int
) -> tuple[TrainState, Scalars]:
    """Takes a step that is compiled; never compiles it anew.

    Raises:
        InputError: the batch has other shapes or types than the one that the step was compiled for;
            names them and the number of the batch.
    """
    try:
        return compiled(state, batch, root)
    except TypeError as error:
        reason = f"is of another kind than the first, and a step is compiled once: {error}"
        raise InputError(f"batch {number}", reason) from error
