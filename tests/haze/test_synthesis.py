import dataclasses
import functools
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

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

PLAIN = haze.PRESETS["reside_its"]
AIR = dataclasses.replace(
    PLAIN,
    airlight=(0.4, 0.8),
    tint=0.02,
    farthest=2.0,
    patches=PatchConfig(probability=1.0),
    falloff=FalloffConfig(probability=1.0),
    gradient=GradientConfig(probability=1.0),
    night=NightConfig(probability=0.5, brightness=(0.05, 0.1)),
)
ALL = dataclasses.replace(
    AIR,
    gamma=GammaConfig(probability=0.5),
    noise=NoiseConfig(probability=0.5),
    jpeg=JpegConfig(probability=0.5),
)
HEIGHT, WIDTH, COUNT = 40, 52, 6
CLEAR = jnp.asarray(np.random.default_rng(0).random((COUNT, HEIGHT, WIDTH, 3)), jnp.float32)
DEPTH = jnp.asarray(np.random.default_rng(1).uniform(0.2, 9, (COUNT, HEIGHT, WIDTH)), jnp.float32)
KEYS = jax.random.split(jax.random.key(7), COUNT)


@functools.cache
def samples(config, *, known=True):
    """A batch, as one program makes it; of known depth, as that compiles in half the time."""
    synthesise = jax.vmap(functools.partial(haze.synthesise, config=config))
    return jax.jit(synthesise)(KEYS, CLEAR, DEPTH if known else None)


def assert_close(ours, twin, **tolerance):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, **tolerance), ours, twin)


@pytest.mark.parametrize("known", [False, True])
def test_without_its_parts_it_is_the_plain_model_to_the_bit(known):
    ours = samples(PLAIN, known=known)
    twin = jax.jit(haze.render)(
        CLEAR, ours.depth, beta=ours.parameters.beta, airlight=ours.parameters.airlight
    )
    np.testing.assert_array_equal(ours.hazy, twin)
    np.testing.assert_array_equal(ours.clear, CLEAR)
    assert jnp.all(ours.glow == 0)


@pytest.mark.parametrize("known", [False, True])
def test_inverting_gives_the_clear_picture_back(known):
    ours = samples(AIR, known=known)
    assert 0 < jnp.sum(ours.parameters.exposure < 1) < COUNT
    assert ours.hazy.max() < 1
    undone = haze.invert(ours.hazy - ours.glow, ours.transmission, ours.airlight)
    # What is far away has lost digits: an error of the picture is divided by the transmission.
    off = jnp.abs(undone - ours.clear) * ours.transmission[..., None]
    assert off.max() < 1e-6
    assert jnp.abs(undone - ours.clear)[ours.transmission > 0.1].max() < 1e-5


def test_optical_depth_is_that_of_the_fields():
    ours = samples(AIR)
    drawn = ours.parameters
    rate = drawn.falloff / ours.depth.max(axis=(1, 2))
    falloff = jax.vmap(lambda d, r, h: haze.altitude_falloff(d, rate=r, horizon=h))(
        ours.depth, rate, drawn.horizon
    )
    patches = -jnp.log(ours.transmission) / (drawn.beta[:, None, None] * ours.depth * falloff)
    np.testing.assert_allclose(patches.mean(axis=(1, 2)), 1, rtol=2e-3)
    np.testing.assert_allclose(jnp.log(patches).std(axis=(1, 2)), drawn.patches, rtol=1e-3)


def test_gradient_of_the_airlight():
    ours = samples(AIR)
    for airlight, colour, slope in zip(
        ours.airlight, ours.parameters.airlight, ours.parameters.gradient, strict=True
    ):
        np.testing.assert_allclose(airlight.mean(axis=(0, 1)), colour, rtol=1e-5)
        relative = np.asarray(airlight / colour[None, None])
        assert np.abs(relative - relative[..., :1]).max() < 1e-5
        down, across = np.gradient(relative[..., 0])
        np.testing.assert_allclose(across * WIDTH, slope[0], atol=1e-4)
        np.testing.assert_allclose(down * HEIGHT, slope[1], atol=1e-4)


def test_depth_in_its_own_unit_or_to_the_farthest_point():
    own = samples(dataclasses.replace(PLAIN, depth_unit="own"))
    np.testing.assert_array_equal(own.depth, DEPTH)
    scaled = samples(AIR)
    np.testing.assert_allclose(scaled.depth.max(axis=(1, 2)), 2, rtol=1e-6)
    ratio = scaled.depth / DEPTH
    np.testing.assert_allclose(ratio, ratio[:, :1, :1] + jnp.zeros_like(ratio), rtol=1e-5)
    made_up = samples(AIR, known=False)
    np.testing.assert_allclose(made_up.depth.max(axis=(1, 2)), 2, rtol=1e-6)


