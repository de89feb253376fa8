"""The protocol: summarise and render are one solve; strips, devices, training steps."""

import dataclasses
import sys
import types

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from tiny_flow import TINY, random_params

from dehaze_jax import flow
from dehaze_jax.errors import InputError
from dehaze_jax.methods import OptimiserConfig, RestoreOptions, Rows, build
from dehaze_jax.methods.dehazeflow.config import ObjectiveConfig
from dehaze_jax.methods.dehazeflow.field import Joint, joint_velocity, make_proxy

OBJECTIVE = ObjectiveConfig(rollout_solver="euler", ssim_weight=0.0)
CONFIG = dataclasses.replace(TINY, objective=OBJECTIVE)
RNG = np.random.default_rng(0)
IMAGE = jnp.asarray(RNG.uniform(0.2, 0.8, (1, 12, 13, 3)), jnp.float32)


@pytest.fixture(scope="module")
def method():
    return build(CONFIG, OptimiserConfig(learning_rate=1e-2, warmup_steps=0), total_steps=100)


@pytest.fixture(scope="module")
def variables():
    return random_params(CONFIG)


@pytest.fixture(scope="module")
def context(method, variables):
    return method.summarise(variables, IMAGE, RestoreOptions(num_steps=2))


@pytest.fixture(scope="module")
def render(method):
    return jax.jit(method.render)


@pytest.fixture(scope="module")
def whole(variables, context, render):
    return np.asarray(render(variables, context, IMAGE, Rows(0, 12, 13)))


@pytest.mark.parametrize("solver", ["euler", "rk4", "tsit5"])
def test_restoring_solves_the_joint_ode(solver, method, variables):
    options = RestoreOptions(solver=solver, num_steps=2)
    given = method.summarise(variables, IMAGE, options)
    ours = jax.jit(method.render)(variables, given, IMAGE, Rows(0, 12, 13))
    hazy_proxy = make_proxy(CONFIG, IMAGE)
    end, stats = jax.jit(
        lambda state, params: flow.integrate(
            lambda t, x, params: joint_velocity(CONFIG, params, t, x, hazy_proxy),
            state,
            params,
            solver=solver,
            num_steps=2,
        )
    )(Joint(hazy_proxy, IMAGE), variables)
    assert bool(stats.ok)
    assert np.abs(end.image - IMAGE).max() > 0.05
    np.testing.assert_allclose(ours, end.image, atol=1e-5)


def test_nothing_is_restored_before_training(method, render, key):
    variables = jax.jit(lambda key: method.init(key, {}))(key)
    given = method.summarise(variables, IMAGE, RestoreOptions(num_steps=2))
    restored = render(variables, given, IMAGE, Rows(0, 12, 13))
    np.testing.assert_allclose(restored, IMAGE, atol=1e-6)


def test_strips_equal_the_whole(variables, context, render, whole):
    parts = [
        render(variables, context, IMAGE[:, at : at + 4], Rows(at, 12, 13))
        for at in range(0, 12, 4)
    ]
    np.testing.assert_allclose(np.concatenate(parts, axis=1), whole, atol=1e-6)


def test_padding_on_the_right_changes_nothing(variables, context, render, whole):
    padded = jnp.pad(IMAGE, ((0, 0), (0, 0), (0, 3), (0, 0)), constant_values=0.5)
    restored = render(variables, context, padded, Rows(0, 12, 13))
    np.testing.assert_allclose(restored[:, :, :13], whole, atol=1e-6)


@pytest.mark.devices
def test_rows_over_devices_equal_one_device(variables, context, render, whole):
    mesh = Mesh(np.array(jax.devices()[:4]), ("space",))
    rows = NamedSharding(mesh, PartitionSpec(None, "space"))
    variables, context = jax.device_put((variables, context), NamedSharding(mesh, PartitionSpec()))
    restored = render(variables, context, jax.device_put(IMAGE, rows), Rows(0, 12, 13))
    assert restored.sharding.is_equivalent_to(rows, 4)
    np.testing.assert_allclose(restored, whole, atol=1e-6)


@pytest.fixture(scope="module")
def batch():
    """Four pairs under one uniform haze."""
    clear = RNG.uniform(0.1, 0.7, (4, 16, 16, 3))
    hazy = 0.6 * clear + 0.4 * 0.9
    return {"hazy": jnp.asarray(hazy, jnp.float32), "clear": jnp.asarray(clear, jnp.float32)}


@pytest.fixture(scope="module")
def train_step(method):
    return jax.jit(method.train_step)


@pytest.fixture(scope="module")
def state(method, variables):
    return method.start(variables)


@pytest.fixture(scope="module")
def first(train_step, state, batch):
    return train_step(state, batch, jax.random.key(0))


