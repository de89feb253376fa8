"""Restoring, maps and haze: from a small copy to pictures of any size."""

import dataclasses
import functools

import cv2
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tiny_nedr import TINY, pictures, variables_of

from dehaze_jax import haze, image, restoring
from dehaze_jax.methods import METHODS, HazeOptions, RestoreOptions, Rows, build
from dehaze_jax.methods.nedr.networks import Networks, Scene
from dehaze_jax.methods.nedr.restoring import copy_size, make_context, restore_rows

HAZY = pictures(0, 90, 130)
BILINEAR = dataclasses.replace(TINY, refinement="bilinear")
AS_COPY = pictures(0, 32, 64)  # a picture that is its own copy


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((2160, 3840), (32, 64)),
        ((3840, 2160), (64, 32)),
        ((600, 800), (64, 64)),
        ((64, 64), (64, 64)),
        ((40, 50), (32, 64)),
        ((1, 1), (32, 32)),
        ((20, 5000), (32, 64)),
    ],
)
def test_size_of_the_copy(size, expected):
    assert copy_size(TINY, *size) == expected


def scene_of(config, copy):
    run = jax.jit(lambda v, x: Networks(config).apply(v, x, train=False, method="find_scene"))
    scene = run(variables_of(config), copy[None])
    return np.asarray(scene.transmission[0]), float(scene.density[0])


def guided(guide, plane):
    filtered = image.guided_filter(
        jnp.asarray(guide), jnp.asarray(plane), radius=TINY.radius, epsilon=TINY.epsilon
    )
    return np.asarray(filtered)


def test_scene_is_within_its_ranges():
    transmission, density = scene_of(TINY, AS_COPY)
    assert np.std(transmission) > 1e-3
    assert TINY.transmission[0] <= transmission.min() < transmission.max() <= TINY.transmission[1]
    assert TINY.density[0] < density < TINY.density[1]


@pytest.mark.parametrize("refinement", ["colour", "channels", "bilinear"])
@pytest.mark.parametrize("airlight", ["dark_channel", "maximum"])
def test_inverts_the_scattering_model(refinement, airlight):
    config = dataclasses.replace(TINY, refinement=refinement, airlight=airlight)
    transmission = np.random.default_rng(4).uniform(0.02, 0.99, (32, 64)).astype(np.float32)
    copy = jnp.asarray(AS_COPY[None])
    scene = Scene(jnp.asarray(transmission[None]), jnp.ones(1), jnp.zeros(1))
    if refinement == "colour":
        transmission = guided(AS_COPY, transmission)
    elif refinement == "channels":
        stretched = (AS_COPY - AS_COPY.min()) / np.ptp(AS_COPY)
        transmission = np.mean([guided(stretched[..., k], transmission) for k in range(3)], axis=0)
    if airlight == "maximum":
        colour = AS_COPY.max(axis=(0, 1))
    else:
        found = haze.estimate_airlight(copy[0], pick="largest")
        colour = np.minimum(found, 220 / 255)
    transmission = np.clip(transmission, *TINY.transmission)[..., None]
    expected = (AS_COPY - colour) / transmission + colour
    context = make_context(config, copy, scene)
    where = Rows(jnp.int32(0), jnp.int32(32), jnp.int32(64))
    restored = restore_rows(config, context, copy, where)
    np.testing.assert_allclose(restored[0], expected, atol=1e-4)


