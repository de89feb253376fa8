"""Training on pairs, on unpaired pictures and on haze that is rendered in every step."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from toy_runs import QUIET, assert_same_bits, make_config, metrics

from dehaze_jax import image
from dehaze_jax.data import DataConfig
from dehaze_jax.errors import InputError
from dehaze_jax.haze import PRESETS, HazeConfig
from dehaze_jax.methods.config import OptimiserConfig
from dehaze_jax.training import train
from dehaze_jax.training.step import train_step as training_step


@pytest.fixture
def unpaired(monkeypatch):
    """The toy method as one that learns from unpaired pictures; their pipeline is the real one."""
    import toy_method

    def build(config, optimiser, *, total_steps):
        method = toy_method.build(config, optimiser, total_steps=total_steps)
        return dataclasses.replace(method, unpaired=True)

    monkeypatch.setattr("dehaze_jax.methods.build", build)


def test_a_method_of_pairs_is_not_given_unpaired_pictures(toy, tmp_path):
    config = DataConfig(train=("t",), clear=("c",), batch_size=4, crop_size=8)
    with pytest.raises(InputError, match=r"DataConfig\.clear: must be empty: toy learns from pai"):
        train(make_config(tmp_path / "run", data=config), console=QUIET)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("given", "other"), [("train", "clear"), ("clear", "train")])
def test_an_unpaired_method_is_not_given_one_side_alone(unpaired, tmp_path, given, other):
    side = {"clear": "clear", "train": "hazy"}[other]
    expected = rf"DataConfig\.{other}: is empty: toy .* say where the {side} ones come from"
    config = DataConfig(**{given: ("x",)}, batch_size=4, crop_size=8)
    with pytest.raises(InputError, match=expected):
        train(make_config(tmp_path / "run", data=config), console=QUIET)
    assert not (tmp_path / "run").exists()


def test_unpaired_training_stopped_and_gone_on_with_ends_with_the_same_bits(unpaired, tmp_path):
    rng = np.random.default_rng(0)
    for name, count in (("hazy", 9), ("clear", 13)):
        (tmp_path / name).mkdir()
        for number in range(count):
            pixels = rng.integers(0, 256, (10, 12, 3), np.uint8)
            image.write(tmp_path / name / f"{number}.png", pixels)
    folders = {"train": (str(tmp_path / "hazy"),), "clear": (str(tmp_path / "clear"),)}
    changes = {"data": DataConfig(**folders, batch_size=4, crop_size=8)}
    straight = train(make_config(tmp_path / "a", **changes), console=QUIET)
    for stop_after in (5, None):
        parts = train(make_config(tmp_path / "b", stop_after=stop_after, **changes), console=QUIET)
    assert_same_bits(straight.state, parts.state)
    assert metrics(tmp_path / "a") == metrics(tmp_path / "b")
    (tmp_path / "clear" / "12.png").unlink()
    with pytest.raises(InputError, match="the data is not what the run began with"):
        train(make_config(tmp_path / "b", **changes), console=QUIET)


def clear_pictures(folder, count=9):
    rng = np.random.default_rng(1)
    folder.mkdir()
    for number in range(count):
        image.write(folder / f"{number}.png", rng.integers(0, 256, (12, 14, 3), np.uint8))
    return DataConfig(clear=(str(folder),), batch_size=4, crop_size=8)


def test_haze_on_the_fly_from_clear_pictures_alone_is_the_same_after_a_stop(tmp_path, monkeypatch):
    import toy_method

    def build(config, optimiser, *, total_steps):
        method = toy_method.build(config, optimiser, total_steps=total_steps)

        def train_step(state, batch, key):
            state, scalars = method.train_step(state, batch, key)
            light, through = batch["airlight"][:, None, None], batch["transmission"]
            off = batch["hazy"] - batch["clear"] * through - light * (1 - through)
            return state, {**scalars, "beta": batch["beta"][0], "off": jnp.abs(off).max()}

        return dataclasses.replace(method, train_step=train_step)

    monkeypatch.setattr("dehaze_jax.methods.build", build)
    haze = PRESETS["reside_its"]
    changes = {"data": clear_pictures(tmp_path / "clear"), "haze": haze, "log_every": 1}
    straight = train(make_config(tmp_path / "a", **changes), console=QUIET)
    for stop_after in (5, None):
        parts = train(make_config(tmp_path / "b", stop_after=stop_after, **changes), console=QUIET)
    assert_same_bits(straight.state, parts.state)
    assert metrics(tmp_path / "a") == metrics(tmp_path / "b")
    lines = [line for line in metrics(tmp_path / "a") if "beta" in line]
    assert len({line["beta"] for line in lines}) == 12
    assert max(line["off"] for line in lines) < 1e-6
    changes["haze"] = dataclasses.replace(haze, beta=(0.6, 1.7))
    with pytest.raises(InputError, match=r"another config: haze\.beta"):
        train(make_config(tmp_path / "b", **changes), console=QUIET)


def test_without_haze_a_step_draws_as_it_always_did(toy, tmp_path):
    """Haze has random numbers of its own, so that a share of it leaves the method's as they are."""
    keys = []

    def train_step(state, batch, key):
        keys.append(key)
        return state, {}

    method = toy.build(None, OptimiserConfig(), total_steps=1)
    state = method.start(method.init(jax.random.key(0), next(toy.batches(DataConfig(), seed=0))))
    batch = next(toy.batches(DataConfig(batch_size=2, crop_size=8), seed=0))
    spied = dataclasses.replace(method, train_step=train_step)
    for haze in (None, PRESETS["reside_its"]):
        training_step(spied, haze, state, batch, jax.random.key(5))
    bits = [jax.random.key_data(key) for key in keys]
    expected = jax.random.fold_in(jax.random.fold_in(jax.random.key(5), 1), 0)
    np.testing.assert_array_equal(bits, [jax.random.key_data(expected)] * 2)


@pytest.mark.parametrize(
    ("haze", "reason"),
    [(None, "haze of share 1"), (dataclasses.replace(HazeConfig(), share=0.5), "haze of share 1")],
)
def test_clear_pictures_alone_need_haze_on_all_of_them(toy, tmp_path, haze, reason):
    data = DataConfig(clear=("c",), batch_size=4, crop_size=8)
    with pytest.raises(InputError, match=rf"DataConfig\.train: is empty: toy .*{reason}"):
        train(make_config(tmp_path / "run", data=data, haze=haze), console=QUIET)


def test_an_unpaired_method_gets_no_haze_on_the_fly(unpaired, tmp_path):
    data = DataConfig(train=("t",), clear=("c",), batch_size=4, crop_size=8)
    with pytest.raises(InputError, match=r"TrainConfig\.haze: must be None: toy learns haze"):
        train(make_config(tmp_path / "run", data=data, haze=HazeConfig()), console=QUIET)
