"""What the velocity field is trained on: flow matching, the end of a solve, LUT penalties."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from dehaze_jax.arrays import Key, Params
from dehaze_jax.flow.matching import matching_loss, sample_times
from dehaze_jax.flow.paths import linear_path, pair_transmission, scattering_path
from dehaze_jax.flow.stages import scan_stages
from dehaze_jax.haze.airlight import estimate_airlight
from dehaze_jax.lut.penalties import monotonicity, smoothness
from dehaze_jax.methods.dehazeflow.config import DehazeFlowConfig
from dehaze_jax.methods.dehazeflow.field import (
    Joint,
    control,
    joint_velocity,
    make_proxy,
    pixel_velocity,
    tables,
)
from dehaze_jax.methods.protocol import Batch
from dehaze_jax.metrics.structure import ssim
from dehaze_jax.networks.precision import FLOAT32, Policy
from dehaze_jax.sharing import beside_rows


class Drawn(NamedTuple):
    """What is random in a step, drawn for the whole batch.

    Attributes:
        times: of flow matching.
        noise: on the states of the path, standard normal; None if there is none.
    """

    times: Float[Array, " b"]
    noise: Float[Array, "b h w 3"] | None


def draw(config: DehazeFlowConfig, batch: Batch, key: Key) -> Drawn:
    """Draws what a step needs."""
    key_time, key_noise = jax.random.split(key)
    shape = batch["hazy"].shape
    times = sample_times(key_time, shape[:1], distribution=config.objective.times)
    noisy = config.objective.state_noise > 0
    return Drawn(times, jax.random.normal(key_noise, shape) if noisy else None)


def path_sample(
    config: DehazeFlowConfig, batch: Batch, t: Float[Array, " b"]
) -> tuple[Array, Array]:
    """States on the configured path and their velocities.

    The scattering path takes transmission and airlight from the batch where they are known; else
    the airlight is estimated from the hazy image and the transmission from the pair.
    """
    hazy, clear = batch["hazy"], batch["clear"]
    if config.objective.path == "linear":
        return linear_path(hazy, clear, t)
    if "transmission" in batch and "airlight" in batch:
        airlight, transmission = batch["airlight"], batch["transmission"]
    else:
        airlight = estimate_airlight(hazy)
        transmission = pair_transmission(hazy, clear, airlight)
    return scattering_path(hazy, clear, t, transmission=transmission, airlight=airlight)


def _matching(
    config: DehazeFlowConfig, params: Params, batch: Batch, drawn: Drawn, policy: Policy
) -> Array:
    objective = config.objective
    hazy_proxy = make_proxy(config, batch["hazy"])
    state, target = path_sample(config, batch, drawn.times)
    if drawn.noise is not None:
        state = state + objective.state_noise * drawn.noise

    def velocity(t, state, params):
        given = control(config, params, t, make_proxy(config, state), hazy_proxy, policy=policy)
        return pixel_velocity(config, params, beside_rows(given), state)

    losses = matching_loss(
        velocity, params, drawn.times, state, target, penalty=objective.penalty, on=objective.on
    )
    return jnp.mean(losses)


def _rollout(config: DehazeFlowConfig, params: Params, batch: Batch, policy: Policy) -> Array:
    objective = config.objective
    hazy, clear = batch["hazy"], batch["clear"]
    hazy_proxy = make_proxy(config, hazy)

    def velocity(t: Any, state: Joint, _: None) -> tuple[Joint, None]:
        if objective.rollout_gradient == "direct":
            state = jax.lax.stop_gradient(state)
        pixels = objective.remat == "pixels"
        given = {"policy": policy, "remat": pixels}
        return joint_velocity(config, params, t, state, hazy_proxy, **given), None

    if objective.remat == "stages":
        velocity = jax.checkpoint(velocity, prevent_cse=False)
    end, _ = scan_stages(
        velocity,
        Joint(hazy_proxy, hazy),
        solver=objective.rollout_solver,
        num_steps=objective.rollout_steps,
        # What is computed anew has to wait for the backward pass. A loop makes it; of stages that
        # are written out XLA on CPUs computes all at once.
        unroll=objective.remat == "none",
    )
    loss = jnp.mean(jnp.abs(end.image - clear))
    if objective.ssim_weight:
        loss = loss + objective.ssim_weight * (1 - jnp.mean(ssim(end.image, clear)))
    return loss


def loss(
    config: DehazeFlowConfig,
    params: Params,
    batch: Batch,
    drawn: Drawn,
    *,
    policy: Policy = FLOAT32,
) -> tuple[Float[Array, ""], dict[str, Float[Array, ""]]]:
    """The configured objective on a batch, and its parts: means over the examples.

    Args:
        config: of the method.
        params: of the field.
        batch: pairs.
        drawn: see `draw`.
        policy: types that the networks work in.
    """
    objective = config.objective
    parts = {}
    total = jnp.zeros(())
    if objective.kind in ("matching", "both"):
        parts["matching"] = _matching(config, params, batch, drawn, policy)
        total = total + parts["matching"]
    if objective.kind in ("rollout", "both"):
        parts["rollout"] = _rollout(config, params, batch, policy)
        total = total + objective.rollout_weight * parts["rollout"]
    if config.lut_mode != "none":
        luts = tables(config, params)
        parts["lut"] = objective.lut_smoothness * jnp.mean(
            smoothness(luts)
        ) + objective.lut_monotonicity * jnp.mean(monotonicity(luts))
        total = total + parts["lut"]
    return total, {"loss": total, **parts}
