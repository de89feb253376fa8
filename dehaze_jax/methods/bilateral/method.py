"""Multi-guided bilateral learning under the protocol of all methods."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float

from dehaze_jax.arrays import Image, Key, Params, Tree
from dehaze_jax.errors import InputError
from dehaze_jax.methods.accumulation import value_and_grad
from dehaze_jax.methods.bilateral.config import BilateralConfig
from dehaze_jax.methods.bilateral.guides import COLOURS, ConvolutionGuide, guide_variables
from dehaze_jax.methods.bilateral.released import Context, ReleasedNetwork
from dehaze_jax.methods.bilateral.slim import SlimNetwork
from dehaze_jax.methods.config import OptimiserConfig, RestoreOptions
from dehaze_jax.methods.optimiser import apply_gradients, make_optimiser, start
from dehaze_jax.methods.protocol import Batch, Method, Rows, Scalars, TrainState
from dehaze_jax.metrics.structure import ssim
from dehaze_jax.networks.backbones import find_backbone
from dehaze_jax.networks.precision import FLOAT32, POLICIES, Policy

# Pixels of a picture for one of the slim network's copy, along each side: more make no difference
# to the eye.
_OVERVIEW = 4


def make_network(config: BilateralConfig, policy: Policy = FLOAT32) -> Any:
    """The flax module of a configuration."""
    network = SlimNetwork if config.size == "slim" else ReleasedNetwork
    return network(config, policy)


def loss(
    config: BilateralConfig, variables: Params, batch: Batch, *, policy: Policy = FLOAT32
) -> tuple[Float[Array, ""], tuple[dict[str, Float[Array, ""]], Tree]]:
    """Mean absolute error, and (1 - SSIM) by its weight.

    Returns:
        The loss; its parts, and the running statistics after this batch.
    """
    restored, statistics = make_network(config, policy).apply(
        variables, batch["hazy"], train=True, mutable=["batch_stats"]
    )
    clear = batch["clear"]
    parts = {"l1": jnp.mean(jnp.abs(restored - clear))}
    total = parts["l1"]
    if config.objective.ssim_weight:
        parts["ssim"] = jnp.mean(ssim(restored, clear))
        total = total + config.objective.ssim_weight * (1 - parts["ssim"])
    return total, ({"loss": total, **parts}, statistics)


@partial(jax.jit, static_argnames="config")
def _shrink(config: BilateralConfig, hazy: Image) -> Tree:
    return make_network(config).shrink(hazy.reshape(-1, *hazy.shape[-3:]))


@partial(jax.jit, static_argnames=("config", "method"))
def _predict(config: BilateralConfig, variables: Params, copies: Tree, *, method: str) -> Tree:
    return make_network(config).apply(variables, copies, method=method)


def summarise(
    config: BilateralConfig, variables: Params, hazy: Image, options: RestoreOptions
) -> Tree:
    """Runs the low-resolution networks.

    Several programs, so that only the shrinking is compiled anew for another size of picture, and
    because XLA on CPUs holds what two U-Nets of one program need at the same time.
    """
    del options
    copies = _shrink(config, hazy)
    if config.size == "slim":
        return _predict(config, variables, copies, method="predict")
    grid = _predict(config, variables, copies.proxy, method="predict_grid")
    # One after the other.
    copy, _ = jax.lax.optimization_barrier((copies.features, grid))
    return Context(grid, _predict(config, variables, copy, method="predict_features"))


def render(
    config: BilateralConfig, variables: Params, context: Tree, rows: Image, where: Rows
) -> Image:
    """Full-resolution work on a strip."""
    strip = rows.reshape(-1, *rows.shape[-3:])
    # Programs of their own outside of `jit`: as one, XLA on CPUs computes each pixel's model where
    # it puts the channels together, one pixel at a time.
    if config.size == "slim":
        cut = _cut(config, variables, strip, where)
        planes = _apply_models(config, variables, context, cut, where)
        return _join(config, planes, strip.shape[2], where).reshape(rows.shape)
    features = _spread(config, variables, context.features, *strip.shape[1:3], where)
    guides = _find_guides(config, variables, strip, where)
    sliced = ReleasedNetwork(config).slice(context.grid, features, guides, where)
    return _fuse(config, variables, sliced, strip, where).reshape(rows.shape)


@partial(jax.jit, static_argnames="config")
def _cut(config, variables, strip, where):
    return SlimNetwork(config).apply(
        variables, strip, where, inside=_inside(strip, where), method="cut"
    )


@partial(jax.jit, static_argnames="config")
def _apply_models(config, variables, context, cut, where):
    return SlimNetwork(config).apply(variables, context, cut, where, method="apply_models")


@partial(jax.jit, static_argnames=("config", "columns"))
def _join(config, planes, columns, where):
    return SlimNetwork(config).join(planes, columns, where)


@partial(jax.jit, static_argnames=("config", "count", "columns"))
def _spread(config, variables, features, count, columns, where):
    return ReleasedNetwork(config).apply(
        variables, features, count, columns, where, method="spread"
    )


def _find_guides(config, variables, strip, where):
    if config.guides == "curves":
        return _find_curves(config, variables, strip)
    # One program, three times: its arrays fit into memory that the process holds anyway, while
    # those of all three are asked for anew with every strip, which takes as long as the work.
    return tuple(
        _find_guide(guide_variables(variables, colour), strip[..., number], where)
        for number, colour in enumerate(COLOURS)
    )


@partial(jax.jit, static_argnames="config")
def _find_curves(config, variables, strip):
    return ReleasedNetwork(config).apply(variables, strip, method="find_guides")


@jax.jit
def _find_guide(variables, plane, where):
    inside = _inside(plane, where)
    return ConvolutionGuide().apply(variables, plane, train=False, inside=inside)


@partial(jax.jit, static_argnames="config")
def _fuse(config, variables, sliced, strip, where):
    return ReleasedNetwork(config).apply(
        variables, sliced, strip, inside=_inside(strip, where), method="fuse"
    )


def _inside(strip: Float[Array, "b s w *c"], where: Rows) -> Bool[Array, "s w"]:
    """Which pixels of a strip are in the picture."""
    row = where.start + jnp.arange(strip.shape[1])
    column = jnp.arange(strip.shape[2])
    return ((row >= 0) & (row < where.height))[:, None] & (column < where.width)[None, :]


def build(config: BilateralConfig, optimiser: OptimiserConfig, total_steps: int) -> Method:
    """Binds a configuration to the functions of the protocol.

    Raises:
        InputError: there is no such backbone; a part of a batch would be normalised otherwise than
            the whole.
    """
    if config.size == "slim":
        find_backbone(config.backbone)
    if optimiser.accumulate > 1 and (config.size == "released" or config.guides == "convolutions"):
        where = f"size {config.size!r} with guides {config.guides!r}"
        reason = f"must be 1: {where} normalises by the batch, and a part is another batch"
        raise InputError("OptimiserConfig.accumulate", reason)
    network = make_network(config)
    transform: optax.GradientTransformation = make_optimiser(optimiser, total_steps)
    policy = POLICIES[optimiser.precision]

    def init(key: Key, batch: Batch) -> Params:
        del batch  # networks take pictures of every size
        return network.init(key, jnp.zeros((1, 16, 16, 3), jnp.float32))

    def train_step(state: TrainState, batch: Batch, key: Key) -> tuple[TrainState, Scalars]:
        del key

        def objective(params, batch):
            return loss(config, {**state.variables, "params": params}, batch, policy=policy)

        (_, (parts, statistics)), gradients = value_and_grad(
            objective, state.variables["params"], batch, parts=optimiser.accumulate
        )
        scalars = {**parts, "gradient_norm": optax.tree.norm(gradients)}
        state = apply_gradients(
            state, gradients, transform, optimiser.ema_decay, statistics=statistics
        )
        return state, scalars

    return Method(
        name=config.name,
        init=init,
        start=lambda variables: start(variables, transform),
        train_step=train_step,
        summarise=lambda variables, hazy, options: summarise(config, variables, hazy, options),
        render=lambda variables, context, rows, where: render(
            config, variables, context, rows, where
        ),
        halo=network.halo,
        overview=_OVERVIEW * config.proxy_size if config.size == "slim" else 0,
    )
