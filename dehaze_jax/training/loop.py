"""The training loop. It knows methods only by their protocol."""

import collections
import contextlib
import functools
import pathlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import numpy as np
import rich.console
from jax.experimental import multihost_utils
from jax.sharding import Mesh, NamedSharding

from dehaze_jax import data, methods
from dehaze_jax.arrays import Params
from dehaze_jax.methods.protocol import TrainState
from dehaze_jax.storage.checkpoints import Checkpoints
from dehaze_jax.storage.configs import config_to_dict
from dehaze_jax.storage.runs import RunDirectory
from dehaze_jax.storage.trees import count_parameters
from dehaze_jax.storage.weights import save_weights
from dehaze_jax.training import mesh as meshes
from dehaze_jax.training.config import TrainConfig
from dehaze_jax.training.hosts import all_or_none, check_same, claimed, together
from dehaze_jax.training.logs import Clock, Logs
from dehaze_jax.training.profiling import Profile
from dehaze_jax.training.provenance import machine
from dehaze_jax.training.starting import (
    check_config,
    check_data,
    check_position,
    initial_weights,
    without_paths,
)
from dehaze_jax.training.step import compile_step, create_state, run_compiled, train_step
from dehaze_jax.training.stopping import StopRequest
from dehaze_jax.training.validation import SCORE, open_validation, validate
from dehaze_jax.training.watching import Pending, Watch

_IN_FLIGHT = 2  # steps that the host may be ahead of the devices


class TrainResult(NamedTuple):
    """What a call of `train` came to.

    Attributes:
        state: the last state.
        step: steps done in all.
        finished: whether that is all of them.
        stopped_by: number of the signal that stopped the run, if one did.
        scores: last validation scores by `protocol/score`.
    """

    state: TrainState
    step: int
    finished: bool
    stopped_by: int | None
    scores: dict[str, float]


def train(
    config: TrainConfig, *, console: rich.console.Console | None = None, force: bool = False
) -> TrainResult:
    """Trains a method, or goes on with the run that is in `config.workdir`.

    The final parameters depend on the config alone: a run that was interrupted at any point and
    started again ends, on the same devices, with the same bits. (Going on with other `steps` moves
    the end of the learning rate's schedule, so that is another run.) SIGINT and SIGTERM stop it
    between two steps with a checkpoint.

    Args:
        config: everything that the run depends on.
        console: for progress and a few lines; default is rich's.
        force: go on with a run that began with another config or other data; what differs is told.

    Raises:
        InputError: the config does not fit the devices, the data or the run in the directory; a
            checkpoint is damaged or cannot be saved; a loss is not finite.
    """
    console = console or rich.get_console()
    with together(config.workdir), all_or_none(config.workdir):
        mesh = meshes.make_mesh(config.mesh)
        meshes.check_batch(
            mesh,
            batch_size=config.data.batch_size,
            crop_size=config.data.crop_size,
            accumulate=config.optimiser.accumulate,
        )
        method = methods.build(config.method, config.optimiser, total_steps=config.steps)
        check_data(method, config)
        fingerprint = data.fingerprint(config.data)
        origin = {"seed": config.seed, "data": fingerprint}
        size = data.training_size(config.data)
        examples = open_validation(config.data, config.validation_pictures)
        scored_on = [example.id for example in examples]
        run = RunDirectory(config.workdir)
    saved_config = config_to_dict(config)
    with together(run.path):
        check_same(run.path, config=without_paths(saved_config), data=fingerprint)

    with (
        together(run.path),
        claimed(run),
        Checkpoints(run.checkpoints, keep=config.keep_checkpoints) as checkpoints,
        StopRequest() as stop,
    ):
        # Shapes first; arrays are born in place.
        everywhere = meshes.replicated(mesh)
        root = jax.jit(functools.partial(jax.random.key, config.seed), out_shardings=everywhere)()
        create = functools.partial(create_state, method, config.data.crop_size)
        shapes = jax.eval_shape(create, root)
        where = meshes.state_shardings(mesh, shapes, above=config.mesh.fsdp)
        shapes = jax.tree.map(
            lambda leaf, sharding: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding),
            shapes,
            where,
        )

        # Own checkpoint, given weights, scratch: the same for all processes.
        check_same(run.path, checkpoint=checkpoints.latest())
        start_mode, first = "scratch", 0
        changes: list[str] = []
        counts = {"bad_examples": 0, "skipped_steps": 0}
        if checkpoints.latest() is not None:
            changes += check_config(run, saved_config, force=force)
            state, position = checkpoints.restore(shapes)
            start_mode, first = "checkpoint", position["next_batch"]
            counts = {name: position.get(name, 0) for name in counts}
            changes += check_position(run, position, fingerprint, config, force=force)
        elif config.init_from is not None:
            start_mode = "weights"
            with all_or_none(run.path):
                variables = initial_weights(config.init_from, config, shapes.variables)
            state = jax.jit(method.start, out_shardings=where)(variables)
        else:
            state = jax.jit(create, out_shardings=where)(root)

        with all_or_none(run.path):
            if jax.process_index() == 0:
                run.tidy()
                run.write_config(saved_config)
                run.write_record(
                    {
                        "start": start_mode,
                        "step": first,
                        **machine(),
                        "mesh": {**mesh.shape, "fsdp": config.mesh.fsdp},
                        "global_batch": config.data.batch_size,
                        **origin,
                        "parameters": count_parameters(shapes.variables),
                        **({"changed": changes} if changes else {}),
                    },
                    resumed=first > 0,
                )
                run.truncate_metrics(first)
                run.drop_best(first)

        loader = data.train_batches(
            config.data,
            seed=config.seed,
            start_step=first,
            process_index=jax.process_index(),
            process_count=jax.process_count(),
            depth=config.haze is not None,
        )
        batches = meshes.device_batches(loader, mesh)

        def keep(
            folder: pathlib.Path, weights: Params, scores: Mapping[str, float], step: int
        ) -> None:
            """Writes averaged weights."""
            card = {
                "data": saved_config["data"],
                "recipe": saved_config,
                "step": step,
                "scores": scores,
                "scored_on": scored_on,
                "terms": "those of the training data",
            }
            save_weights(folder, weights, saved_config["method"], card)

        last = min(config.steps, config.stop_after or config.steps)
        step = first
        scores: dict[str, float] = {}
        stopped_by: int | None = None
        pending: Pending = collections.deque()
        watch = Watch(run, config, size=size, counts=counts)
        profile = Profile(run.profile, config.profile_steps)
        clock = Clock()
        compiled = None
        logs = Logs(run, first=first, total=config.steps, console=console)
        with logs, profile, contextlib.closing(loader):
            logs.say(_opening(run, start_mode, first, config, mesh))
            for change in changes:
                logs.say(f"{run.path}: forced, though {change}")
            for step in range(first + 1, last + 1):
                with clock.waiting():
                    batch = next(batches)
                if compiled is None:  # tracing makes constants, which the guard forbids
                    logs.say(f"{run.path}: compiling")
                    skip = config.not_finite == "skip"
                    plain = functools.partial(train_step, method, config.haze, skip=skip)
                    compiled = compile_step(plain, state, batch, root, mesh)
                    logs.say(f"{run.path}: {_memory(compiled.memory_analysis())}")
                profile.before(step)
                with jax.transfer_guard("disallow"):
                    state, scalars = run_compiled(compiled, state, batch, root, number=step)
                profile.after(step, scalars)
                pending.append((step, scalars))
                if len(pending) > _IN_FLIGHT:
                    jax.block_until_ready(pending[-1 - _IN_FLIGHT][1])
                logs.advance(step)

                at_end = step == config.steps
                if jax.process_count() == 1 or step % config.log_every == 0:
                    stopped_by = _agreed(stop.signal)
                stopping = stopped_by is not None
                saving = step % config.save_every == 0 or step == last or stopping
                evaluating = bool(examples) and (step % config.evaluate_every == 0 or at_end)
                logging = step % config.log_every == 0 or at_end
                if saving or evaluating or logging or step == first + 1:
                    values = watch.look(pending, logs.say)
                if step == first + 1:
                    clock.restart(step)  # the first step compiles
                if logging:
                    speeds = clock.speeds(step, batch_size=config.data.batch_size)
                    logs.scalars(step, {**values, **speeds})
                    clock.restart(step)
                with clock.pause():
                    if evaluating:
                        weights = _whole(state.ema, everywhere)
                        if logs.primary:
                            scores, pictures = validate(method, weights, examples)
                            logs.scalars(step, scores)
                            logs.pictures(step, pictures)
                            if run.is_best(SCORE, scores, scored_on):
                                keep(run.best, weights, scores, step)
                    if saving:
                        logs.flush()
                        checkpoints.save(
                            step,
                            state,
                            {"next_batch": step, **watch.counts, **origin},
                        )
                if stopping:
                    break
            checkpoints.wait()

            finished = step >= config.steps
            if finished:
                weights = _whole(state.ema, everywhere)
                if logs.primary and (step > first or not run.has_weights(step)):
                    if examples and not scores:
                        scores, _ = validate(method, weights, examples)
                    keep(run.weights, weights, scores, step)
            if config.profile_steps is not None:
                done = "none of the steps to profile was run"
                logs.say(f"{run.path}: {done if profile.missed else f'profile in {run.profile}'}")
            logs.say(_closing(run, step, finished, config))
    return TrainResult(state, step, finished, stopped_by, scores)


