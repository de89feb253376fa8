"""By a policy of bfloat16 only what is between parameters and results is in bfloat16."""

import dataclasses

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dehaze_jax.networks.normalisation import BatchNorm
from dehaze_jax.networks.precision import POLICIES, Policy, run

X = jnp.asarray(np.random.default_rng(0).normal(size=(2, 4, 4, 3)), jnp.float32)


class Inner(nn.Module):
    @nn.compact
    def __call__(self, x, *, train: bool):
        self.sow("seen", "x", x)
        x = nn.LayerNorm()(nn.Dense(5)(x))
        return BatchNorm()(x, train=train)


class Outer(nn.Module):
    policy: Policy

    @nn.compact
    def __call__(self, x, *, train: bool = True):
        return run(Inner(), x, policy=self.policy, train=train)


def init(name):
    variables = jax.jit(Outer(POLICIES[name]).init)(jax.random.key(0), X)
    return {kind: variables[kind] for kind in ("params", "batch_stats")}


def apply(policy, variables, train=True):
    mutable = ["batch_stats", "seen"]
    return Outer(policy).apply(variables, X, train=train, mutable=mutable)


apply = jax.jit(apply, static_argnums=(0, 2))
NARROW, EXACT = POLICIES["bfloat16"], POLICIES["float32"]


@pytest.fixture(scope="module")
def variables():
    return init("float32")


def test_parameters_start_the_same_and_in_float32(variables):
    jax.tree.map(np.testing.assert_array_equal, init("bfloat16"), variables)
    assert {leaf.dtype for leaf in jax.tree.leaves(init("bfloat16"))} == {jnp.dtype("float32")}


def test_features_are_narrow_and_results_and_statistics_are_not(variables):
    result, kept = apply(NARROW, variables)
    assert kept["seen"]["Inner_0"]["x"][0].dtype == jnp.bfloat16
    assert result.dtype == jnp.float32
    statistics = jax.tree.leaves(kept["batch_stats"])
    assert {leaf.dtype for leaf in statistics} == {jnp.dtype("float32")}
    exact, _ = apply(EXACT, variables)
    np.testing.assert_allclose(result, exact, atol=0.05)
    assert np.abs(result - exact).max() > 1e-4


def test_results_have_the_type_that_is_asked_for(variables):
    half = dataclasses.replace(NARROW, output=jnp.float16)
    assert apply(half, variables)[0].dtype == jnp.float16


def test_gradients_have_the_type_of_the_parameters(variables):
    def total(params):
        return jnp.sum(apply(NARROW, {**variables, "params": params})[0] ** 3)

    gradients = jax.eval_shape(jax.grad(total), variables["params"])
    assert {leaf.dtype for leaf in jax.tree.leaves(gradients)} == {jnp.dtype("float32")}


def test_options_reach_the_module(variables):
    batch, _ = apply(NARROW, variables)
    running, _ = apply(NARROW, variables, False)
    assert np.abs(running - batch).max() > 0.01


def test_the_policy_of_float32_is_the_module_alone(variables):
    class Plain(nn.Module):
        @nn.compact
        def __call__(self, x):
            return Inner()(x, train=False)

    ours = jax.make_jaxpr(lambda v: Outer(EXACT).apply(v, X, train=False))(variables)
    assert str(ours) == str(jax.make_jaxpr(lambda v: Plain().apply(v, X))(variables))


def test_statistics_of_narrow_features_are_sums_in_float32():
    """In bfloat16 a mean of so many ones and twos would stop growing at 256."""
    x = jnp.asarray(np.tile([1.0, 2.0], 2048).reshape(1, 64, 64, 1), jnp.bfloat16)
    norm = BatchNorm()
    variables = norm.init(jax.random.key(0), x, train=False)
    _, kept = norm.apply(variables, x, train=True, mutable=["batch_stats"])
    statistics = kept["batch_stats"]
    np.testing.assert_allclose(statistics["mean"], 0.1 * 1.5, rtol=1e-6)
    np.testing.assert_allclose(statistics["var"], 0.9 + 0.1 * 0.25 * 4096 / 4095, rtol=1e-6)
