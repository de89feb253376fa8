"""LPIPS against a twin in PyTorch: `tests/twins/lpips_alex.py`."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import safetensors.numpy
from scripts import load_script

from dehaze_jax import metrics
from dehaze_jax.errors import InputError
from dehaze_jax.evaluation import load_lpips


@pytest.fixture(scope="module")
def twin():
    return load_script("twins/lpips_alex.py")


@pytest.fixture(scope="module")
def params(lpips_files):
    return load_lpips(*lpips_files)


@pytest.mark.parametrize("number", range(3))
def test_values(twin, params, number):
    size = twin.SIZES[number]
    expected = json.loads(twin.GOLDEN.read_text())["x".join(map(str, size))]
    found = metrics.lpips(params, *map(jnp.asarray, twin.pictures(size)))
    np.testing.assert_allclose(np.atleast_1d(found), expected, rtol=1e-4)
    assert found.shape == size[:-2]


def test_equal_pictures_and_order(twin, params):
    restored, clear = map(jnp.asarray, twin.pictures((40, 41)))
    assert metrics.lpips(params, clear, clear) == 0
    far = jnp.clip(clear, 0, 1) + 3 * (restored - clear)
    near, farther = (float(metrics.lpips(params, each, clear)) for each in (restored, far))
    assert 0 < near < farther


def test_rounded_as_files_are(twin, params):
    restored, clear = map(jnp.asarray, twin.pictures((33, 35)))
    written = jnp.round(jnp.clip(restored, 0, 1) * 255) / 255
    np.testing.assert_array_equal(
        *(metrics.lpips(params, each, clear) for each in (restored, written))
    )


def test_a_picture_that_is_too_small(params):
    assert metrics.lpips(params, jnp.zeros((31, 31, 3)), jnp.ones((31, 31, 3))) > 0
    with pytest.raises(InputError, match="lpips: needs 31 pixels a side, not 40 x 30"):
        metrics.lpips(params, jnp.zeros((30, 40, 3)), jnp.zeros((30, 40, 3)))


class TestLoading:
    def test_the_published_module_names_layers_otherwise(self, twin, params, tmp_path):
        alexnet, linear = twin.weights()
        slices = {0: 1, 3: 2, 6: 3, 8: 4, 10: 5}
        renamed = {
            f"net.slice{slices[int(name.split('.')[1])]}.{name.removeprefix('features.')}": value
            for name, value in alexnet.items()
        }
        safetensors.numpy.save_file(renamed | linear, tmp_path / "both.safetensors")
        again = load_lpips(tmp_path / "both.safetensors")
        jax.tree.map(np.testing.assert_array_equal, again, params)

    def test_half_of_it(self, lpips_files):
        alexnet, linear = lpips_files
        with pytest.raises(InputError, match=r"alex\.safetensors: holds no features\.0\.weight: L"):
            load_lpips(linear)
        with pytest.raises(InputError, match=r"holds no lin0\.model\.1\.weight"):
            load_lpips(alexnet)

    def test_another_network(self, twin, tmp_path):
        alexnet, linear = twin.weights()
        alexnet["features.3.weight"] = alexnet["features.3.weight"][:, :, 1:]
        safetensors.numpy.save_file(alexnet | linear, tmp_path / "x.safetensors")
        with pytest.raises(InputError, match=r"features\.3\.weight is \(192, 64, 4, 5\), not"):
            load_lpips(tmp_path / "x.safetensors")
