"""The training loop. It knows methods only by their protocol."""

import collections
import contextlib
import functools
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import numpy as np
import rich.console
from jax.experimental import multihost_utils
from jax.sharding import Mesh

from dehaze_jax import data, methods
from dehaze_jax.arrays import Params, Tree
from dehaze_jax.errors import InputError
from dehaze_jax.methods.protocol import Method, Scalars, TrainState
from dehaze_jax.storage.checkpoints import Checkpoints
from dehaze_jax.storage.configs import config_to_dict
from dehaze_jax.storage.runs import RunDirectory
from dehaze_jax.storage.trees import count_parameters, match
from dehaze_jax.storage.weights import find_weights, save_weights
from dehaze_jax.training import mesh as meshes
from dehaze_jax.training.config import MAY_CHANGE, TrainConfig
from dehaze_jax.training.hosts import together
from dehaze_jax.training.logs import Clock, Logs
from dehaze_jax.training.provenance import machine
from dehaze_jax.training.step import BAD, compile_step, create_state
from dehaze_jax.training.stopping import StopRequest
from dehaze_jax.training.validation import open_validation, validate

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


def train(config: TrainConfig, *, console: rich.console.Console | None = None) -> TrainResult:
    """Trains a method, or goes on with the run that is in `config.workdir`.

    The final parameters depend on the config alone: a run that was interrupted at any point and
    started again ends, on the same devices, with the same bits. (Going on with other `steps` moves
    the end of the learning rate's schedule, so that is another run.) SIGINT and SIGTERM stop it
    between two steps with a checkpoint.

    Args:
        config: everything that the run depends on.
        console: for progress and a few lines; default is rich's.

    Raises:
        InputError: the config does not fit the devices, the data or the run in the directory; a
            checkpoint is damaged or cannot be saved; a loss is not finite.
    """
    console = console or rich.get_console()
    mesh = meshes.make_mesh(config.mesh)
    meshes.check_batch(mesh, batch_size=config.data.batch_size, crop_size=config.data.crop_size)
    method = methods.build(config.method, config.optimiser, total_steps=config.steps)
    _check_data(method, config)
    fingerprint = data.fingerprint(config.data)
    origin = {"seed": config.seed, "data": fingerprint}
    size = data.training_size(config.data)
    examples = open_validation(config.data, config.validation_pictures)
    run = RunDirectory(config.workdir)
    alone = run.claim() if jax.process_index() == 0 else contextlib.nullcontext()

    with (
        alone,
        together(run.path),
        Checkpoints(run.checkpoints, keep=config.keep_checkpoints) as checkpoints,
        StopRequest() as stop,
    ):
        # Shapes first; arrays are born in place.
        everywhere = meshes.replicated(mesh)
        root = jax.jit(functools.partial(jax.random.key, config.seed), out_shardings=everywhere)()
        create = functools.partial(create_state, method, config.data.crop_size)
        shapes = jax.tree.map(
            lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=everywhere),
            jax.eval_shape(create, root),
        )

        # Own checkpoint, given weights, scratch.
        saved_config = config_to_dict(config)
        start_mode, first, bad = "scratch", 0, 0
        if checkpoints.latest() is not None:
            run.check_config(saved_config, may_change=MAY_CHANGE)
            state, position = checkpoints.restore(shapes)
            start_mode, first = "checkpoint", position["next_batch"]
            bad = position["bad_examples"]
            _check_position(run, position, fingerprint, config)
        elif config.init_from is not None:
            start_mode = "weights"
            variables = _initial_weights(config.init_from, config, shapes.variables)
            state = jax.jit(method.start, out_shardings=everywhere)(
                jax.device_put(variables, everywhere)
            )
        else:
            state = jax.jit(create, out_shardings=everywhere)(root)

        if jax.process_index() == 0:
            run.write_config(saved_config)
            run.write_record(
                {
                    "start": start_mode,
                    "step": first,
                    **machine(),
                    "mesh": dict(mesh.shape),
                    "global_batch": config.data.batch_size,
                    **origin,
                    "parameters": count_parameters(shapes.variables),
                },
                resumed=first > 0,
            )
            run.truncate_metrics(first)

        loader = data.train_batches(
            config.data,
            seed=config.seed,
            start_step=first,
            process_index=jax.process_index(),
            process_count=jax.process_count(),
            depth=config.haze is not None,
        )
        batches = meshes.device_batches(loader, mesh)
        last = min(config.steps, config.stop_after or config.steps)
        step = first
        scores: dict[str, float] = {}
        stopped_by: int | None = None
        pending: collections.deque[tuple[int, Scalars]] = collections.deque()
        clock = Clock()
        train_step = None
        logs = Logs(run, first=first, total=config.steps, console=console)
        with logs, contextlib.closing(loader):
            logs.say(_opening(run, start_mode, first, config, mesh))
            for step in range(first + 1, last + 1):
                with clock.waiting():
                    batch = next(batches)
                if train_step is None:  # tracing makes constants, which the guard forbids
                    logs.say(f"{run.path}: compiling")
                    train_step = compile_step(method, config.haze, state, batch, root)
                with jax.transfer_guard("disallow"):
                    state, scalars = train_step(state, batch, root)
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
                    values, more = _fetch(run, pending)
                    bad += more
                    values["bad_examples"] = float(bad)
                    data.check_bad_share(config.data, bad=bad, batches=step, size=size)
                if step == first + 1:
                    clock.restart(step)  # the first step compiles
                if logging:
                    speeds = clock.speeds(step, batch_size=config.data.batch_size)
                    logs.scalars(step, {**values, **speeds})
                    clock.restart(step)
                with clock.pause():
                    if evaluating and logs.primary:
                        scores, pictures = validate(method, _local(state.ema), examples)
                        logs.scalars(step, scores)
                        logs.pictures(step, pictures)
                    if saving:
                        logs.flush()
                        checkpoints.save(
                            step,
                            state,
                            {"next_batch": step, "bad_examples": bad, **origin},
                        )
                if stopping:
                    break
            checkpoints.wait()

            finished = step >= config.steps
            if finished and logs.primary and (step > first or not run.weights.exists()):
                if examples and not scores:
                    scores, _ = validate(method, _local(state.ema), examples)
                card = {
                    "data": saved_config["data"],
                    "recipe": saved_config,
                    "scores": scores,
                    "terms": "those of the training data",
                }
                save_weights(run.weights, _local(state.ema), saved_config["method"], card)
            logs.say(_closing(run, step, finished, config))
    return TrainResult(state, step, finished, stopped_by, scores)


