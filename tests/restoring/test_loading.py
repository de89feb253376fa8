import jax
import numpy as np
import pytest

from dehaze_jax import methods, restoring, storage
from dehaze_jax.errors import InputError


def test_a_folder_of_weights(weights, flow_config, flow_variables):
    restorer = restoring.load(weights, solver="euler", steps=2, strip_pixels=100)
    assert restorer.config == flow_config
    assert restorer.card["terms"] == "for tests"
    assert restorer.options == methods.RestoreOptions(solver="euler", num_steps=2)
    image = np.random.default_rng(0).random((20, 15, 3), np.float32)
    method = methods.build(flow_config)
    whole = jax.jit(
        lambda given, hazy: restoring.restore_whole(method, given, hazy, restorer.options)
    )(flow_variables, image)
    assert np.abs(np.asarray(whole) - image).max() > 0.01
    np.testing.assert_allclose(restorer(image), whole, atol=1e-6)


@pytest.mark.parametrize("name", storage.released())
def test_weights_that_come_with_the_package(name):
    restorer = restoring.load(name)
    assert restorer.config == methods.METHODS[name].config(objective=restorer.config.objective)
    assert restorer.card["sha256"]


@pytest.mark.devices
def test_four_devices(weights):
    image = np.random.default_rng(0).random((21, 15, 3), np.float32)
    one = restoring.load(weights, solver="euler", steps=1, strip_pixels=100)
    four = restoring.load(weights, solver="euler", steps=1, devices=jax.devices())
    np.testing.assert_allclose(four(image), one(image), atol=1e-6)


def test_weights_of_another_method(tmp_path, weights, flow_config, flow_variables):
    folder = tmp_path / "other"
    config = storage.config_to_dict(flow_config)
    storage.save_weights(folder, {**flow_variables, "stranger": np.zeros(1)}, config, {})
    with pytest.raises(InputError, match="stranger"):
        restoring.load(folder)
    storage.save_weights(folder, flow_variables, {**config, "name": "another"}, {})
    with pytest.raises(InputError, match="another"):
        restoring.load(folder)
    storage.save_weights(folder, flow_variables, {**config, "speed": 9}, {})
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
