import hashlib
import json
import os

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import safetensors.numpy

from dehaze_jax.errors import InputError
from dehaze_jax.storage import (
    Checkpoints,
    find_weights,
    load_weights,
    match,
    released,
    save_weights,
    weights,
)

CONFIG = {"name": "toy", "width": 2}


@pytest.fixture
def variables(key):
    return {"params": {"purifier": {"kernel": jax.random.normal(key, (3, 3))}, "gate": jnp.ones(2)}}


@pytest.fixture
def folder(tmp_path, variables):
    save_weights(tmp_path / "w", variables, CONFIG, {"terms": "free"})
    return tmp_path / "w"


def test_weights_come_back(folder, variables):
    loaded = load_weights(folder)
    jax.tree.map(np.testing.assert_array_equal, loaded.variables, variables)
    match(loaded.variables, variables, source=folder)
    assert loaded.config == CONFIG
    assert loaded.card["terms"] == "free"
    assert loaded.card["parameters"] == 11


def test_the_files_are_what_other_programs_expect(folder, variables):
    flat = safetensors.numpy.load_file(folder / "weights.safetensors")
    assert set(flat) == {"params/purifier/kernel", "params/gate"}
    np.testing.assert_array_equal(
        flat["params/purifier/kernel"], variables["params"]["purifier"]["kernel"]
    )
    card = json.loads((folder / "card.json").read_text())
    content = (folder / "weights.safetensors").read_bytes()
    assert card["sha256"] == hashlib.sha256(content).hexdigest()
    assert json.loads((folder / "config.json").read_text()) == CONFIG


def test_saving_again_replaces_the_folder(folder, variables):
    save_weights(folder, {"params": {"gate": jnp.zeros(2)}}, CONFIG, {})
    assert set(load_weights(folder).variables["params"]) == {"gate"}
    assert os.listdir(folder.parent) == ["w"]


def test_another_folder_is_not_replaced(tmp_path, variables):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.png").write_text("")
    with pytest.raises(InputError, match="photos: exists and is not a weights folder"):
        save_weights(tmp_path / "photos", variables, CONFIG, {})
    assert (tmp_path / "photos" / "a.png").exists()


@pytest.mark.parametrize("name", ["weights.safetensors", "config.json", "card.json"])
def test_a_missing_file_is_named(folder, name):
    (folder / name).unlink()
    with pytest.raises(InputError, match=f"w: not a weights folder: {name} is missing"):
        load_weights(folder)


@pytest.mark.parametrize("name", ["weights.safetensors", "config.json", "card.json"])
def test_a_file_cut_off_is_named(folder, name):
    os.truncate(folder / name, (folder / name).stat().st_size // 2)
    with pytest.raises(InputError, match=name):
        load_weights(folder)


def test_tensors_that_the_card_does_not_describe_are_refused(folder):
    file = folder / "weights.safetensors"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    with pytest.raises(InputError, match=r"weights\.safetensors: is damaged: its SHA-256"):
        load_weights(folder)


def test_tensors_that_are_none_are_refused(folder):
    (folder / "weights.safetensors").write_bytes(b"no tensors")
    card = {"sha256": hashlib.sha256(b"no tensors").hexdigest()}
    (folder / "card.json").write_text(json.dumps(card))
    with pytest.raises(InputError, match=r"weights\.safetensors: is damaged"):
        load_weights(folder)


def test_weights_are_found_by_name_folder_or_run(tmp_path, folder, variables, monkeypatch):
    monkeypatch.setattr(weights, "_RELEASED", tmp_path)
    monkeypatch.chdir(tmp_path / "w")
    assert released() == ["w"]
    assert find_weights("w").card["parameters"] == 11
    assert find_weights(folder).card["parameters"] == 11

    run = tmp_path / "run"
    run.mkdir()
    (run / "config.json").write_text(json.dumps({"method": CONFIG, "seed": 1}))
    with Checkpoints(run / "checkpoints") as checkpoints:
        for step in (1, 2):
            ema = jax.tree.map(lambda leaf, step=step: leaf * step, variables)
            checkpoints.save(step, {"ema": ema, "variables": variables}, {})
    found = find_weights(run)
    assert found.config == CONFIG
    np.testing.assert_array_equal(found.variables["params"]["gate"], [2, 2])

    with pytest.raises(InputError, match=r"^nothing: .*there: w"):
        find_weights("nothing")


def test_a_run_without_checkpoint_is_refused(tmp_path):
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "config.json").write_text('{"method": {}}')
    with pytest.raises(InputError, match="no checkpoints here"):
        find_weights(tmp_path)


def test_a_config_of_something_else_is_refused(tmp_path):
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "config.json").write_text("[1]")
    with pytest.raises(InputError, match="not the configuration of a run"):
        find_weights(tmp_path)


def test_the_released_weights_load():
    for name in released():
        card = find_weights(name).card
        assert {"data", "recipe", "scores", "scored with", "terms"} <= set(card)
        for by_method in card["scores"].values():
            assert {"hazy", "dark-channel", name} == set(by_method)
            for scores in by_method.values():
                assert {"rgb-full/psnr", "rgb-ssim256/ssim", "y-full/psnr"} <= set(scores)


@pytest.mark.parametrize("name", [name for name in released() if name != "nedr"])  # unpaired
@pytest.mark.parametrize("real_set", ["o-haze_800", "i-haze_800", "nh-haze_800", "nh-haze2_800"])
def test_the_released_weights_are_better_than_both_baselines_on_real_haze(name, real_set):
    scores = find_weights(name).card["scores"][real_set]
    for baseline in ("hazy", "dark-channel"):
        assert scores[name]["rgb-full/psnr"] > scores[baseline]["rgb-full/psnr"]
        assert scores[name]["rgb-full/ssim"] > scores[baseline]["rgb-full/ssim"]
        assert scores[name]["rgb-full/ciede2000"] < scores[baseline]["rgb-full/ciede2000"]
