"""4KDehazeFlow under the protocol of all methods."""

from functools import partial

import flax.struct
import jax
import optax
from jaxtyping import Array, Float

from dehaze_jax.arrays import Image, Key, Params
from dehaze_jax.errors import InputError
from dehaze_jax.flow.solve import find_solver
from dehaze_jax.flow.solvers import coefficients
from dehaze_jax.flow.stages import scan_stages
from dehaze_jax.image.runs import Runs
from dehaze_jax.methods.accumulation import value_and_grad
from dehaze_jax.methods.config import OptimiserConfig, RestoreOptions
from dehaze_jax.methods.dehazeflow.config import DehazeFlowConfig, ObjectiveConfig
from dehaze_jax.methods.dehazeflow.field import (
    Control,
    control,
    init_params,
    make_proxy,
    pixel_velocity,
    run_velocity,
)
from dehaze_jax.methods.dehazeflow.objective import draw, loss
from dehaze_jax.methods.optimiser import apply_gradients, make_optimiser, start
from dehaze_jax.methods.protocol import Batch, Method, Rows, Scalars, TrainState
from dehaze_jax.networks.backbones import find_backbone
from dehaze_jax.networks.precision import POLICIES

# Pixels of a picture for one of the proxy, along each side: more make no difference to the eye.
_OVERVIEW = 4


@flax.struct.dataclass
class Context:
    """The solved proxy: the control at every stage, leaves `[steps, stages, b, ...]`."""

    controls: Control
    solver: str = flax.struct.field(pytree_node=False)


@partial(jax.jit, static_argnames="config")
def _shrink(config: DehazeFlowConfig, hazy: Image) -> Float[Array, "b p p 3"]:
    return make_proxy(config, hazy.reshape(-1, *hazy.shape[-3:]))


@partial(jax.jit, static_argnames=("config", "options"))
def _solve_proxy(
    config: DehazeFlowConfig, variables: Params, hazy_proxy: Image, options: RestoreOptions
) -> Context:
    def velocity(t, proxy, _):
        given = control(config, variables, t, proxy, hazy_proxy)
        return pixel_velocity(config, variables, given, proxy), given

    _, controls = scan_stages(
        velocity, hazy_proxy, solver=options.solver, num_steps=options.num_steps
    )
    return Context(controls, options.solver)


def summarise(
    config: DehazeFlowConfig, variables: Params, hazy: Image, options: RestoreOptions
) -> Context:
    """Solves the ODE on the proxy and keeps the control of every stage.

    Two programs, so that only the shrinking is compiled anew for another size of picture.
    """
    return _solve_proxy(config, variables, _shrink(config, hazy), options)


@partial(jax.jit, static_argnames="config")
def render(
    config: DehazeFlowConfig, variables: Params, context: Context, rows: Image, where: Rows
) -> Image:
    """Solves the ODE of each pixel, driven by the proxy's controls."""
    runs = Runs(where.width, config.grid_size, rows.shape[-2])

    def velocity(t, planes, given):
        del t  # enters through the control
        return run_velocity(config, variables, given, planes, runs, where), None

    planes, _ = scan_stages(
        velocity,
        runs.split(rows.reshape(-1, *rows.shape[-3:])),
        context.controls,
        solver=context.solver,
        num_steps=context.controls.gate.shape[0],
    )
    return runs.join(planes).reshape(rows.shape)


def check(config: DehazeFlowConfig) -> None:
    """Refuses values that do not fit each other.

    Raises:
        InputError: names the field, or the backbone or solver that there is not.
    """
    for field in ("proxy_size", "grid_size", "grid_depth", "width", "lut_count"):
        if getattr(config, field) < 1:
            raise InputError(f"method.{field}", "must be at least 1")
    if config.proxy_size % 4 or (config.proxy_size // 4) % config.grid_size:
        raise InputError(
            "method.grid_size",
            f"{config.grid_size} does not divide a quarter of proxy_size {config.proxy_size}",
        )
    if config.lut_size < 2:
        raise InputError("method.lut_size", "must be at least 2")
    if config.time_features < 2 or config.time_features % 2:
        raise InputError("method.time_features", "must be even and at least 2")
    if config.objective.rollout_steps < 1:
        raise InputError("method.objective.rollout_steps", "must be at least 1")
    find_backbone(config.backbone)
    find_solver(config.objective.rollout_solver)


def _trained_for(objective: ObjectiveConfig) -> RestoreOptions:
    """The solve on whose end the field was trained, which is the one that it is best at.

    Flow matching alone knows no solve; then it is the default, four steps of RK4.
    """
    if objective.kind == "matching":
        return RestoreOptions()
    return RestoreOptions(solver=objective.rollout_solver, num_steps=objective.rollout_steps)


def build(config: DehazeFlowConfig, optimiser: OptimiserConfig, total_steps: int) -> Method:
    """Binds a configuration to the functions of the protocol.

    Raises:
        InputError: see `check`.
    """
    check(config)
    transform: optax.GradientTransformation = make_optimiser(optimiser, total_steps)
    policy = POLICIES[optimiser.precision]

    def train_step(state: TrainState, batch: Batch, key: Key) -> tuple[TrainState, Scalars]:
        def objective(variables, examples):
            return loss(config, variables, *examples, policy=policy)

        examples = batch, draw(config, batch, key)
        (_, parts), gradients = value_and_grad(
            objective, state.variables, examples, parts=optimiser.accumulate
        )
        scalars = {**parts, "gradient_norm": optax.tree.norm(gradients)}
        return apply_gradients(state, gradients, transform, optimiser.ema_decay), scalars

    return Method(
        name=config.name,
        init=lambda key, batch: init_params(config, key),
        start=lambda variables: start(variables, transform),
        train_step=train_step,
        summarise=lambda variables, hazy, options: summarise(config, variables, hazy, options),
        render=lambda variables, context, rows, where: render(
            config, variables, context, rows, where
        ),
        overview=_OVERVIEW * config.proxy_size,
        evaluations=lambda options: (
            options.num_steps * len(coefficients(find_solver(options.solver)).times)
        ),
        options=_trained_for(config.objective),
    )
