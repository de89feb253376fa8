"""What is drawn against what is configured: distributions, probabilities, independence."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from dehaze_jax import haze
from dehaze_jax.haze.config import (
    FalloffConfig,
    GammaConfig,
    GradientConfig,
    HazeConfig,
    JpegConfig,
    NightConfig,
    NoiseConfig,
    PatchConfig,
)

COUNT = 4000
ALL = HazeConfig(
    tint=0.02,
    airlight=(0.5, 0.9),
    patches=PatchConfig(probability=1.0),
    falloff=FalloffConfig(probability=1.0),
    gradient=GradientConfig(probability=1.0),
    night=NightConfig(probability=1.0, lamps=2),
    gamma=GammaConfig(probability=1.0),
    noise=NoiseConfig(probability=1.0),
    jpeg=JpegConfig(probability=1.0, quality=(40, 49)),
)


@functools.cache
def drawn(config):
    keys = jax.random.split(jax.random.key(5), COUNT)
    parameters = jax.jit(jax.vmap(functools.partial(haze.draw_haze, config=config)))(keys)
    return jax.tree.map(lambda value: np.asarray(value, np.float64), parameters)


def is_uniform(values, low, high):
    assert values.min() >= low - 1e-6
    assert values.max() <= high + 1e-6
    return scipy.stats.kstest(values, scipy.stats.uniform(low, high - low).cdf).pvalue > 1e-3


@pytest.mark.parametrize("name", ["reside_its", "haze4k", "ridcp"])
def test_beta_and_airlight_of_published_sets(name):
    config = haze.PRESETS[name]
    ours = drawn(config)
    assert is_uniform(ours.beta, *config.beta)
    if config.tint == 0:
        np.testing.assert_array_equal(ours.airlight[:, :1] + np.zeros(3), ours.airlight)
        assert is_uniform(ours.airlight[:, 0], *config.airlight)
    assert abs(np.corrcoef(ours.beta, ours.airlight[:, 0])[0, 1]) < 0.05


def test_grid_of_the_outdoor_set():
    config = haze.PRESETS["reside_ots"]
    ours = drawn(config)
    pairs, counts = np.unique(
        np.stack([ours.beta, ours.airlight[:, 0]]).round(4), axis=1, return_counts=True
    )
    grid = np.stack(np.meshgrid(config.beta, config.airlight, indexing="ij")).reshape(2, -1)
    np.testing.assert_allclose(pairs, grid[:, np.lexsort(grid[::-1])], atol=1e-6)
    assert scipy.stats.chisquare(counts).pvalue > 1e-3


def test_tint_is_around_the_brightness():
    day = dataclasses.replace(ALL, night=NightConfig())
    airlight = drawn(day).airlight
    difference = (airlight[:, 0] - airlight[:, 1]) / 0.04  # of two uniform numbers
    assert scipy.stats.kstest(difference, scipy.stats.triang(0.5, -1, 2).cdf).pvalue > 1e-3
    untinted = drawn(dataclasses.replace(day, tint=0.0)).airlight
    assert is_uniform(untinted[:, 0], *day.airlight)
    assert np.abs(airlight - untinted).max() <= 0.02 + 1e-6


def test_parts_are_uniform_in_their_ranges():
    ours = drawn(ALL)
    assert is_uniform(ours.horizon, 0.2, 0.5)
    assert is_uniform(ours.patches, *ALL.patches.strength)
    assert is_uniform(1 / ours.falloff, *ALL.falloff.height)
    assert is_uniform(np.hypot(*ours.gradient.T), *ALL.gradient.strength)
    assert is_uniform(np.arctan2(*ours.gradient.T), -np.pi, np.pi)
    assert is_uniform(ours.exposure, *ALL.night.exposure)
    assert is_uniform(ours.gamma, *ALL.gamma.exponent)
    levels, counts = np.unique(ours.jpeg_quality, return_counts=True)
    np.testing.assert_array_equal(levels, np.arange(40, 50))
    assert scipy.stats.chisquare(counts).pvalue > 1e-3


def test_noise_is_that_of_brooks():
    ours = drawn(ALL)
    shot, read = np.log(ours.shot_noise), np.log(ours.read_noise)
    assert is_uniform(shot, np.log(1e-4), np.log(0.012))
    scatter = (read - 2.18 * shot - 1.20) / 0.26
    assert scipy.stats.kstest(scatter, "norm").pvalue > 1e-3


def test_lamps():
    config = dataclasses.replace(ALL, farthest=3.0)
    lamps = drawn(config).lamps
    assert lamps.place.shape == (COUNT, 2, 2)
    night = config.night
    assert is_uniform(lamps.place[..., 0].ravel(), 0, 1)
    assert is_uniform(lamps.place[..., 1].ravel(), 0.05, 0.6)
    assert is_uniform(lamps.width.ravel(), *night.width)
    assert is_uniform(lamps.shape.ravel(), *night.shape)
    red, green, blue = lamps.colour.max(-1), lamps.colour[..., 1], lamps.colour[..., 2]
    assert red.min() >= 0.9 * night.brightness[0]
    assert red.max() <= night.brightness[1]
    assert np.mean(blue < green) > 0.8  # warm for the most part
    assert np.abs(np.corrcoef(lamps.place[..., 0].T)[0, 1]) < 0.05


NOTHING = {
    "patches": ("patches", 0),
    "falloff": ("falloff", 0),
    "gradient": ("gradient", 0),
    "night": ("exposure", 1),
    "gamma": ("gamma", 1),
    "noise": ("shot_noise", 0),
    "jpeg": ("jpeg_quality", 0),
}


@pytest.mark.parametrize("part", NOTHING)
def test_probability_of_a_part(part):
    field, nothing = NOTHING[part]

    def with_probability(probability):
        own = dataclasses.replace(getattr(ALL, part), probability=probability)
        return drawn(dataclasses.replace(ALL, **{part: own}))

    never, sometimes, always = (with_probability(p) for p in (0.0, 0.3, 1.0))
    assert np.all(getattr(never, field) == nothing)
    assert np.all(getattr(always, field) != nothing)
    has = np.asarray(getattr(sometimes, field) != nothing).reshape(COUNT, -1).any(1)
    assert scipy.stats.binomtest(int(has.sum()), COUNT, 0.3).pvalue > 1e-3
    # Where the part is, it is what it always was; the rest does not know.
    np.testing.assert_array_equal(getattr(sometimes, field)[has], getattr(always, field)[has])
    for other, (name, _) in NOTHING.items():
        if other != part:
            np.testing.assert_array_equal(getattr(sometimes, name), getattr(always, name))
    np.testing.assert_array_equal(sometimes.beta, always.beta)


def test_night_dims_the_airlight_and_day_has_no_lamps():
    half = dataclasses.replace(ALL, night=NightConfig(probability=0.5, lamps=2))
    day = drawn(dataclasses.replace(ALL, night=NightConfig(lamps=2)))
    ours = drawn(half)
    np.testing.assert_allclose(ours.airlight, day.airlight * ours.exposure[:, None], rtol=1e-5)
    by_night = ours.exposure < 1
    assert np.all(ours.lamps.colour[~by_night] == 0)
    assert np.all(ours.lamps.colour[by_night] > 0)
    # Pictures of the night need no dimming.
    bright = NightConfig(probability=1.0, exposure=(1.0, 1.0))
    assert np.all(drawn(dataclasses.replace(ALL, night=bright)).lamps.colour > 0)


def test_parts_are_drawn_independently():
    ours = drawn(ALL)
    columns = [
        ours.beta, ours.airlight[:, 0] / ours.exposure, ours.horizon, ours.patches, ours.falloff,
        *ours.gradient.T, ours.exposure, ours.gamma, np.log(ours.shot_noise), ours.jpeg_quality,
    ]  # fmt: skip
    correlation = np.corrcoef(np.stack(columns)) - np.eye(len(columns))
    assert np.abs(correlation).max() < 4.5 / np.sqrt(COUNT)


def test_a_key_gives_the_same_haze_again_and_another_another(key):
    first, again, other = (haze.draw_haze(k, config=ALL) for k in (key, key, jax.random.key(1)))
    jax.tree.map(np.testing.assert_array_equal, first, again)
    assert jnp.abs(first.beta - other.beta) > 1e-4
