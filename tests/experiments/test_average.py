import dataclasses
import json
import sys

import jax
import numpy as np
import pytest
from weights.average import main

from dehaze_jax import methods, storage

CONFIG = methods.DehazeFlowConfig(
    proxy_size=8,
    grid_size=2,
    grid_depth=2,
    width=4,
    time_features=4,
    lut_size=3,
    objective=methods.ObjectiveConfig(kind="rollout"),
)


def save(folder, config, value, card):
    """Weights whose every number is one and the same."""
    picture = jax.ShapeDtypeStruct((1, 16, 16, 3), np.float32)
    batch = {"hazy": picture, "clear": picture}
    shapes = jax.eval_shape(methods.build(config).init, jax.random.key(0), batch)
    variables = jax.tree.map(lambda leaf: np.full(leaf.shape, value, np.float32), shapes)
    storage.save_weights(folder, variables, storage.config_to_dict(config), card)


@pytest.fixture
def folders(tmp_path):
    """Two weights folders, and the run folder of a third."""
    for number, folder in enumerate(("one", "two", "three/weights")):
        objective = dataclasses.replace(CONFIG.objective, ssim_weight=float(number))
        config = dataclasses.replace(CONFIG, objective=objective)
        save(tmp_path / folder, config, 10.0**number, {"recipe": {"steps": number}})
    return [tmp_path / name for name in ("one", "two", "three")]


@pytest.fixture
def run(tmp_path, monkeypatch):
    def run(folders):
        command = ["average", "--of", *map(str, folders), "--to", str(tmp_path / "mean")]
        monkeypatch.setattr(sys, "argv", command)
        main()
        return tmp_path / "mean"

    return run


def test_every_tensor_is_the_mean(folders, run):
    mean = storage.find_weights(run(folders))
    for leaf in jax.tree.leaves(mean.variables):
        np.testing.assert_allclose(leaf, 37.0, rtol=1e-6)
        assert leaf.dtype == np.float32
    assert mean.config["objective"]["ssim_weight"] == 2.0


def test_the_card_has_every_recipe(folders, run):
    card = json.loads((run(folders) / "card.json").read_text())
    expected = {str(folder): {"steps": number} for number, folder in enumerate(folders)}
    assert card["recipe"] == {"mean of": expected}


def test_the_card_tells_what_the_weights_began_from(folders, run, tmp_path):
    first, second, last = (str(folder) for folder in folders)
    for number, (folder, start) in enumerate(((second, first), (last, second)), start=1):
        target = tmp_path / "three" / "weights" if folder == last else second
        save(target, CONFIG, float(number), {"recipe": {"steps": number, "init_from": start}})
    card = json.loads((run([folders[0], folders[2]]) / "card.json").read_text())
    assert card["recipe"]["mean of"][last] == {
        "steps": 2,
        "init_from": second,
        "began from": {"steps": 1, "init_from": first, "began from": {"steps": 0}},
    }


def test_what_has_no_mean_is_refused(folders, run, tmp_path):
    with pytest.raises(SystemExit, match="takes two weights at least"):
        run(folders[:1])
    with pytest.raises(SystemExit, match="nowhere"):
        run([folders[0], tmp_path / "nowhere"])
    no_recipe = tmp_path / "other"
    save(no_recipe, CONFIG, 1.0, {})
    with pytest.raises(SystemExit, match="other: is not finished"):
        run([folders[0], no_recipe])
    for name, change in (
        ("additive", {"lut_mode": "composed"}),
        ("steps", {"objective": methods.ObjectiveConfig(kind="rollout", rollout_steps=2)}),
    ):
        save(tmp_path / name, dataclasses.replace(CONFIG, **change), 1.0, {"recipe": {}})
        with pytest.raises(SystemExit, match=f"{name}: is of another model, or solve, than"):
            run([*folders, tmp_path / name])
    assert not (tmp_path / "mean").exists()
