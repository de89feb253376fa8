"""A training step against the same step written plainly; states, rates and schedules."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from tiny_nedr import TINY, pictures, variables_of

from dehaze_jax import haze
from dehaze_jax.methods import NedrObjectiveConfig, OptimiserConfig, build
from dehaze_jax.methods.nedr.networks import Networks, find_airlight
from dehaze_jax.methods.nedr.objective import CRITICS, DEPTH, GENERATORS
from dehaze_jax.storage import Checkpoints

RATE = 1e-3
OPTIMISER = OptimiserConfig(
    learning_rate=RATE, warmup_steps=0, schedule="constant", clip_norm=0.0, ema_decay=0.9
)
BATCH = {"hazy": jnp.asarray(pictures(1, 2, 64, 64)), "clear": jnp.asarray(pictures(2, 2, 64, 64))}
KEY = jax.random.key(3)
WEIGHTS = NedrObjectiveConfig(
    adversarial_weight=0.3,
    cycle_weight=1.5,
    density_weight=0.7,
    range_weight=0.4,
    depth_rate=0.5,
)
CONFIG = dataclasses.replace(TINY, objective=WEIGHTS)


METHOD = build(CONFIG, OPTIMISER)
train_step = jax.jit(METHOD.train_step)


@functools.cache
def first_step():
    state = METHOD.start(variables_of(TINY))
    return state, *train_step(state, BATCH, KEY)


def apply(variables, function):
    """Runs networks in training; what they return, and variables with new statistics."""
    collections = ["batch_stats", "spectral"]
    result, new = Networks(CONFIG).apply(variables, method=function, mutable=collections)
    return result, {**variables, **new}


def replace(variables, name, params):
    return {**variables, "params": {**variables["params"], name: params}}


def plain_step(variables, drawn):
    """D4's step as it is described: everything forward, then three losses one after the other."""
    hazy, clear = BATCH["hazy"], BATCH["clear"]

    def forward(params):
        mixed = {**variables, "params": {**variables["params"], **params}}

        def run(net):
            scene = net.find_scene(hazy, train=True)
            air = find_airlight(CONFIG, hazy)
            fake_clear = jnp.clip(haze.invert(hazy, scene.transmission, air), 0, 1)
            depth = -jnp.log(scene.transmission) / scene.density[:, None, None]
            found = net.find_depth(fake_clear, train=True)
            hazy_again = net.add_haze(fake_clear, found, scene.density, train=True)
            fake_hazy = net.add_haze(clear, net.find_depth(clear, train=True), drawn, train=True)
            again = net.find_scene(fake_hazy, train=True)
            air = find_airlight(CONFIG, fake_hazy)
            clear_again = jnp.clip(haze.invert(fake_hazy, again.transmission, air), 0, 1)
            excess = jnp.mean(scene.excess) + jnp.mean(again.excess)
            return fake_clear, fake_hazy, depth, hazy_again, clear_again, again.density, excess

        return apply(mixed, run)

    generators = {name: variables["params"][name] for name in ("scene", "haze")}
    fakes, after = jax.jit(forward)(generators)
    fake_clear, fake_hazy, depth = fakes[:3]

    # The critics see what is made as it is.
    critics = {name: variables["params"][name] for name in ("clear_critic", "hazy_critic")}

    def critics_loss(params):
        mixed = {**after, "params": {**after["params"], **params}}

        def run(net):
            judged = [
                (net.clear_critic(clear, train=True), net.clear_critic(fake_clear, train=True)),
                (net.hazy_critic(hazy, train=True), net.hazy_critic(fake_hazy, train=True)),
            ]
            losses = [
                jnp.mean((real - 1) ** 2) / 2 + jnp.mean(fake**2) / 2 for real, fake in judged
            ]
            return losses[0] + losses[1]

        return apply(mixed, run)

    (judged, after), gradients = jax.jit(jax.value_and_grad(critics_loss, has_aux=True))(critics)
    every = dict(gradients)
    critics = adam(critics, gradients, 0.1 * RATE)
    after = {**after, "params": {**variables["params"], **critics}}

    def generators_loss(params):
        (fake_clear, fake_hazy, _, hazy_again, clear_again, density, excess), _ = forward(params)

        def run(net):
            return net.clear_critic(fake_clear, train=True), net.hazy_critic(fake_hazy, train=True)

        (first, second), new = apply(after, run)
        adversarial = jnp.mean((first - 1) ** 2) / 2 + jnp.mean((second - 1) ** 2) / 2
        cycle = jnp.mean(jnp.abs(clear - clear_again)) + jnp.mean(jnp.abs(hazy - hazy_again))
        drawn_again = jnp.mean((density - drawn) ** 2)
        return 0.3 * adversarial + 1.5 * cycle + 0.7 * drawn_again + 0.4 * excess, new

    (loss, after), gradients = jax.jit(jax.value_and_grad(generators_loss, has_aux=True))(
        generators
    )
    every |= gradients
    generators = adam(generators, gradients, RATE)
    params = {**after["params"], **generators}

    def depth_loss(params):
        mixed = replace(after, "depth", params)
        found, new = apply(mixed, lambda net: net.find_depth(fake_clear, train=True))
        return jnp.mean(jnp.abs(found - depth)), new

    depth_params = params["depth"]
    (apart, after), gradients = jax.jit(jax.value_and_grad(depth_loss, has_aux=True))(depth_params)
    every["depth"] = gradients
    params["depth"] = adam(depth_params, gradients, 0.5 * RATE)
    return {**after, "params": params}, {"loss": loss, "critics": judged, "depth": apart}, every


