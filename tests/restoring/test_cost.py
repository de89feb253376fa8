"""Counts against sums by hand, and against those of the published bilateral network."""

import dataclasses

import flax.linen as nn
import jax
import jax.numpy as jnp
import pytest

from dehaze_jax.methods import (
    RELEASED,
    BilateralConfig,
    DehazeFlowConfig,
    Method,
    RestoreOptions,
    build,
)
from dehaze_jax.restoring.cost import count_cost, count_work


class Net(nn.Module):
    @nn.compact
    def __call__(self, x):
        x = nn.Conv(5, (3, 3))(x[None])[0]
        return nn.Dense(3)(x) * 2


def toy(repeats):
    net = Net()

    def apply(variables, x):
        def body(x, _):
            return jax.lax.cond(
                x[0, 0, 0] > 0, lambda: net.apply(variables, x), lambda: x * x
            ), None

        return jax.lax.scan(body, x, length=repeats)[0]

    return Method(
        name="toy",
        init=lambda key, batch: net.init(key, jnp.zeros(batch["hazy"].shape)),
        start=lambda variables: variables,
        train_step=lambda state, batch, key: (state, {}),
        summarise=lambda variables, hazy, options: jnp.sum(net.apply(variables, hazy)),
        render=lambda variables, context, rows, where: apply(variables, rows),
        overview=4,
    )


def test_counts_by_hand():
    cost = count_cost(toy(3), 8, 12)
    assert cost.parameters == 9 * 3 * 5 + 5 + 5 * 3 + 3
    small = 4 * 6  # the picture may be reduced to four rows
    assert cost.summarise == {
        "convolutions": small * 9 * 3 * 5,
        "matrix products": small * 5 * 3,
        "elementwise": small * 3,
    }
    # Of the two ways the cheaper, three times.
    assert cost.render == {
        "convolutions": 0,
        "matrix products": 0,
        "elementwise": 3 * 8 * 12 * 3,
    }


def test_the_published_bilateral_network():
    """40.1 and 62.6 G in the U-Nets, 9,195 a pixel."""
    cost = count_cost(build(RELEASED), 216, 384)
    assert cost.parameters == 34_547_654  # without the one that is used nowhere
    assert cost.summarise["convolutions"] == pytest.approx(102.7e9, rel=1e-3)
    assert cost.render["convolutions"] == 9_195 * 216 * 384


def test_slim_is_cheap_at_full_size():
    cost = count_cost(build(BilateralConfig()), 216, 384)
    assert sum(cost.render.values()) < 400 * 216 * 384
    curves = build(dataclasses.replace(BilateralConfig(), guides="convolutions"))
    guides = count_cost(curves, 216, 384).render["convolutions"]
    assert guides == 7_392 * 216 * 384


def test_a_flow_costs_its_evaluations():
    method = build(DehazeFlowConfig(width=8, proxy_size=16, grid_size=4))
    few, many = (
        count_cost(method, 32, 32, RestoreOptions(solver="euler", num_steps=steps)).render
        for steps in (2, 4)
    )
    assert many["elementwise"] == pytest.approx(2 * few["elementwise"], rel=0.05)


def test_any_function_is_counted():
    def loss(w, x):
        return jnp.sum(jnp.tanh(x @ w))

    shapes = [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in ((3, 5), (4, 3))]
    assert count_work(loss, *shapes)["matrix products"] == 4 * 3 * 5
    # The gradient in w is one product more of the same size, that in x another.
    assert count_work(jax.grad(loss), *shapes)["matrix products"] == 2 * 4 * 3 * 5
    assert count_work(jax.grad(loss, argnums=(0, 1)), *shapes)["matrix products"] == 3 * 4 * 3 * 5
