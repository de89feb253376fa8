"""Training times and the matching loss."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from dehaze_jax import flow


def test_uniform_times(key):
    times = np.asarray(flow.sample_times(key, (4000,)))
    assert stats.kstest(times, "uniform").pvalue > 0.01


def test_logit_normal_times_have_their_median_early(key):
    times = np.asarray(flow.sample_times(key, (4000,), distribution="logit_normal"))
    logits = np.log(times) - np.log1p(-times)
    assert stats.kstest(logits + 1.0, "norm").pvalue > 0.01
    assert abs(np.median(times) - 0.27) < 0.02


@pytest.mark.parametrize("distribution", flow.TIME_DISTRIBUTIONS)
def test_times_depend_on_the_key_alone(key, distribution):
    first, again = (flow.sample_times(key, (2, 3), distribution=distribution) for _ in range(2))
    other = flow.sample_times(jax.random.key(1), (2, 3), distribution=distribution)
    assert first.shape == (2, 3)
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first, other)


PENALTIES = {"l2": np.square, "l1": np.abs, "charbonnier": lambda e: np.sqrt(e**2 + 1e-6)}


@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("on", ["velocity", "endpoint"])
def test_loss_equals_numpy(penalty, on):
    rng = np.random.default_rng(0)
    state, target = rng.normal(size=(2, 3, 4, 5, 3)).astype(np.float32)
    t = rng.uniform(size=3).astype(np.float32)

    def velocity(t, x, gain):
        return gain * x + t[:, None, None, None]

    ours = flow.matching_loss(
        velocity,
        jnp.float32(0.7),
        jnp.asarray(t),
        jnp.asarray(state),
        jnp.asarray(target),
        penalty=penalty,
        on=on,
    )
    error = 0.7 * state + t[:, None, None, None] - target
    if on == "endpoint":
        # Where the straight line from here ends, against where the path's velocity points.
        remaining = (1 - t)[:, None, None, None]
        error = (state + remaining * (error + target)) - (state + remaining * target)
    np.testing.assert_allclose(ours, PENALTIES[penalty](error).mean(axis=(1, 2, 3)), rtol=1e-4)


def test_the_velocity_of_the_path_costs_nothing():
    x = jnp.ones((2, 3, 3, 3))
    loss = flow.matching_loss(lambda t, x, params: 2 * x, None, jnp.zeros(2), x, 2 * x)
    np.testing.assert_array_equal(loss, 0)