def adam(params, gradients, rate):
    """The first step of Adam moves every value by the rate, against the sign of its gradient."""
    with jax.numpy_dtype_promotion("standard"):
        optimiser = optax.adam(rate)
        updates, _ = optimiser.update(gradients, optimiser.init(params), params)
    return optax.apply_updates(params, updates)


@pytest.mark.timeout(900)
def test_step_equals_the_plain_one():
    _, state, scalars = first_step()
    density_key, _ = jax.random.split(KEY)
    drawn = jax.random.uniform(density_key, (2,), jnp.float32, *CONFIG.density)
    expected, losses, gradients = plain_step(variables_of(TINY), drawn)
    ours = {
        "loss": scalars["loss"],
        "critics": scalars["critic_clear"] + scalars["critic_hazy"],
        "depth": scalars["depth"],
    }
    for name, loss in losses.items():
        np.testing.assert_allclose(ours[name], loss, rtol=1e-5, err_msg=name)
    for part, names in {"generators": GENERATORS, "critics": CRITICS, "depth": DEPTH}.items():
        moments = optax.tree.get(state.opt_state[part], "mu")
        for name in names:
            compare_gradients(moments[name], gradients[name], share=1 - OPTIMISER.b1)
        own = {name: gradients[name] for name in names}
        norm = optax.tree.norm(own)
        np.testing.assert_allclose(scalars[f"gradient_norm_{part}"], norm, rtol=1e-4)
    params = expected.pop("params")
    compare(state.variables["params"], params, gradients, atol=2e-5)
    others = {name: state.variables[name] for name in expected}
    compare(others, expected, jax.tree.map(np.ones_like, expected), atol=2e-5)


def compare_gradients(moments, gradients, *, share):
    """Adam's first moment is that share of the gradient."""
    for (path, ours), theirs in zip(
        jax.tree.leaves_with_path(moments), jax.tree.leaves(gradients), strict=True
    ):
        name = jax.tree_util.keystr(path)
        largest = np.abs(theirs).max()
        atol = 1e-3 * largest + 1e-7
        np.testing.assert_allclose(ours / share, theirs, atol=atol, rtol=1e-3, err_msg=name)


