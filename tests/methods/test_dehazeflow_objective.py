"""The objective: closed forms for a field that moves nothing, and every value has its effect."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from tiny_flow import TINY, random_params

from dehaze_jax import flow, lut, metrics
from dehaze_jax.haze.airlight import estimate_airlight
from dehaze_jax.methods.dehazeflow.config import ObjectiveConfig
from dehaze_jax.methods.dehazeflow.field import Joint, joint_velocity, make_proxy
from dehaze_jax.methods.dehazeflow.objective import draw, loss, path_sample

KEY = jax.random.key(3)


def make_batch(**extra):
    rng = np.random.default_rng(0)
    clear = rng.uniform(0.1, 0.7, (2, 16, 16, 3))
    transmission = rng.uniform(0.3, 0.9, (2, 16, 16, 1))
    airlight = rng.uniform(0.8, 0.95, (2, 3))
    hazy = clear * transmission + airlight[:, None, None] * (1 - transmission)
    arrays = {"hazy": hazy, "clear": clear, "transmission": transmission, "airlight": airlight}
    return {name: jnp.asarray(array, jnp.float32) for name, array in arrays.items()}


BATCH = make_batch()
PAIRS = {name: BATCH[name] for name in ("hazy", "clear")}


def configured(**values):
    return dataclasses.replace(TINY, objective=ObjectiveConfig(**values))


@functools.cache
def still():
    """Parameters of a field that moves nothing."""
    return jax.tree.map(jnp.zeros_like, random_params(TINY))


def parts(params, batch=PAIRS, **values):
    config = configured(**values)
    drawn = draw(config, batch, KEY)
    total, scalars = jax.jit(lambda params, batch: loss(config, params, batch, drawn))(
        params, batch
    )
    assert float(total) == float(scalars["loss"])
    return {name: float(value) for name, value in scalars.items()}


DIFFERENCE = np.asarray(BATCH["clear"] - BATCH["hazy"], np.float64)
PENALTIES = {"l2": np.square, "l1": np.abs, "charbonnier": lambda e: np.sqrt(e**2 + 1e-6)}


class TestMatching:
    @pytest.mark.parametrize("penalty", PENALTIES)
    def test_penalty(self, penalty):
        ours = parts(still(), kind="matching", penalty=penalty)
        assert set(ours) == {"loss", "matching", "lut"}
        assert ours["matching"] == pytest.approx(PENALTIES[penalty](DIFFERENCE).mean(), rel=1e-4)

    @pytest.mark.parametrize("times", flow.TIME_DISTRIBUTIONS)
    def test_times_and_endpoint(self, times):
        """The end that a field points to counts (1 - t)^2 of the velocity's error."""
        t = flow.sample_times(jax.random.split(KEY)[0], (2,), distribution=times)
        remaining = (1 - np.asarray(t, np.float64)) ** 2
        expected = np.mean(remaining * np.mean(DIFFERENCE**2, axis=(1, 2, 3)))
        ours = parts(still(), kind="matching", times=times, on="endpoint")
        assert ours["matching"] == pytest.approx(expected, rel=1e-4)

    def test_scattering_path(self):
        config = configured(kind="matching", path="scattering")
        t = flow.sample_times(jax.random.split(KEY)[0], (2,))
        _, target = path_sample(config, BATCH, t)
        ours = parts(still(), BATCH, kind="matching", path="scattering")
        assert ours["matching"] == pytest.approx(float(jnp.mean(target**2)), rel=1e-4)
        assert ours["matching"] != pytest.approx(np.mean(DIFFERENCE**2), rel=1e-2)

    def test_noise_on_the_states(self):
        params = random_params(TINY)
        plain, noisy = (
            parts(params, kind="matching", state_noise=noise)["matching"] for noise in (0.0, 0.1)
        )
        assert plain != pytest.approx(noisy, rel=1e-3)


class TestPathSample:
    T = jnp.asarray([0.3, 0.8])

    def test_known_transmission_and_airlight_are_used(self):
        ours = path_sample(configured(path="scattering"), BATCH, self.T)
        expected = flow.scattering_path(
            BATCH["hazy"],
            BATCH["clear"],
            self.T,
            transmission=BATCH["transmission"],
            airlight=BATCH["airlight"],
        )
        jax.tree.map(np.testing.assert_array_equal, ours, expected)

    def test_unknown_ones_are_estimated(self):
        ours = path_sample(configured(path="scattering"), PAIRS, self.T)
        airlight = estimate_airlight(PAIRS["hazy"])
        transmission = flow.pair_transmission(PAIRS["hazy"], PAIRS["clear"], airlight)
        expected = flow.scattering_path(
            PAIRS["hazy"], PAIRS["clear"], self.T, transmission=transmission, airlight=airlight
        )
        jax.tree.map(np.testing.assert_array_equal, ours, expected)

    def test_linear_path_needs_neither(self):
        for batch in (BATCH, PAIRS):
            ours = path_sample(configured(path="linear"), batch, self.T)
            expected = flow.linear_path(PAIRS["hazy"], PAIRS["clear"], self.T)
            jax.tree.map(np.testing.assert_array_equal, ours, expected)


