"""What the velocity field is trained on: flow matching, the end of a solve, LUT penalties."""

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
from dehaze_jax.sharing import beside_rows


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


def _matching(config: DehazeFlowConfig, params: Params, batch: Batch, key: Key) -> Array:
    objective = config.objective
    key_time, key_noise = jax.random.split(key)
    hazy_proxy = make_proxy(config, batch["hazy"])
    t = sample_times(key_time, batch["hazy"].shape[:1], distribution=objective.times)
    state, target = path_sample(config, batch, t)
    if objective.state_noise:
        state = state + objective.state_noise * jax.random.normal(key_noise, state.shape)

    def velocity(t, state, params):
        given = control(config, params, t, make_proxy(config, state), hazy_proxy)
        return pixel_velocity(config, params, beside_rows(given), state)

    losses = matching_loss(
        velocity, params, t, state, target, penalty=objective.penalty, on=objective.on
    )
    return jnp.mean(losses)


def _rollout(config: DehazeFlowConfig, params: Params, batch: Batch) -> Array:
    objective = config.objective
    hazy, clear = batch["hazy"], batch["clear"]
    hazy_proxy = make_proxy(config, hazy)
    end, _ = scan_stages(
        lambda t, state, _: (joint_velocity(config, params, t, state, hazy_proxy), None),
        Joint(hazy_proxy, hazy),
        solver=objective.rollout_solver,
        num_steps=objective.rollout_steps,
        unroll=True,
    )
    loss = jnp.mean(jnp.abs(end.image - clear))
    if objective.ssim_weight:
        loss = loss + objective.ssim_weight * (1 - jnp.mean(ssim(end.image, clear)))
    return loss


def loss(
    config: DehazeFlowConfig, params: Params, batch: Batch, key: Key
) -> tuple[Float[Array, ""], dict[str, Float[Array, ""]]]:
    """The configured objective on a batch, and its parts."""
    objective = config.objective
    parts = {}
    total = jnp.zeros(())
    if objective.kind in ("matching", "both"):
        parts["matching"] = _matching(config, params, batch, key)
        total = total + parts["matching"]
    if objective.kind in ("rollout", "both"):
        parts["rollout"] = _rollout(config, params, batch)
        total = total + objective.rollout_weight * parts["rollout"]
    if config.lut_mode != "none":
        luts = tables(config, params)
        parts["lut"] = objective.lut_smoothness * jnp.mean(
            smoothness(luts)
        ) + objective.lut_monotonicity * jnp.mean(monotonicity(luts))
        total = total + parts["lut"]
    return total, {"loss": total, **parts}