def _check_data(method: Method, config: TrainConfig) -> None:
    given, haze = config.data, config.haze
    if method.unpaired:
        for field, kind in (("train", "hazy"), ("clear", "clear")):
            if not getattr(given, field):
                reason = f"learns from unpaired pictures; say where the {kind} ones come from"
                raise InputError(f"DataConfig.{field}", f"is empty: {method.name} {reason}")
        if haze is not None:
            reason = f"must be None: {method.name} learns haze from the hazy pictures"
            raise InputError("TrainConfig.haze", reason)
    elif given.clear and given.train:
        reason = f"{method.name} learns from pairs, which train names"
        raise InputError("DataConfig.clear", f"must be empty: {reason}")
    elif given.clear and (haze is None or haze.share < 1):
        reason = f"{method.name} learns from pairs; clear ones alone serve with haze of share 1"
        raise InputError("DataConfig.train", f"is empty: {reason}")


def _initial_weights(source: str, config: TrainConfig, shapes: Tree) -> Tree:
    weights = find_weights(source)
    name = weights.config.get("name")
    if name != config.method.name:
        raise InputError(source, f"holds weights of {name}, the run trains {config.method.name}")
    own = config_to_dict(config.method)
    fields = [
        field
        for field, value in weights.config.items()
        if field != "objective" and value != own.get(field)
    ]
    if fields:
        raise InputError(source, f"was trained with another {', '.join(fields)} than the run has")
    match(weights.variables, shapes, source=source)
    return weights.variables


def _check_position(
    run: RunDirectory, position: Mapping[str, Any], fingerprint: str, config: TrainConfig
) -> None:
    if position["data"] != fingerprint:
        raise InputError(run.path, "the data is not what the run began with")
    if position["next_batch"] > config.steps:
        raise InputError(
            run.path, f"is at step {position['next_batch']}, past the {config.steps} asked for"
        )


def _fetch(
    run: RunDirectory, pending: collections.deque[tuple[int, Scalars]]
) -> tuple[dict[str, float], int]:
    """Looks at all steps since the last call: scalars of the newest, damaged examples of all."""
    steps = [step for step, _ in pending]
    fetched = jax.device_get([scalars for _, scalars in pending])
    pending.clear()
    for step, scalars in zip(steps, fetched, strict=True):
        wrong = [f"{name} is {value}" for name, value in scalars.items() if not np.isfinite(value)]
        if wrong:
            raise InputError(
                run.path,
                f"{', '.join(wrong)} at step {step}; checkpoints are of before, "
                "try a lower learning rate",
            )
    bad = sum(int(scalars.pop(BAD)) for scalars in fetched)
    return {name: float(value) for name, value in fetched[-1].items()}, bad


def _agreed(signal: int | None) -> int | None:
    """The signal to stop on; several processes ask one another, and stop together."""
    if jax.process_count() == 1:
        return signal
    return int(multihost_utils.process_allgather(np.int32(signal or 0)).max()) or None


def _local(tree: Params) -> Params:
    """Replicated arrays as arrays of one device of this process."""
    return jax.tree.map(lambda leaf: leaf.addressable_data(0), tree)


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