def test_larger_pictures_take_the_enlarged_models():
    method = build(TINY)
    context = method.summarise(variables_of(TINY), jnp.asarray(HAZY), RestoreOptions())
    copy = jax.image.resize(HAZY, (32, 64, 3), "linear", antialias=True)
    transmission, density = scene_of(TINY, np.asarray(copy))
    np.testing.assert_allclose(context.density, [density], rtol=1e-5)
    models = np.asarray(context.models[0])
    on_copy = (models[..., :3] * np.asarray(copy)).sum(-1) + models[..., 3]
    np.testing.assert_allclose(on_copy, guided(copy, transmission), atol=1e-5)
    enlarged = cv2.resize(models, (130, 90), interpolation=cv2.INTER_LINEAR)
    refined = (enlarged[..., :3] * HAZY).sum(-1) + enlarged[..., 3]
    colour = np.asarray(context.airlight[0])
    refined = np.clip(refined, *TINY.transmission)[..., None]
    expected = np.clip((HAZY - colour) / refined + colour, 0, 1)
    restored = restoring.Restorer(method, variables_of(TINY))(HAZY)
    np.testing.assert_allclose(restored, expected, atol=5e-5)


def test_strips_equal_the_whole():
    method = build(TINY)
    whole = restoring.restore_whole(method, variables_of(TINY), jnp.asarray(HAZY))
    strips = restoring.Restorer(method, variables_of(TINY), strip_pixels=1)(HAZY)
    np.testing.assert_allclose(strips, whole, atol=2e-5)


@pytest.mark.devices
def test_rows_over_devices_equal_one_device():
    method, variables = build(TINY), variables_of(TINY)
    devices = restoring.Restorer(method, variables, devices=jax.devices()[:4])(HAZY)
    np.testing.assert_allclose(devices, restoring.Restorer(method, variables)(HAZY), atol=2e-5)


def test_a_batch_is_restored_picture_by_picture():
    method, variables = build(TINY), variables_of(TINY)
    batch = pictures(3, 2, 40, 70)
    restored = restoring.restore_whole(method, variables, jnp.asarray(batch))
    for ours, hazy in zip(restored, batch, strict=True):
        alone = restoring.Restorer(method, variables)(hazy)
        np.testing.assert_allclose(ours, alone, atol=2e-5)


def test_maps_are_what_the_picture_was_restored_with():
    method, variables = build(TINY), variables_of(TINY)
    restored, maps = restoring.Restorer(method, variables, strip_pixels=1).restore_with_maps(HAZY)
    transmission, airlight = maps.planes["transmission"], maps.values["airlight"]
    back = (HAZY - airlight) / transmission[..., None] + airlight
    np.testing.assert_allclose(restored, np.clip(back, 0, 1), atol=2e-5)
    depth = -np.log(transmission) / maps.values["density"]
    np.testing.assert_allclose(maps.planes["depth"], depth, rtol=1e-5)
    assert TINY.density[0] < maps.values["density"] < TINY.density[1]


def hazed(clear, **options):
    method = METHODS["nedr"].build_hazing(BILINEAR, HazeOptions(**options))
    return restoring.Restorer(method, variables_of(TINY), strip_pixels=1)(clear)


def test_adds_haze_as_in_training():
    """On a picture that is its own copy, up to the filtering of the depth."""
    method = METHODS["nedr"].build_hazing(BILINEAR, HazeOptions(density=1.5))
    ours = restoring.Restorer(method, variables_of(TINY))(AS_COPY)

    def add(networks, clear):
        depth = networks.find_depth(clear, train=False)
        return networks.add_haze(clear, depth, jnp.full(1, 1.5), train=False)

    run = jax.jit(functools.partial(Networks(TINY).apply, method=add))
    expected = run(variables_of(TINY), jnp.asarray(AS_COPY[None]))[0]
    np.testing.assert_allclose(ours, expected, atol=2e-5)


def test_more_density_is_more_haze():
    clear = pictures(5, 50, 60)
    airlight = (0.9, 0.8, 0.7)
    correction = hazed(clear, density=0.0, airlight=airlight) - clear
    distance = [
        np.abs(hazed(clear, density=beta, airlight=airlight) - correction - airlight).mean()
        for beta in (0.3, 1.0, 3.0)
    ]
    assert distance[0] > distance[1] > distance[2]
    middle = hazed(clear, density=sum(TINY.density) / 2)
    np.testing.assert_array_equal(hazed(clear), middle)
