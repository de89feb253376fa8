"""The velocity field: nothing moves before training; afterwards every configured part does."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tiny_flow import TINY, random_params

from dehaze_jax import image as im
from dehaze_jax import lut
from dehaze_jax.methods.dehazeflow.field import (
    Joint,
    control,
    init_params,
    joint_velocity,
    make_proxy,
    pixel_velocity,
    tables,
)

RNG = np.random.default_rng(0)
IMAGE = jnp.asarray(RNG.uniform(0.1, 0.9, (2, 9, 13, 3)), jnp.float32)
PROXY = jnp.asarray(RNG.uniform(0.1, 0.9, (2, 16, 16, 3)), jnp.float32)
HAZY_PROXY = jnp.asarray(RNG.uniform(0.1, 0.9, (2, 16, 16, 3)), jnp.float32)


def fields(**values):
    return dataclasses.replace(TINY, **values)


MODES = ("additive", "composed", "concat", "none")


# Every pair of values of any two fields occurs.
@pytest.mark.parametrize(
    ("mode", "count", "time", "hazy", "depth"),
    [
        ("additive", 1, "film", True, 1),
        ("additive", 2, "channel", False, 8),
        ("composed", 1, "film", False, 8),
        ("composed", 2, "channel", True, 1),
        ("concat", 1, "channel", True, 8),
        ("concat", 2, "film", False, 1),
        ("none", 1, "channel", False, 1),
        ("none", 2, "film", True, 8),
    ],
)
def test_nothing_moves_before_training(mode, count, time, hazy, depth, key):
    config = fields(
        lut_mode=mode,
        lut_count=count,
        time_conditioning=time,
        condition_on_hazy=hazy,
        grid_depth=depth,
    )

    @jax.jit
    def velocity(key):
        state = Joint(PROXY, IMAGE)
        return joint_velocity(config, init_params(config, key), 0.3, state, HAZY_PROXY)

    for leaf in velocity(key):
        np.testing.assert_allclose(leaf, 0, atol=1e-6)


class TestControl:
    """What the networks' output depends on."""

    @staticmethod
    def evaluate(config, t=0.2, proxy=PROXY, hazy_proxy=HAZY_PROXY, **changes):
        params = random_params(config)
        for name, change in changes.items():
            params[name] = jax.tree.map(lambda leaf, change=change: leaf + change, params[name])
        return jax.jit(lambda params, t, proxy, hazy: control(config, params, t, proxy, hazy))(
            params, t, proxy, hazy_proxy
        )

    @staticmethod
    def differ(a, b):
        return float(np.abs(np.asarray(a) - np.asarray(b)).max()) > 1e-4

    @pytest.mark.parametrize("time_conditioning", ["film", "channel"])
    def test_time(self, time_conditioning):
        config = fields(time_conditioning=time_conditioning)
        early, late = (self.evaluate(config, t) for t in (0.1, 0.9))
        assert self.differ(early.grid, late.grid)
        assert self.differ(early.gate, late.gate)

    def test_time_of_each_image(self):
        both = self.evaluate(TINY, jnp.asarray([0.1, 0.9]))
        for index, t in enumerate((0.1, 0.9)):
            one = self.evaluate(TINY, t)
            np.testing.assert_allclose(both.grid[index], one.grid[index], atol=1e-5)

    @pytest.mark.parametrize("condition_on_hazy", [False, True])
    def test_hazy_image(self, condition_on_hazy):
        config = fields(condition_on_hazy=condition_on_hazy)
        one, other = (self.evaluate(config, hazy_proxy=hazy) for hazy in (HAZY_PROXY, PROXY))
        assert self.differ(one.grid, other.grid) == condition_on_hazy

    @pytest.mark.parametrize("mode", MODES[:3])
    def test_table(self, mode):
        """The purifier reads the looked-up proxy in one mode only."""
        config = fields(lut_mode=mode)
        moved = self.evaluate(config, lut=0.3)
        assert self.differ(self.evaluate(config).grid, moved.grid) == (mode == "concat")

    def test_mixture_of_tables(self):
        config = fields(lut_count=3)
        one, later = self.evaluate(config), self.evaluate(config, t=0.9)
        brighter = self.evaluate(config, proxy=PROXY * 0.2)
        np.testing.assert_allclose(np.sum(one.mix, axis=-1), 1, atol=1e-6)
        assert self.differ(one.mix, later.mix)
        assert self.differ(one.mix, brighter.mix)

    def test_gate_is_between_zero_and_two(self):
        gate = self.evaluate(TINY, purifier=3.0).gate
        assert (gate >= 0).all()
        assert (gate <= 2).all()

    @pytest.mark.parametrize(
        "values",
        [
            {"proxy_size": 32},
            {"grid_size": 2},
            {"grid_depth": 3},
            {"backbone": "residual"},
            {"width": 12},
            {"time_features": 4},
            {"lut_size": 3},
            {"lut_count": 2},
        ],
        ids=lambda values: next(iter(values)),
    )
    def test_sizes_reach_parameters_or_grid(self, values):
        config = fields(**values)

        def shapes(config):
            proxy = jnp.zeros((1, config.proxy_size, config.proxy_size, 3))

            def both(key):
                params = init_params(config, key)
                given = control(config, params, 0.0, proxy, proxy)
                return params, given, make_proxy(config, IMAGE)

            return jax.tree.map(lambda leaf: leaf.shape, jax.eval_shape(both, jax.random.key(0)))

        assert shapes(config) != shapes(TINY)
        grid = shapes(config)[1].grid
        assert grid == (1, config.grid_size, config.grid_size, config.grid_depth, 12)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("count", [1, 2])
def test_velocity_of_a_pixel(mode, count):
    """Against the formula of each mode, from public parts."""
    config = fields(lut_mode=mode, lut_count=count)
    params = random_params(config)
    given = TestControl.evaluate(config)
    ours = jax.jit(lambda image: pixel_velocity(config, params, given, image))(IMAGE)

    weights, bias = params["guide"]["weights"], params["guide"]["bias"]
    guide = jnp.sum(IMAGE * weights[None, None, None], axis=-1) + bias
    purified = im.slice_apply(given.grid, IMAGE, guide)
    if mode in ("concat", "none"):
        expected = purified
    else:
        mixed = jnp.einsum("bn,nxyzc->bxyzc", given.mix, tables(config, params))
        if mode == "composed":
            expected = lut.apply(mixed, IMAGE + purified) - IMAGE
        else:
            expected = purified + given.gate[:, None, None] * (lut.apply(mixed, IMAGE) - IMAGE)
    np.testing.assert_allclose(ours, expected, atol=1e-5)
    assert np.abs(ours).max() > 0.01


@pytest.mark.parametrize("depth", [1, 2])
def test_guide_is_learnt_unless_the_grid_is_flat(depth):
    config = fields(grid_depth=depth)
    params = random_params(config)
    given = TestControl.evaluate(config)
    velocity = jax.jit(lambda params: pixel_velocity(config, params, given, IMAGE))
    other = {**params, "guide": {"weights": jnp.full(3, 0.4), "bias": jnp.float32(0.1)}}
    assert TestControl.differ(velocity(params), velocity(other)) == (depth > 1)


def test_guide_starts_as_luma(key):
    guide = init_params(TINY, key)["guide"]
    ours = jnp.sum(IMAGE * guide["weights"][None, None, None], axis=-1) + guide["bias"]
    np.testing.assert_allclose(ours, im.luma(IMAGE), atol=1e-5)
