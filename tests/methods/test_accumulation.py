"""A batch in parts gives what the whole gives: values, gradients, and steps of the methods."""

import dataclasses
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P
from tiny_flow import TINY

from dehaze_jax.errors import InputError
from dehaze_jax.methods import BilateralConfig, NedrConfig, ObjectiveConfig, OptimiserConfig, build
from dehaze_jax.methods.accumulation import value_and_grad
from dehaze_jax.training.mesh import state_shardings

RNG = np.random.default_rng(0)
X, Y = (jnp.asarray(RNG.normal(size=(8, 3)), jnp.float32) for _ in range(2))


def squares(w, batch):
    x, y = batch
    errors = x * w[None] - y
    return jnp.mean(errors**2), {"bias": jnp.mean(errors), "x": x[0]}


@pytest.mark.parametrize("parts", [1, 2, 8])
def test_value_and_gradient_in_closed_form(parts):
    w = jnp.asarray([0.5, -1.0, 2.0])
    (value, others), gradient = value_and_grad(squares, w, (X, Y), parts=parts)
    x, y = np.asarray(X, np.float64), np.asarray(Y, np.float64)
    errors = x * np.asarray(w) - y
    np.testing.assert_allclose(value, np.mean(errors**2), rtol=1e-6)
    np.testing.assert_allclose(others["bias"], np.mean(errors), rtol=1e-5)
    np.testing.assert_allclose(gradient, 2 * np.mean(errors * x, axis=0) / 3, rtol=1e-5)
    # The first of each part: neighbours are in different parts.
    np.testing.assert_allclose(others["x"], np.mean(x[:parts], axis=0), rtol=1e-5)


@pytest.mark.devices
@pytest.mark.parametrize("shape", [(4, 1), (2, 2)], ids=["data", "data and space"])
def test_examples_stay_on_their_devices(shape):
    def objective(w, pictures):
        return jnp.mean((pictures * w) ** 2), {}

    mesh = Mesh(np.array(jax.devices()[:4]).reshape(shape), ("data", "space"))
    pictures = jax.ShapeDtypeStruct(
        (16, 8, 8, 3), jnp.float32, sharding=NamedSharding(mesh, P("data", "space"))
    )
    w = jax.ShapeDtypeStruct((1, 1, 1, 3), jnp.float32, sharding=NamedSharding(mesh, P()))
    both = jax.jit(lambda w, pictures: value_and_grad(objective, w, pictures, parts=4))
    text = both.lower(w, pictures).compile().as_text()
    # Only values and gradients are summed over the devices.
    kinds = r"\b(all-[a-z]+|collective-[a-z]+|reduce-scatter)(?:-start)?\("
    assert set(re.findall(kinds, text)) == {"all-reduce"}


FLOW = dataclasses.replace(TINY, objective=ObjectiveConfig(kind="matching", state_noise=0.1))
SLIM = BilateralConfig(
    backbone="tiny_flow:Pointwise", proxy_size=16, grid_size=4, grid_depth=2, width=8
)
CONFIGS = {"dehazeflow": FLOW, "bilateral": SLIM}


def make_method(config, parts):
    optimiser = OptimiserConfig(learning_rate=1e-2, warmup_steps=0, accumulate=parts)
    return build(config, optimiser, total_steps=10)


@pytest.fixture(scope="module")
def batch():
    clear = RNG.uniform(0.1, 0.7, (8, 16, 16, 3))
    hazy = 0.6 * clear + 0.4 * RNG.uniform(0.7, 0.95, (8, 1, 1, 1))
    return {"hazy": jnp.asarray(hazy, jnp.float32), "clear": jnp.asarray(clear, jnp.float32)}


def start(config):
    method = make_method(config, 1)
    shapes = jax.eval_shape(lambda key: method.init(key, {}), jax.random.key(0))
    rng = np.random.default_rng(1)
    # No layer at zero, behind which gradients would be zero and Adam's steps of their rounding.
    return method.start(
        jax.tree.map(lambda leaf: jnp.asarray(rng.normal(0, 0.1, leaf.shape), leaf.dtype), shapes)
    )


def two_steps(step, state, batch):
    for number in range(2):
        state, scalars = step(state, batch, jax.random.key(number))
    return state, scalars


@pytest.fixture(scope="module", params=CONFIGS)
def config(request):
    return CONFIGS[request.param]


@pytest.fixture(scope="module")
def whole(config, batch):
    return two_steps(jax.jit(make_method(config, 1).train_step), start(config), batch)


def assert_close(ours, theirs):
    (state, scalars), (expected, expected_scalars) = ours, theirs
    for name, value in expected_scalars.items():
        np.testing.assert_allclose(scalars[name], value, rtol=1e-4, atol=1e-6, err_msg=name)
    for name in ("variables", "opt_state", "ema"):
        pairs = zip(*(jax.tree.leaves(getattr(s, name)) for s in (state, expected)), strict=True)
        for one, other in pairs:
            np.testing.assert_allclose(one, other, atol=1e-5)


def test_two_steps_equal_those_of_the_whole_batch(config, whole, batch):
    step = jax.jit(make_method(config, 4).train_step)
    assert_close(two_steps(step, start(config), batch), whole)


@pytest.mark.devices
def test_parts_over_devices(config, whole, batch):
    mesh = Mesh(np.array(jax.devices()[:4]).reshape(2, 2), ("data", "space"))
    state = start(config)
    state = jax.device_put(state, state_shardings(mesh, jax.eval_shape(lambda: state), above=100))
    given = jax.device_put(batch, NamedSharding(mesh, P("data", "space")))
    step = jax.jit(make_method(config, 2).train_step)
    assert_close(two_steps(step, state, given), whole)


def test_a_value_that_is_not_finite_shows_from_any_part():
    (value, _), gradient = value_and_grad(
        squares, jnp.ones(3), (X.at[5, 0].set(jnp.nan), Y), parts=4
    )
    assert np.isnan(value)
    assert np.isnan(gradient[0])


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (BilateralConfig(size="released"), "size 'released' with guides 'curves'"),
        (BilateralConfig(guides="convolutions"), "size 'slim' with guides 'convolutions'"),
        (NedrConfig(), "nedr"),
    ],
)
def test_networks_that_normalise_by_the_batch_are_refused(config, words):
    expected = f"OptimiserConfig.accumulate: must be 1: {words} normalises by the batch"
    with pytest.raises(InputError, match=expected):
        build(config, OptimiserConfig(accumulate=2))
    build(config, OptimiserConfig())


def test_less_than_one_part_is_refused():
    with pytest.raises(InputError, match=r"OptimiserConfig\.accumulate: 0 must be at least 1"):
        OptimiserConfig(accumulate=0)
