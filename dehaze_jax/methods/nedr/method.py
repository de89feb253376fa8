"""NeDR under the protocol of all methods."""

import dataclasses

import jax.numpy as jnp

from dehaze_jax.arrays import Image, Key, Params, Tree
from dehaze_jax.errors import InputError
from dehaze_jax.methods.config import HazeOptions, OptimiserConfig, RestoreOptions
from dehaze_jax.methods.nedr import restoring, training
from dehaze_jax.methods.nedr.config import NedrConfig
from dehaze_jax.methods.nedr.networks import STRIDE, initial_variables
from dehaze_jax.methods.protocol import Batch, Method, Rows, Scalars, TrainState
from dehaze_jax.sharing import spread_copies

# Pixels of a picture for one of the copy, along its longer side: more make no difference.
_OVERVIEW = 2


def build(config: NedrConfig, optimiser: OptimiserConfig, total_steps: int) -> Method:
    """Binds a configuration to the functions of the protocol.

    Raises:
        InputError: the optimiser has an option that these networks cannot be trained with.
    """
    if optimiser.accumulate > 1:
        reason = "nedr normalises by the batch, and a part is another batch"
        raise InputError("OptimiserConfig.accumulate", f"must be 1: {reason}")
    if optimiser.precision != "float32":
        reason = "splines and spectral norms, a large part of nedr's networks, need it"
        raise InputError("OptimiserConfig.precision", f"must be float32: {reason}")
    optimisers = training.make_optimisers(config, optimiser, total_steps)

    def init(key: Key, batch: Batch) -> Params:
        del batch  # networks take pictures of every size
        return initial_variables(config, key)

    def train_step(state: TrainState, batch: Batch, key: Key) -> tuple[TrainState, Scalars]:
        side = batch["hazy"].shape[-2]
        if side % STRIDE:
            raise InputError("DataConfig.crop_size", f"{side} is no multiple of {STRIDE}")
        # At the coarsest scales a device would have a row or two, and XLA's gradients are NaN; and
        # the networks read all of a picture at its own size.
        batch = {name: spread_copies(value) for name, value in batch.items()}
        return training.train_step(config, optimisers, optimiser.ema_decay, state, batch, key)

    def summarise(variables: Params, hazy: Image, options: RestoreOptions) -> Tree:
        del options
        copy = restoring.shrink(config, hazy)
        scene = restoring.find_scene(config, variables, copy)
        return restoring.make_context(config, copy, scene)

    def render(variables: Params, context: Tree, rows: Image, where: Rows) -> Image:
        del variables
        return restoring.restore_rows(config, context, rows, where)

    return Method(
        name=config.name,
        init=init,
        start=lambda variables: training.start(variables, optimisers),
        train_step=train_step,
        summarise=summarise,
        render=render,
        overview=_OVERVIEW * config.proxy_size,
        unpaired=True,
        maps=lambda context, rows, where: restoring.find_maps(config, context, rows, where),
    )


def build_hazing(config: NedrConfig, options: HazeOptions) -> Method:
    """The other direction: haze onto clear pictures.

    Args:
        config: of the method.
        options: density, by default the middle of the range that was trained on, and airlight.
    """
    density = sum(config.density) / 2 if options.density is None else options.density
    airlight = None if options.airlight is None else jnp.asarray(options.airlight, jnp.float32)

    def summarise(variables: Params, clear: Image, _: RestoreOptions) -> Tree:
        copy = restoring.shrink(config, clear)
        return restoring.find_haze_context(config, variables, copy, jnp.float32(density), airlight)

    def render(variables: Params, context: Tree, rows: Image, where: Rows) -> Image:
        del variables
        return restoring.add_haze_rows(config, context, rows, where)

    return dataclasses.replace(
        build(config, OptimiserConfig(), 1), summarise=summarise, render=render, maps=None
    )
