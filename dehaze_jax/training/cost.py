"""What a training takes, counted from its step before there is data or a device."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
from jax.sharding import AbstractMesh

from dehaze_jax import methods
from dehaze_jax.arrays import Tree
from dehaze_jax.errors import InputError
from dehaze_jax.programs import count_bytes, count_multiplications, peak_bytes
from dehaze_jax.storage.trees import count_parameters
from dehaze_jax.training.ahead import plain_step
from dehaze_jax.training.config import TrainConfig
from dehaze_jax.training.mesh import batch_sharding, check_batch, plan_mesh, state_shardings
from dehaze_jax.training.starting import check_data

BEST, WORST = 0.6, 2.5
"""What XLA may take for a step, over the estimate; see docs/scale.md for what was measured."""


class TrainingCost(NamedTuple):
    """Cost of a training.

    Attributes:
        method: its name.
        mesh: devices along `data` and `space`.
        parameters: values that are trained, of each part of the model.
        multiplications: of one step, forward and backward, over all devices, by kind, see
            `programs.KINDS`.
        held: bytes that each device holds between steps, exactly: `parameters`, with what is not
            trained; their `average`; `optimiser`; `batch`, of one step.
        step: bytes that a step takes of each device beside them, an estimate: gradients and
            intermediate values, see `programs.peak_bytes`.
        remedies: fields of the configuration that change most of these bytes.
    """

    method: str
    mesh: AbstractMesh
    parameters: dict[str, int]
    multiplications: dict[str, int]
    held: dict[str, int]
    step: int
    remedies: tuple[str, ...]

    @property
    def total(self) -> int:
        """Bytes of each device."""
        return sum(self.held.values()) + self.step

    def fits(self, memory: int | float) -> bool | None:
        """Whether devices of so many bytes are enough; None where the estimate leaves that open."""
        held = sum(self.held.values())
        if held + BEST * self.step > memory:
            return False
        return True if held + WORST * self.step <= memory else None


def count_training_cost(config: TrainConfig, *, devices: int) -> TrainingCost:
    """Counts what a training takes; nothing is read, computed or compiled.

    A batch holds hazy and clear pictures (the clear ones alone where `data` names no others): what
    a prepared dataset has beside them is not known before it is there.

    Args:
        config: of the run.
        devices: how many there are to be, of one process; they need not be here.

    Raises:
        InputError: as `train` before it reads data.
    """
    mesh = plan_mesh(config.mesh, devices)
    check_batch(
        mesh,
        batch_size=config.data.batch_size,
        crop_size=config.data.crop_size,
        accumulate=config.optimiser.accumulate,
    )
    method = methods.build(config.method, config.optimiser, total_steps=config.steps)
    if config.data.train or config.data.clear:
        check_data(method, config)

    _, (state, batch, _) = plain_step(config)
    where = state_shardings(mesh, state, above=config.mesh.fsdp)
    held = {
        "parameters": _shares(state.variables, where.variables),
        "average": _shares(state.ema, where.ema),
        "optimiser": _shares(state.opt_state, where.opt_state),
        "batch": _shares(
            batch, jax.tree.map(lambda leaf: batch_sharding(mesh, len(leaf.shape)), batch)
        ),
    }

    # The step of the examples of one device; rows are divided below.
    count = config.data.batch_size // mesh.shape["data"]
    counts = (count, count // config.optimiser.accumulate)
    of_one = dataclasses.replace(config, data=dataclasses.replace(config.data, batch_size=count))
    step, shapes = plain_step(of_one)
    program = jax.make_jaxpr(step)(*shapes).jaxpr
    shares = {
        leaf.shape: sharding.shard_shape(leaf.shape)
        for leaf, sharding in zip(jax.tree.leaves(state), jax.tree.leaves(where), strict=True)
    }

    def size(aval) -> int:
        whole, shape = count_bytes(aval), getattr(aval, "shape", ())
        if shape in shares:  # gradients and updates lie where the parameters do
            return whole * math.prod(shares[shape]) // max(math.prod(shape), 1)
        pictures = len(shape) >= 4 and shape[0] in counts
        return whole // mesh.shape["space"] if pictures else whole

    # Parameters that are divided are put together to be used.
    together = sum(
        count_bytes(leaf)
        for leaf in jax.tree.leaves(state.variables)
        if shares[leaf.shape] != leaf.shape
    )
    step_bytes = peak_bytes(program, size) + together
    trained = state.variables.get("params", state.variables)
    multiplications = count_multiplications(program)
    return TrainingCost(
        method=method.name,
        mesh=mesh,
        parameters={name: count_parameters({name: part}) for name, part in trained.items()},
        multiplications={
            kind: number * mesh.shape["data"] for kind, number in multiplications.items()
        },
        held=held,
        step=step_bytes,
        remedies=_remedies(config, mesh, held, step_bytes),
    )


def _remedies(
    config: TrainConfig, mesh: AbstractMesh, held: Mapping[str, int], step: int
) -> tuple[str, ...]:
    on_device = config.data.batch_size // mesh.shape["data"]
    whole = mesh.shape["data"] > 1 and not config.mesh.fsdp
    if whole and sum(held.values()) - held["batch"] > step:
        return ("mesh.fsdp",)
    objective: Any = config.method.objective
    # Only dehazeflow's rollouts are computed anew.
    solves = getattr(objective, "kind", "matching") != "matching"
    fields = {
        "data.batch_size": config.data.batch_size > 1,
        "data.crop_size": True,
        "mesh.space": True,
        "optimiser.accumulate": config.optimiser.accumulate < on_device and _accumulates(config),
        "method.objective.remat": solves and objective.remat != "stages",
    }
    return tuple(name for name, helps in fields.items() if helps)


def _accumulates(config: TrainConfig) -> bool:
    """Whether the method takes batches in parts."""
    try:
        methods.build(config.method, dataclasses.replace(config.optimiser, accumulate=2))
    except InputError:
        return False
    return True


def _shares(tree: Tree, shardings: Tree) -> int:
    """Bytes of each device."""
    pairs = zip(jax.tree.leaves(tree), jax.tree.leaves(shardings), strict=True)
    shares = [(each.shard_shape(leaf.shape), leaf.dtype.itemsize) for leaf, each in pairs]
    return sum(math.prod(shape) * size for shape, size in shares)
