import dataclasses
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dehaze_jax import methods, restoring, storage
from dehaze_jax.cli.train import read_config
from dehaze_jax.errors import InputError
from dehaze_jax.methods.dehazeflow.config import ObjectiveConfig

CONFIGS = pathlib.Path(__file__).parents[2] / "experiments" / "configs"


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


def test_what_is_not_given_is_as_it_was_trained(tmp_path, flow_config, flow_variables):
    objective = ObjectiveConfig(kind="rollout", rollout_solver="heun", rollout_steps=3)
    config = storage.config_to_dict(dataclasses.replace(flow_config, objective=objective))
    folder = tmp_path / "trained"
    storage.save_weights(folder, flow_variables, config, {})
    options = methods.RestoreOptions
    assert restoring.load(folder).options == options(solver="heun", num_steps=3)
    assert restoring.load(folder, steps=1).options == options(solver="heun", num_steps=1)
    assert restoring.load(folder, solver="rk4").options == options(solver="rk4", num_steps=3)


@pytest.mark.parametrize("name", storage.released())
def test_weights_that_come_with_the_package(name):
    restorer = restoring.load(name)
    method, _, variant = name.partition("-")
    recipe = read_config(str(CONFIGS / f"{method}.py:{variant + '_base' if variant else 'base'}"))
    if method == "dehazeflow":
        assert restorer.config == recipe.method
        assert restorer.options == methods.RestoreOptions(solver="rk4", num_steps=1)
    else:  # trained last on another loss
        objective = restorer.config.objective
        assert restorer.config == dataclasses.replace(recipe.method, objective=objective)
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


class TestLoadHazing:
    @pytest.fixture
    def learnt(self, monkeypatch):
        """As if a flow had learnt haze that is thicker to the right."""

        def build_hazing(config, options):
            def render(variables, context, rows, where):
                column = jnp.arange(rows.shape[-2], dtype=jnp.float32)[:, None]
                share = jnp.exp(-options.density * column / jnp.float32(where.width))
                share = jnp.broadcast_to(share, rows.shape)
                return share * rows + (1 - share) * jnp.broadcast_to(context, rows.shape)

            def summarise(variables, clear, _):
                given = options.airlight or (1.0, 1.0, 1.0)
                return jnp.asarray(given, jnp.float32)

            return dataclasses.replace(methods.build(config), summarise=summarise, render=render)

        entry = dataclasses.replace(methods.METHODS["dehazeflow"], build_hazing=build_hazing)
        monkeypatch.setattr(methods, "METHODS", {**methods.METHODS, "dehazeflow": entry})

    @pytest.mark.parametrize("airlight", [None, (0.9, 0.5, 0.1)])
    def test_haze_as_the_method_makes_it(self, weights, flow_config, learnt, airlight):
        options = methods.HazeOptions(density=2.0, airlight=airlight)
        add_haze = restoring.load_hazing(weights, options, strip_pixels=100)
        clear = np.random.default_rng(0).random((20, 15, 3), np.float32)
        share = np.exp(-2 * np.arange(15) / 15)[:, None]
        expected = share * clear + (1 - share) * np.asarray(airlight or (1, 1, 1))
        np.testing.assert_allclose(add_haze(clear), expected, atol=1e-6)
        assert add_haze.config == flow_config
        assert add_haze.card["terms"] == "for tests"

    @pytest.mark.devices
    def test_several_devices(self, weights, learnt):
        options = methods.HazeOptions(density=1.0)
        clear = np.random.default_rng(0).random((21, 15, 3), np.float32)
        one = restoring.load_hazing(weights, options)(clear)
        four = restoring.load_hazing(weights, options, devices=jax.devices())(clear)
        np.testing.assert_allclose(four, one, atol=1e-6)

    def test_methods_that_learn_no_haze(self, weights):
        with pytest.raises(InputError, match="dehazeflow does not learn to render haze") as caught:
            restoring.load_hazing(weights)
        assert caught.value.subject == str(weights)

    def test_no_such_weights_and_those_of_another_size(self, tmp_path, weights, learnt):
        with pytest.raises(InputError, match="no such folder"):
            restoring.load_hazing(tmp_path / "missing")
        stored = storage.load_weights(weights)
        folder = tmp_path / "other"
        storage.save_weights(
            folder, {**stored.variables, "stranger": np.zeros(1)}, stored.config, {}
        )
        with pytest.raises(InputError, match="stranger"):
            restoring.load_hazing(folder)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"solver": "rk4"}, "solver"),
        ({"steps": 4}, "steps"),
        ({"solver": "euler", "steps": 2}, "solver and steps"),
        ({"steps": 4, "baked": "local"}, "steps"),
    ],
)
def test_a_solver_for_a_method_without_an_ode(given, said):
    with pytest.raises(InputError) as error:
        restoring.load("bilateral", **given)
    assert str(error.value) == f"bilateral: bilateral solves no ODE; leave out {said}"