def compare(ours, theirs, gradients, *, atol):
    """Where a gradient is next to nothing, Adam's first step is as long, and its sign is chance."""
    leaves = zip(*map(jax.tree.leaves, (theirs, gradients)), strict=True)
    for (path, our), (their, gradient) in zip(jax.tree.leaves_with_path(ours), leaves, strict=True):
        counts = np.abs(np.asarray(gradient)) > 1e-5
        name = jax.tree_util.keystr(path)
        our, their = np.asarray(our)[counts], np.asarray(their)[counts]
        np.testing.assert_allclose(our, their, atol=atol, err_msg=name)


def test_every_network_moves_by_its_own_rate():
    before, after, _ = first_step()
    rates = {"scene": 1, "haze": 1, "depth": 0.5, "clear_critic": 0.1, "hazy_critic": 0.1}
    for name, share in rates.items():
        moved = jax.tree.map(
            lambda a, b: np.abs(a - b).max(),
            before.variables["params"][name],
            after.variables["params"][name],
        )
        largest = max(jax.tree.leaves(moved))
        np.testing.assert_allclose(largest, share * RATE, rtol=1e-2)


def test_every_part_of_every_network_learns():
    """Of a few channels some may be dead; not those of a whole part."""
    before, after, _ = first_step()
    for name, parts in after.variables["params"].items():
        for part, params in parts.items():
            moved = jax.tree.map(
                lambda a, b: float(np.abs(a - b).max()),
                before.variables["params"][name][part],
                params,
            )
            assert max(jax.tree.leaves(moved)) > 0, f"{name}/{part}"


def test_a_checkpoint_keeps_every_bit_of_the_state(tmp_path):
    """Three optimisers, statistics and singular vectors beside the parameters."""
    _, state, _ = first_step()
    place = jax.sharding.SingleDeviceSharding(jax.devices()[0])
    shapes = jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=place), state
    )
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(1, state, {})
        checkpoints.wait()
        restored, _ = checkpoints.restore(shapes)
    jax.tree.map(np.testing.assert_array_equal, jax.device_get(restored), jax.device_get(state))


def test_average_covers_statistics():
    before, after, _ = first_step()
    keep = min(0.9, 1 / 10)
    expected = jax.tree.map(
        lambda a, b: keep * np.asarray(a) + (1 - keep) * np.asarray(b),
        before.ema,
        after.variables,
    )
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), after.ema, expected
    )
    assert int(after.step) == 1


def test_densities_are_drawn_anew_by_the_key():
    state = METHOD.start(variables_of(TINY))
    other = train_step(state, BATCH, jax.random.key(4))[1]
    assert abs(float(other["density"]) - float(first_step()[2]["density"])) > 1e-4
    again = train_step(state, BATCH, KEY)[1]
    assert float(again["density"]) == float(first_step()[2]["density"])


@pytest.mark.parametrize(("step", "share"), [(1, 1.0), (2, 1.0), (3, 0.5)])
def test_generators_learn_at_half_the_rate_later(step, share):
    """With one gradient for ever, Adam's every step is of the length of the rate."""
    from dehaze_jax.methods.nedr.training import make_optimisers

    config = dataclasses.replace(CONFIG, objective=NedrObjectiveConfig(halve_at=2))
    optimisers = make_optimisers(config, OPTIMISER, 10)
    params = {"x": jnp.ones(3)}
    lengths = {}
    for part in ("generators", "critics"):
        opt_state = optimisers[part].init(params)
        with jax.numpy_dtype_promotion("standard"):
            for _ in range(step):
                updates, opt_state = optimisers[part].update({"x": jnp.ones(3)}, opt_state, params)
        lengths[part] = -float(updates["x"][0])
    np.testing.assert_allclose(lengths["generators"], share * RATE, rtol=1e-4)
    np.testing.assert_allclose(lengths["critics"], 0.1 * RATE, rtol=1e-4)
