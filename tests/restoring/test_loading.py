import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dehaze_jax import methods, restoring, storage
from dehaze_jax.errors import InputError

CONFIG = methods.DehazeFlowConfig(proxy_size=16, grid_size=2, grid_depth=2, width=4, lut_size=3)


@pytest.fixture(scope="module")
def variables():
    """Noise in place of a trained network."""
    pictures = jax.ShapeDtypeStruct((1, 64, 64, 3), jnp.float32)
    shapes = jax.eval_shape(
        methods.build(CONFIG).init, jax.random.key(0), {"hazy": pictures, "clear": pictures}
    )
    random = np.random.default_rng(0)
    return jax.tree.map(
        lambda leaf: jnp.asarray(random.normal(0, 0.2, leaf.shape), jnp.float32), shapes
    )


@pytest.fixture
def weights(tmp_path, variables):
    folder = tmp_path / "weights"
    storage.save_weights(folder, variables, storage.config_to_dict(CONFIG), {"terms": "for tests"})
    return folder


def test_a_folder_of_weights(weights, variables):
    restorer = restoring.load(weights, solver="euler", steps=2, strip_pixels=100)
    assert restorer.config == CONFIG
    assert restorer.card["terms"] == "for tests"
    assert restorer.options == methods.RestoreOptions(solver="euler", num_steps=2)
    image = np.random.default_rng(0).random((20, 15, 3), np.float32)
    method = methods.build(CONFIG)
    whole = jax.jit(
        lambda given, hazy: restoring.restore_whole(method, given, hazy, restorer.options)
    )(variables, image)
    assert np.abs(np.asarray(whole) - image).max() > 0.01
    np.testing.assert_allclose(restorer(image), whole, atol=1e-6)


@pytest.mark.devices
def test_four_devices(weights):
    image = np.random.default_rng(0).random((21, 15, 3), np.float32)
    one = restoring.load(weights, solver="euler", steps=1, strip_pixels=100)
    four = restoring.load(weights, solver="euler", steps=1, devices=jax.devices())
    np.testing.assert_allclose(four(image), one(image), atol=1e-6)


def test_weights_of_another_method(tmp_path, weights, variables):
    folder = tmp_path / "other"
    config = storage.config_to_dict(CONFIG)
    storage.save_weights(folder, {**variables, "stranger": np.zeros(1)}, config, {})
    with pytest.raises(InputError, match="stranger"):
        restoring.load(folder)
    storage.save_weights(folder, variables, {**config, "name": "another"}, {})
    with pytest.raises(InputError, match="another"):
        restoring.load(folder)
    storage.save_weights(folder, variables, {**config, "speed": 9}, {})
    with pytest.raises(InputError, match="speed"):
        restoring.load(folder)


def test_weights_that_are_cut_off(weights):
    tensors = weights / "weights.safetensors"
    tensors.write_bytes(tensors.read_bytes()[:-10])
    with pytest.raises(InputError, match="damaged"):
        restoring.load(weights)


@pytest.mark.parametrize(
    ("options", "subject"), [({"solver": "magic"}, "solver"), ({"steps": 0}, "steps")]
)
def test_options_that_are_refused(weights, options, subject):
    with pytest.raises(InputError) as caught:
        restoring.load(weights, **options)
    assert caught.value.subject == subject


def test_an_unknown_name(tmp_path):
    with pytest.raises(InputError, match="no such folder"):
        restoring.load(tmp_path / "missing")
