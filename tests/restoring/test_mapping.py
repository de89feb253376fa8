"""Maps of a picture, with methods that can be followed by hand."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dehaze_jax import restoring
from dehaze_jax.errors import InputError
from dehaze_jax.restoring import Restorer, Way

SCALE = {"uint8": 255, "uint16": 65535, "float16": 1, "float32": 1, "float64": 1}


def picture(*shape, dtype="float32"):
    image = np.random.default_rng(0).random(shape) * SCALE[dtype]
    return (np.round(image) if dtype.startswith("u") else image).astype(dtype)


def assert_maps(maps, expected):
    for ours, theirs in zip(maps, expected, strict=True):
        assert ours.keys() == theirs.keys()
        for name, array in ours.items():
            assert type(array) is np.ndarray
            assert array.dtype == np.float32
            np.testing.assert_allclose(array, theirs[name], atol=2e-6, err_msg=name)


@pytest.mark.parametrize("size", [(1, 1), (5, 1), (33, 20)])
@pytest.mark.parametrize("strip_pixels", [1, 64, 2**17])
def test_strips_match_numpy(mapping, variables, maps_twin, size, strip_pixels):
    image = picture(*size, 3)
    maps = Restorer(mapping, variables, strip_pixels=strip_pixels).maps(image)
    assert_maps(maps, maps_twin(image))


@pytest.mark.parametrize("dtype", list(SCALE))
def test_types_and_grey(mapping, variables, maps_twin, dtype):
    image = picture(21, 10, dtype=dtype)
    colours = np.repeat(image[..., None], 3, axis=-1)
    restorer = Restorer(mapping, variables, strip_pixels=64)
    expected = maps_twin(colours / SCALE[dtype])
    assert_maps(restorer.maps(image), expected)
    assert_maps(restorer.maps(colours), expected)


def test_both_from_one_summary(mapping, variables, twin, maps_twin):
    summaries = []

    def summarise(*arguments):
        summaries.append(1)
        return mapping.summarise(*arguments)

    watched = dataclasses.replace(mapping, summarise=summarise)
    image = picture(21, 10, 3)
    restored, maps = Restorer(watched, variables, strip_pixels=64).restore_with_maps(image)
    np.testing.assert_allclose(restored, twin(image), atol=1e-6)
    assert_maps(maps, maps_twin(image))
    assert len(summaries) == 1


def test_maps_alone_restore_nothing(mapping, variables, maps_twin):
    def render(*_):
        raise AssertionError("nothing is to be restored")

    image = picture(9, 8, 3)
    maps = Restorer(dataclasses.replace(mapping, render=render), variables).maps(image)
    assert_maps(maps, maps_twin(image))


@pytest.mark.devices
def test_the_way_that_is_given_is_taken(mapping, variables, twin, monkeypatch):
    """By itself it would take both devices."""

    def shared(*_, **__):
        raise AssertionError

    monkeypatch.setattr("dehaze_jax.restoring.strips.render_sharded", shared)
    restorer = Restorer(mapping, variables, devices=jax.devices()[:2])
    image = picture(21, 10, 3)
    way = Way(name="strips", reason="there is room", memory=1, ahead=True)
    restored, _ = restorer.restore_with_maps(image, way=way)
    np.testing.assert_allclose(restored, twin(image), atol=1e-6)
    with pytest.raises(AssertionError):
        restorer.restore_with_maps(image)


@pytest.mark.devices
def test_several_devices(mapping, variables, twin, maps_twin):
    image = picture(21, 10, 3)
    restorer = Restorer(mapping, variables, devices=jax.devices(), strip_pixels=64)
    restored, maps = restorer.restore_with_maps(image)
    np.testing.assert_allclose(restored, twin(image), atol=1e-6)
    assert_maps(maps, maps_twin(image))
    assert_maps(restorer.maps(image), maps_twin(image))


def test_progress_goes_over_the_rows_once_for_each(mapping, variables):
    seen = []
    restorer = Restorer(mapping, variables, strip_pixels=12 * 16)
    image = picture(40, 10, 3)
    restorer.maps(image, progress=lambda *now: seen.append(now))
    assert seen == [(16, 40), (32, 40), (40, 40)]
    seen.clear()
    restorer.restore_with_maps(image, progress=lambda *now: seen.append(now))
    assert seen == [(16, 80), (32, 80), (40, 80), (56, 80), (72, 80), (80, 80)]


@pytest.mark.parametrize("call", ["maps", "restore_with_maps"])
def test_refusals(mapping, method, variables, call):
    image = picture(9, 8, 3)
    for without in (method, restoring.bake_method(mapping)):
        with pytest.raises(InputError, match=r"^toy: this method, .* gives no maps$"):
            getattr(Restorer(without, variables), call)(image)
    with pytest.raises(InputError, match="shape must be"):
        getattr(Restorer(mapping, variables), call)(image[None])


@pytest.mark.parametrize("broken", ["planes", "values"])
def test_maps_that_are_not_finite_are_refused(mapping, variables, broken):
    def find(*arguments):
        maps = mapping.maps(*arguments)
        spoilt = jax.tree.map(lambda value: value * jnp.float32(jnp.nan), getattr(maps, broken))
        return maps._replace(**{broken: spoilt})

    restorer = Restorer(dataclasses.replace(mapping, maps=find), variables)
    with pytest.raises(InputError, match="picture: its maps are not finite"):
        restorer.maps(picture(9, 8, 3))
