"""One step: the critics, then the generators, then the depth network, each with its optimiser."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import optax

from dehaze_jax.arrays import Key, Params, Tree
from dehaze_jax.methods.config import OptimiserConfig
from dehaze_jax.methods.nedr.config import NedrConfig
from dehaze_jax.methods.nedr.objective import (
    CRITICS,
    DEPTH,
    GENERATORS,
    convince,
    judge_both,
    match_depth,
    run_cycles,
)
from dehaze_jax.methods.optimiser import advance, descend, make_optimiser
from dehaze_jax.methods.protocol import Batch, Scalars, TrainState

Optimisers = Mapping[str, optax.GradientTransformation]


def make_optimisers(config: NedrConfig, optimiser: OptimiserConfig, total_steps: int) -> Optimisers:
    """An optimiser for each of `generators`, `critics` and `depth`."""
    objective, rate = config.objective, optimiser.learning_rate

    def make(share: float) -> optax.GradientTransformation:
        own = dataclasses.replace(optimiser, learning_rate=share * rate)
        return make_optimiser(own, total_steps)

    generators = make(1.0)
    if objective.halve_at:
        halve = optax.piecewise_constant_schedule(1.0, {objective.halve_at: 0.5})
        generators = optax.chain(generators, optax.scale_by_schedule(halve))
    return {
        "generators": generators,
        "critics": make(objective.critic_rate),
        "depth": make(objective.depth_rate),
    }


def start(variables: Params, optimisers: Optimisers) -> TrainState:
    """A training state at step 0; the average starts at the variables."""
    params = variables["params"]
    return TrainState(
        step=jnp.zeros((), jnp.int32),
        variables=variables,
        ema=jax.tree.map(jnp.copy, variables),
        opt_state={
            part: optimisers[part].init(_pick(params, names)) for part, names in _PARTS.items()
        },
    )


def train_step(
    config: NedrConfig,
    optimisers: Optimisers,
    decay: float,
    state: TrainState,
    batch: Batch,
    key: Key,
) -> tuple[TrainState, Scalars]:
    """Critics, generators and depth network learn from one batch, in this order.

    The generators run once: the critics learn from what they made, and what the critics, a step
    on, say of it is carried back through them.
    """
    variables, opt_state = dict(state.variables), dict(state.opt_state)
    hazy, clear = batch["hazy"], batch["clear"]

    scalars = {}

    def update(part: str, gradients: Tree) -> None:
        # A gradient that is not finite shows in no loss of its own step.
        scalars[f"gradient_norm_{part}"] = optax.tree.norm(gradients)
        names = _PARTS[part]
        trained, opt_state[part] = descend(
            _pick(variables["params"], names), gradients, opt_state[part], optimisers[part]
        )
        variables["params"] = {**variables["params"], **trained}

    def cycles(trained: Params) -> tuple[Any, Any]:
        loss, done = run_cycles(config, _with(variables, trained), hazy, clear, key)
        return (loss, done.made), done

    generators = _pick(variables["params"], GENERATORS)
    (loss, made), carry_back, done = jax.vjp(cycles, generators, has_aux=True)
    variables |= done.statistics

    def critics_loss(trained: Params) -> Any:
        return judge_both(config, _with(variables, trained), hazy, clear, made)

    critics = _pick(variables["params"], CRITICS)
    (_, (statistics, critic_parts)), gradients = jax.value_and_grad(critics_loss, has_aux=True)(
        critics
    )
    variables |= statistics
    update("critics", gradients)

    (adversarial, statistics), wanted = jax.value_and_grad(
        lambda made: convince(config, variables, made), has_aux=True
    )(made)
    variables |= statistics
    (gradients,) = carry_back((jnp.ones_like(loss), wanted))
    update("generators", gradients)

    def depth_loss(trained: Params) -> Any:
        return match_depth(config, _with(variables, trained), made.clear, done.depth)

    depth = _pick(variables["params"], DEPTH)
    (depth_error, statistics), gradients = jax.value_and_grad(depth_loss, has_aux=True)(depth)
    variables |= statistics
    update("depth", gradients)

    scalars |= {
        "loss": loss + adversarial,
        "adversarial": adversarial,
        "depth": depth_error,
        **critic_parts,
        **done.parts,
    }
    return advance(state, variables, opt_state, decay), scalars


_PARTS = {"generators": GENERATORS, "critics": CRITICS, "depth": DEPTH}


def _pick(params: Params, names: tuple[str, ...]) -> Params:
    return {name: params[name] for name in names}


def _with(variables: Mapping[str, Tree], trained: Params) -> Params:
    """All variables, with others for some networks."""
    return {**variables, "params": {**variables["params"], **trained}}