def _memory(found: Any) -> str:
    """What XLA says that a step takes of each device, if it does."""
    if found is None:
        return "the device does not tell what a step takes"
    state, beside = found.argument_size_in_bytes / 1e6, found.temp_size_in_bytes / 1e6
    return f"state and batch take {state:,.0f} MB of each device, a step {beside:,.0f} MB beside"


def _agreed(signal: int | None) -> int | None:
    """The signal to stop on; several processes ask one another, and stop together."""
    if jax.process_count() == 1:
        return signal
    return int(multihost_utils.process_allgather(np.int32(signal or 0)).max()) or None


def _whole(tree: Params, everywhere: NamedSharding) -> Params:
    """Arrays of one device of this process, each whole; all processes have to call it together."""
    if not all(leaf.is_fully_replicated for leaf in jax.tree.leaves(tree)):
        tree = _gather(tree, everywhere)
    return jax.tree.map(lambda leaf: leaf.addressable_data(0), tree)


@functools.partial(jax.jit, static_argnames="everywhere")
def _gather(tree: Params, everywhere: NamedSharding) -> Params:
    return jax.lax.with_sharding_constraint(tree, everywhere)


def _opening(
    run: RunDirectory, start_mode: str, first: int, config: TrainConfig, mesh: Mesh
) -> str:
    if first >= config.steps:
        return f"{run.path}: all {first} steps are done already"
    origin = {
        "checkpoint": f"goes on from step {first}",
        "weights": f"starts from weights {config.init_from}",
        "scratch": "starts from scratch",
    }[start_mode]
    devices = f"{mesh.size} x {mesh.devices.flat[0].device_kind}"
    return f"{run.path}: {origin}, to step {config.steps}, on {devices}"


def _closing(run: RunDirectory, step: int, finished: bool, config: TrainConfig) -> str:
    if finished:
        return f"{run.path}: finished at step {step}; weights in {run.weights}"
    return (
        f"{run.path}: stopped at step {step} of {config.steps}; the same command goes on from here"
    )