def test_night_dims_both_pictures_and_hangs_lamps_in_both():
    ours = samples(AIR)
    night = ours.parameters.exposure < 1
    dimmed = CLEAR * ours.parameters.exposure[:, None, None, None]
    lit = ours.clear > dimmed + 1e-6
    assert 0.0001 < lit[night].mean() < 0.02
    assert not lit[~night].any()
    np.testing.assert_allclose(jnp.where(lit, dimmed, ours.clear), dimmed, atol=1e-6)
    assert jnp.all(ours.glow[night].max(axis=(1, 2, 3)) > 0.01)
    assert jnp.all(ours.glow[~night] == 0)


def test_parts_that_only_some_examples_have():
    """Those that have not got them are as if nobody had."""
    ours, without = samples(ALL), samples(AIR)
    drawn = ours.parameters
    touched = (drawn.gamma != 1) | (drawn.shot_noise > 0) | (drawn.jpeg_quality > 0)
    assert 0 < touched.sum() < COUNT
    np.testing.assert_allclose(ours.hazy[~touched], without.hazy[~touched], atol=1e-6)
    changed = jnp.abs(ours.hazy - without.hazy).max(axis=(1, 2, 3))
    assert jnp.all(changed[touched] > 1e-3)


def test_gamma_is_of_the_scene_and_not_of_the_air():
    poor = dataclasses.replace(PLAIN, gamma=GammaConfig(probability=1.0))
    ours = samples(poor)
    exponent = ours.parameters.gamma[:, None, None, None]
    scene = haze.invert(ours.hazy, ours.transmission, ours.airlight)
    np.testing.assert_allclose(scene, CLEAR**exponent, atol=1e-4)
    np.testing.assert_array_equal(ours.clear, CLEAR)


def test_compression_comes_after_the_noise():
    config = dataclasses.replace(
        PLAIN, noise=NoiseConfig(probability=1.0), jpeg=JpegConfig(probability=1.0)
    )
    ours = samples(config)
    np.testing.assert_allclose(ours.hazy * 255, jnp.round(ours.hazy * 255), atol=1e-4)
    assert jnp.abs(ours.hazy - samples(PLAIN).hazy).mean() > 0.01


def test_a_batch_is_its_examples_one_by_one():
    batch = samples(ALL)
    one = functools.partial(haze.synthesise, config=ALL)
    for number in range(COUNT):
        example = one(KEYS[number], CLEAR[number], DEPTH[number])
        same = jax.tree.map(lambda leaf, number=number: leaf[number], batch)
        assert_close(example._replace(hazy=0), same._replace(hazy=0), rtol=1e-4, atol=2e-5)
        off = jnp.abs(example.hazy - same.hazy)
        assert jnp.mean(off > 1e-4) < 0.01  # a coefficient that is rounded the other way


def test_compiled_as_interpreted():
    with jax.disable_jit():
        interpreted = haze.synthesise(KEYS[2], CLEAR[2], DEPTH[2], config=AIR)
    compiled = jax.tree.map(lambda leaf: leaf[2], samples(AIR))
    assert_close(compiled, interpreted, rtol=1e-4, atol=2e-5)


def test_a_key_gives_the_same_picture_again_and_another_another():
    one = functools.partial(haze.synthesise, config=PLAIN)
    pictures = jax.jit(jax.vmap(one, (0, None)))(jnp.stack([KEYS[0], *KEYS]), CLEAR[0])
    for leaf in jax.tree.leaves(pictures):
        np.testing.assert_array_equal(leaf[0], leaf[1])
    for number in range(2, COUNT + 1):
        assert jnp.abs(pictures.hazy[number] - pictures.hazy[0]).mean() > 0.01
        assert jnp.abs(pictures.depth[number] - pictures.depth[0]).mean() > 0.01


def test_one_pixel():
    ours = haze.synthesise(KEYS[0], jnp.full((1, 1, 3), 0.4), config=HazeConfig())
    assert ours.hazy.shape == (1, 1, 3)
    assert jnp.all(jnp.isfinite(ours.hazy))


@pytest.mark.parametrize("unit", ["own", "farthest"])
def test_sky_without_end_is_as_far_as_what_is_farthest(unit):
    config = dataclasses.replace(AIR, depth_unit=unit)
    one = functools.partial(haze.synthesise, KEYS[0], CLEAR[0], config=config)
    depth = DEPTH[0].at[:4].set(DEPTH[0].max())
    endless = depth.at[:2].set(jnp.inf).at[2:4].set(jnp.nan)
    jax.tree.map(np.testing.assert_array_equal, one(endless), one(depth))


def test_depth_of_nothing_is_no_haze():
    nothing = jnp.zeros((HEIGHT, WIDTH))
    ours = haze.synthesise(KEYS[0], CLEAR[0], nothing, config=PLAIN)
    np.testing.assert_allclose(ours.hazy, CLEAR[0], atol=1e-6)


@pytest.mark.parametrize("picture", ["np.zeros((8, 8, 3), np.uint8)", "np.zeros((8, 8))"])
def test_pictures_of_integers_and_grey_ones_are_refused(picture):
    """In a process without the checks of types that tests have."""
    code = (
        "import jax, numpy as np; from dehaze_jax import haze\n"
        f"try: haze.synthesise(jax.random.key(0), {picture}, config=haze.HazeConfig())\n"
        "except ValueError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("clear: must be float [h, w, 3] in [0, 1], not ")