class TestRollout:
    @pytest.mark.parametrize("ssim_weight", [0.0, 0.5])
    def test_of_a_field_that_moves_nothing(self, ssim_weight):
        ours = parts(still(), kind="rollout", rollout_solver="euler", ssim_weight=ssim_weight)
        assert set(ours) == {"loss", "rollout", "lut"}
        similarity = float(jnp.mean(metrics.ssim(PAIRS["hazy"], PAIRS["clear"])))
        expected = np.abs(DIFFERENCE).mean() + ssim_weight * (1 - similarity)
        assert ours["rollout"] == pytest.approx(expected, rel=1e-4)

    def test_solver_and_steps(self):
        params = random_params(TINY)
        found = [
            parts(params, kind="rollout", ssim_weight=0.0, rollout_solver=s, rollout_steps=n)
            for s, n in (("euler", 1), ("euler", 2), ("midpoint", 1))
        ]
        losses = [one["rollout"] for one in found]
        assert min(abs(a - b) for a, b in zip(losses, losses[1:] + losses[:1], strict=True)) > 1e-6

    def test_gradients(self):
        """In full, by finite differences; direct, by those of a sum over states that stay as they
        were."""
        params = random_params(TINY)
        direction = jax.tree.map(
            lambda leaf: jnp.cos(jnp.arange(leaf.size)).reshape(leaf.shape), params
        )
        first = Joint(make_proxy(TINY, PAIRS["hazy"]), PAIRS["hazy"])
        velocity = jax.jit(lambda params, t, x: joint_velocity(TINY, params, t, x, first.proxy))

        def end(given, second=None):
            """Two Euler steps; the second from its own state unless one is given."""
            slope = velocity(given, 0.0, first)
            second = second or jax.tree.map(lambda x, v: x + 0.5 * v, first, slope)
            return first.image + 0.5 * (slope.image + velocity(given, 0.5, second).image)

        kept = jax.tree.map(lambda x, v: x + 0.5 * v, first, velocity(params, 0.0, first))

        def slope_of(value):
            """Of the mean absolute error, along the direction."""
            errors = [
                value(jax.tree.map(lambda p, d, step=step: p + step * d, params, direction))
                - PAIRS["clear"]
                for step in (3e-4, -3e-4)
            ]
            up, down = (np.abs(np.asarray(error, np.float64)).mean() for error in errors)
            return (up - down) / 6e-4

        expected = {"full": slope_of(end), "direct": slope_of(lambda p: end(p, kept))}
        found = {}
        for gradient in expected:
            config = configured(
                kind="rollout",
                ssim_weight=0.0,
                rollout_solver="euler",
                rollout_steps=2,
                rollout_gradient=gradient,
            )
            drawn = draw(config, PAIRS, KEY)
            part = jax.grad(lambda p, c=config, d=drawn: loss(c, p, PAIRS, d)[1]["rollout"])
            by = jax.jit(part)(params)
            found[gradient] = float(optax.tree.vdot(by, direction))
        assert found == pytest.approx(expected, rel=2e-2)
        assert found["full"] != pytest.approx(found["direct"], rel=5e-2)

    def test_sum_with_matching(self):
        ours = parts(still(), rollout_solver="euler", ssim_weight=0.0, rollout_weight=3.0)
        assert set(ours) == {"loss", "matching", "rollout", "lut"}
        expected = np.mean(DIFFERENCE**2) + 3 * np.abs(DIFFERENCE).mean()
        assert ours["loss"] == pytest.approx(expected, rel=1e-4)


def test_penalties_on_the_tables():
    table = 3 * random_params(TINY)["lut"]
    params = {**still(), "lut": table}
    whole = table[0] + lut.identity(5)
    smooth, monotone = float(lut.smoothness(whole)), float(lut.monotonicity(whole))
    ours = parts(params, kind="matching", lut_smoothness=0.5, lut_monotonicity=0.0)
    assert ours["lut"] == pytest.approx(0.5 * smooth, rel=1e-4)
    ours = parts(params, kind="matching", lut_smoothness=0.0, lut_monotonicity=2.0)
    assert ours["lut"] == pytest.approx(2 * monotone, rel=1e-4)
    assert monotone > 0.01


def test_no_table_no_penalty():
    config = dataclasses.replace(configured(kind="matching"), lut_mode="none")
    shapes = jax.eval_shape(
        lambda p: loss(config, p, PAIRS, draw(config, PAIRS, KEY)), random_params(config)
    )
    assert set(shapes[1]) == {"loss", "matching"}
