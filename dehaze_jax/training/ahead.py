"""The step of a run before there is one: from the config alone, without data."""

import functools

import jax
import jax.numpy as jnp

from dehaze_jax import methods
from dehaze_jax.methods.protocol import Batch, Method, TrainState
from dehaze_jax.training import mesh as meshes
from dehaze_jax.training.config import TrainConfig
from dehaze_jax.training.step import BAD, Step, compile_step, create_state, train_step


def compile_ahead(config: TrainConfig) -> jax.stages.Compiled:
    """Compiles the step of a run on `config.mesh`; nothing is computed, no data is opened.

        compiled = training.compile_ahead(config)
        compiled.memory_analysis()  # what a step takes of each device
        training.find_collectives(compiled.as_text())  # what it sends between them

    A batch holds hazy and clear pictures, or the clear ones alone where `config.data` names no
    others: what a prepared dataset has beside them is not known before it is there.

    Args:
        config: of the run.

    Raises:
        InputError: the config does not fit itself or the devices.
    """
    mesh = meshes.make_mesh(config.mesh)
    meshes.check_batch(
        mesh,
        batch_size=config.data.batch_size,
        crop_size=config.data.crop_size,
        accumulate=config.optimiser.accumulate,
    )
    method, step = _build(config)
    root, state, batch = _shapes(config, method)
    where = (
        meshes.replicated(mesh),
        meshes.state_shardings(mesh, state, above=config.mesh.fsdp),
        {name: meshes.batch_sharding(mesh, len(leaf.shape)) for name, leaf in batch.items()},
    )
    root, state, batch = jax.tree.map(
        lambda leaf, sharding: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding),
        (root, state, batch),
        where,
    )
    return compile_step(step, state, batch, root, mesh)


def plain_step(config: TrainConfig) -> tuple[Step, tuple[TrainState, Batch, jax.ShapeDtypeStruct]]:
    """The step of a run as a function, and the shapes of its arguments.

    Args:
        config: of the run; its mesh has no effect.
    """
    method, step = _build(config)
    root, state, batch = _shapes(config, method)
    return step, (state, batch, root)


def _build(config: TrainConfig) -> tuple[Method, Step]:
    method = methods.build(config.method, config.optimiser, total_steps=config.steps)
    skip = config.not_finite == "skip"
    return method, functools.partial(train_step, method, config.haze, skip=skip)


def _shapes(
    config: TrainConfig, method: Method
) -> tuple[jax.ShapeDtypeStruct, TrainState, dict[str, jax.ShapeDtypeStruct]]:
    root = jax.eval_shape(functools.partial(jax.random.key, config.seed))
    state = jax.eval_shape(functools.partial(create_state, method, config.data.crop_size), root)
    count, side = config.data.batch_size, config.data.crop_size
    pictures = jax.ShapeDtypeStruct((count, side, side, 3), jnp.float32)
    batch = {"clear": pictures, BAD: jax.ShapeDtypeStruct((count,), jnp.int32)}
    if config.data.train or not config.data.clear:
        batch["hazy"] = pictures
    return root, state, batch
