"""The optimiser that methods share, and one update of a training state."""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
import optax

from dehaze_jax.arrays import Params, Tree
from dehaze_jax.methods.config import OptimiserConfig
from dehaze_jax.methods.protocol import TrainState


def make_optimiser(config: OptimiserConfig, total_steps: int) -> optax.GradientTransformation:
    """AdamW behind clipping of the global norm.

    Args:
        config: rates, schedule and decays.
        total_steps: where the cosine ends.
    """
    warmup = min(config.warmup_steps, max(total_steps - 1, 0))
    if config.schedule == "cosine":
        rate = optax.warmup_cosine_decay_schedule(
            0.0 if warmup else config.learning_rate,
            config.learning_rate,
            warmup,
            max(total_steps, warmup + 1),
            config.learning_rate * config.final_fraction,
        )
    else:
        rate = optax.linear_schedule(
            0.0 if warmup else config.learning_rate, config.learning_rate, max(warmup, 1)
        )
    parts: list[optax.GradientTransformation] = [
        optax.adamw(
            rate,
            b1=config.b1,
            b2=config.b2,
            weight_decay=config.weight_decay,
            mask=lambda tree: jax.tree_util.tree_map_with_path(
                lambda path, _: path[-1] == jax.tree_util.DictKey("kernel"), tree
            ),
        )
    ]
    if config.clip_norm:
        parts.insert(0, optax.clip_by_global_norm(config.clip_norm))
    return optax.chain(*parts)


def start(variables: Params, optimiser: optax.GradientTransformation) -> TrainState:
    """A training state at step 0; the average starts at the variables.

    All variables are trained; if they are flax's collections, those in `params`.
    """
    return TrainState(
        step=jnp.zeros((), jnp.int32),
        variables=variables,
        ema=jax.tree.map(jnp.copy, variables),
        opt_state=optimiser.init(_trained(variables)),
    )


def apply_gradients(
    state: TrainState,
    gradients: Tree,
    optimiser: optax.GradientTransformation,
    decay: float,
    *,
    statistics: Mapping[str, Tree] | None = None,
) -> TrainState:
    """One step of the optimiser and of the moving average, see `advance`.

    Args:
        state: before the step.
        gradients: of what is trained, see `start`.
        optimiser: of the state.
        decay: of the average.
        statistics: new values of collections beside `params`; they are averaged too.
    """
    trained, opt_state = descend(_trained(state.variables), gradients, state.opt_state, optimiser)
    if "params" in state.variables:
        variables = {**state.variables, **(statistics or {}), "params": trained}
    else:
        variables = trained
    return advance(state, variables, opt_state, decay)


def descend(
    trained: Params, gradients: Tree, opt_state: Tree, optimiser: optax.GradientTransformation
) -> tuple[Params, Tree]:
    """What is trained, and the optimiser's state, after one step of it."""
    # optax raises floats to integer powers, which strict promotion forbids.
    with jax.numpy_dtype_promotion("standard"):
        updates, opt_state = optimiser.update(gradients, opt_state, trained)
    return optax.apply_updates(trained, updates), opt_state


def advance(state: TrainState, variables: Params, opt_state: Tree, decay: float) -> TrainState:
    """The state after a step that came to `variables`; its average moves towards them.

    The average's decay is warmed up as min(decay, (1 + n) / (10 + n)) at step n.
    """
    n = state.step.astype(jnp.float32)
    keep = jnp.minimum(decay, (1 + n) / (10 + n))
    ema = jax.tree.map(lambda a, v: keep * a + (1 - keep) * v, state.ema, variables)
    return TrainState(step=state.step + 1, variables=variables, ema=ema, opt_state=opt_state)


def _trained(variables: Params) -> Params:
    return variables.get("params", variables)