def test_scalars_of_a_training_step(first):
    after, scalars = first
    assert set(scalars) == {"loss", "matching", "rollout", "lut", "gradient_norm"}
    assert all(np.isfinite(value) for value in scalars.values())
    assert int(after.step) == 1


def test_every_parameter_moves(first, state):
    moved = jax.tree.map(lambda a, b: np.abs(a - b).max(), first[0].variables, state.variables)
    for path, change in jax.tree.leaves_with_path(moved):
        assert 0 < change < 0.02, jax.tree_util.keystr(path)


def test_the_loss_falls(first, train_step, batch):
    state, scalars = first
    begin = float(scalars["loss"])
    for step in range(12):
        state, scalars = train_step(state, batch, jax.random.key(step))
    assert float(scalars["loss"]) < 0.6 * begin


@pytest.mark.devices
@pytest.mark.parametrize("shape", [(4, 1), (2, 2)], ids=["data", "data and space"])
def test_a_batch_over_devices_equals_one_device(first, train_step, state, batch, shape):
    mesh = Mesh(np.array(jax.devices()[:4]).reshape(shape), ("data", "space"))
    everywhere = NamedSharding(mesh, PartitionSpec())
    sharded = jax.device_put(batch, NamedSharding(mesh, PartitionSpec("data", "space")))
    state, key = jax.device_put((state, jax.random.key(0)), everywhere)
    after, scalars = train_step(state, sharded, key)
    for name, value in first[1].items():
        np.testing.assert_allclose(scalars[name], value, rtol=1e-4, atol=1e-7)
    # Adam's first step is nearly the sign of the gradient: its state shows the gradients.
    for ours, theirs in zip(
        jax.tree.leaves(after.opt_state), jax.tree.leaves(first[0].opt_state), strict=True
    ):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)


class Deaf(nn.Module):
    """A backbone that does not give what it is asked for."""

    features: int
    width: int = 32

    @nn.compact
    def __call__(self, x, embedding):
        return nn.Dense(3)(x)


def test_a_backbone_of_another_size_is_refused(key, monkeypatch):
    monkeypatch.setitem(sys.modules, "deaf", types.SimpleNamespace(Deaf=Deaf))
    method = build(dataclasses.replace(TINY, backbone="deaf:Deaf"))
    with pytest.raises(InputError, match="deaf:Deaf: gives 3 features, not 8"):
        method.init(key, {})


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"proxy_size": 18}, "method.grid_size: 4 does not divide a quarter of proxy_size 18"),
        ({"grid_size": 3}, "method.grid_size: 3 does not divide a quarter of proxy_size 16"),
        ({"proxy_size": 0}, "method.proxy_size: must be at least 1"),
        ({"grid_size": 0}, "method.grid_size: must be at least 1"),
        ({"grid_depth": 0}, "method.grid_depth: must be at least 1"),
        ({"width": 0}, "method.width: must be at least 1"),
        ({"lut_count": 0}, "method.lut_count: must be at least 1"),
        ({"lut_size": 1}, "method.lut_size: must be at least 2"),
        ({"time_features": 7}, "method.time_features: must be even and at least 2"),
        ({"backbone": "resnet"}, "resnet: no such backbone"),
        (
            {"objective": ObjectiveConfig(rollout_steps=0)},
            "method.objective.rollout_steps: must be at least 1",
        ),
        ({"objective": ObjectiveConfig(rollout_solver="runge")}, "runge: no such solver"),
    ],
    ids=str,
)
def test_refusals(values, message):
    with pytest.raises(InputError, match=message):
        build(dataclasses.replace(TINY, **values))


def test_an_unknown_solver_is_refused_when_restoring(method, variables):
    with pytest.raises(InputError, match="runge: no such solver"):
        method.summarise(variables, IMAGE, RestoreOptions(solver="runge"))


@pytest.mark.parametrize("kind", ["matching", "rollout", "both"])
def test_a_picture_is_restored_by_the_solve_that_was_trained(kind):
    objective = ObjectiveConfig(kind=kind, rollout_solver="midpoint", rollout_steps=2)
    method = build(dataclasses.replace(CONFIG, objective=objective))
    trained = RestoreOptions(solver="midpoint", num_steps=2)
    assert method.options == (RestoreOptions() if kind == "matching" else trained)


@pytest.mark.parametrize(
    ("solver", "steps", "count"), [("rk4", 4, 16), ("euler", 1, 1), ("tsit5", 3, 18)]
)
def test_restoring_counts_its_evaluations(solver, steps, count, method, variables):
    options = RestoreOptions(solver=solver, num_steps=steps)
    assert method.evaluations(options) == count
    controls = method.summarise(variables, IMAGE, options).controls
    assert controls.gate.shape[0] * controls.gate.shape[1] == count
