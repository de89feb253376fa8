"""The velocity field of 4KDehazeFlow, split where the resolution changes.

The *control* is all that the field takes from the picture as a whole: it is computed from a small
square proxy of the state. Given the control, the velocity of a pixel depends on its colour and its
place alone. Proxy and pixels are carried along as one joint ODE, so that the control of a stage
comes from the proxy's own state at that stage.

    velocity(x) = A(place, guide(x)) [x; 1] + g (LUT(x) - x)

where the affine model A is sliced from the purifier's bilateral grid.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from dehaze_jax.arrays import Grid, Image, Key, Params
from dehaze_jax.image.bilateral_grid import apply_rows, interpolate_rows
from dehaze_jax.image.resampling import square_copy
from dehaze_jax.image.runs import RunPlanes, Runs
from dehaze_jax.lut.interpolation import apply_planes
from dehaze_jax.lut.tables import identity
from dehaze_jax.methods.dehazeflow.config import DehazeFlowConfig
from dehaze_jax.methods.dehazeflow.purifier import HazePurifier, LutMixer
from dehaze_jax.methods.protocol import Rows
from dehaze_jax.networks.precision import FLOAT32, Policy
from dehaze_jax.sharing import beside_rows

_LUMA = (0.299, 0.587, 0.114)  # the guide starts as BT.601 luma


class Control(NamedTuple):
    """What one evaluation of the field takes from the whole picture.

    Attributes:
        grid: bilateral grid of affine velocities.
        gate: weight of the Haze-LUT's displacement, for each colour.
        mix: weights of the Haze-LUTs, summing to 1.
    """

    grid: Grid
    gate: Float[Array, "b 3"]
    mix: Float[Array, "b n"]


class Joint(NamedTuple):
    """State of the joint ODE."""

    proxy: Float[Array, "b p p 3"]
    image: Image


def make_proxy(config: DehazeFlowConfig, image: Float[Array, "b h w 3"]) -> Array:
    """Shrinks (or stretches) images to the square that the purifier reads."""
    return square_copy(image, config.proxy_size)


def init_params(config: DehazeFlowConfig, key: Key) -> Params:
    """Parameters of a field that moves nothing.

    The Haze-LUT is stored as its difference from the identity; the purifier's last layer is zero.
    """
    key_purifier, key_mixer = jax.random.split(key)
    channels = 3 * (1 + config.condition_on_hazy + (config.lut_mode == "concat"))
    proxy = jnp.zeros((1, config.proxy_size, config.proxy_size, channels))
    t = jnp.zeros((1,))
    params = {
        "purifier": HazePurifier(config).init(key_purifier, proxy, t)["params"],
        "guide": {"weights": jnp.asarray(_LUMA), "bias": jnp.zeros(())},
    }
    if config.lut_mode != "none":
        params["lut"] = jnp.zeros((config.lut_count, *(config.lut_size,) * 3, 3))
        if config.lut_count > 1:
            params["mixer"] = LutMixer(config).init(key_mixer, proxy[..., :3], t)["params"]
    return params


def tables(config: DehazeFlowConfig, params: Params) -> Float[Array, "n s s s 3"]:
    """The Haze-LUTs."""
    return params["lut"] + identity(config.lut_size)[None]


def _look_up(config: DehazeFlowConfig, params: Params, mix: Array, planes: RunPlanes) -> RunPlanes:
    luts = tables(config, params)
    if config.lut_count == 1:
        table = luts[0]
    else:
        table = jnp.einsum("bn,nxyzc->bxyzc", mix, luts, precision="highest")
    return apply_planes(table, planes, interpolation=config.lut_interpolation)


def control(
    config: DehazeFlowConfig,
    params: Params,
    t: Any,
    proxy: Array,
    hazy_proxy: Array,
    *,
    policy: Policy = FLOAT32,
) -> Control:
    """Evaluates the networks on a proxy of the state.

    Args:
        config: configuration.
        params: parameters.
        t: time, one for all images or one for each.
        proxy: the state's proxy, `[b, p, p, 3]`.
        hazy_proxy: that of the hazy images.
        policy: types that the purifier works in.
    """
    batch = proxy.shape[0]
    times = jnp.broadcast_to(jnp.asarray(t, proxy.dtype), (batch,))
    if config.lut_mode != "none" and config.lut_count > 1:
        mixer: Any = LutMixer(config)
        mix = mixer.apply({"params": params["mixer"]}, proxy, times)
    else:
        mix = jnp.ones((batch, 1), proxy.dtype)
    inputs = [proxy]
    if config.condition_on_hazy:
        inputs.append(hazy_proxy)
    if config.lut_mode == "concat":
        runs = Runs(config.proxy_size, config.grid_size)
        inputs.append(runs.join(_look_up(config, params, mix, runs.split(proxy))))
    purifier: Any = HazePurifier(config, policy)
    grid, gate = purifier.apply(
        {"params": params["purifier"]}, jnp.concatenate(inputs, axis=-1), times
    )
    return Control(grid, gate, mix)


def run_velocity(
    config: DehazeFlowConfig,
    params: Params,
    given: Control,
    planes: RunPlanes,
    runs: Runs,
    where: Rows,
) -> RunPlanes:
    """Velocity of pixels, as planes cut into runs `[b, s, runs, run]`; see `bilateral_grid`."""
    rows = interpolate_rows(given.grid, where.start, planes[0].shape[-3], where.height)
    weights = params["guide"]["weights"]
    guide = params["guide"]["bias"] + sum(
        weights[channel] * plane for channel, plane in enumerate(planes)
    )
    fraction = jnp.asarray(runs.fraction, planes[0].dtype)
    purified = apply_rows(rows, planes, (guide,), None, fraction)
    if config.lut_mode in ("concat", "none"):
        return purified
    if config.lut_mode == "composed":
        red, green, blue = (x + v for x, v in zip(planes, purified, strict=True))
        looked_up = _look_up(config, params, given.mix, (red, green, blue))
        red, green, blue = (y - x for x, y in zip(planes, looked_up, strict=True))
        return red, green, blue
    looked_up = _look_up(config, params, given.mix, planes)
    gate = given.gate.T[:, :, None, None, None]
    return tuple(
        v + g * (y - x) for v, g, y, x in zip(purified, gate, looked_up, planes, strict=True)
    )


def pixel_velocity(
    config: DehazeFlowConfig, params: Params, given: Control, image: Float[Array, "b h w 3"]
) -> Float[Array, "b h w 3"]:
    """Velocity of whole images under a given control."""
    runs = Runs(image.shape[-2], config.grid_size)
    where = Rows(0, image.shape[-3], image.shape[-2])
    return runs.join(run_velocity(config, params, given, runs.split(image), runs, where))


def joint_velocity(
    config: DehazeFlowConfig,
    params: Params,
    t: Any,
    state: Joint,
    hazy_proxy: Array,
    *,
    policy: Policy = FLOAT32,
    remat: bool = False,
) -> Joint:
    """Velocity of proxy and images together; what `flow.integrate` solves.

    Args:
        config: configuration.
        params: parameters.
        t: time.
        state: proxy and images at that time.
        hazy_proxy: proxy of the hazy images.
        policy: types that the purifier works in.
        remat: whether a gradient computes the pixels' velocities anew; inside of a loop only.
    """
    pixels = partial(pixel_velocity, config)
    if remat:
        pixels = jax.checkpoint(pixels, prevent_cse=False)
    given = control(config, params, t, state.proxy, hazy_proxy, policy=policy)
    return Joint(
        pixels(params, given, state.proxy), pixels(params, beside_rows(given), state.image)
    )
