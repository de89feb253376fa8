import json
import sys

import numpy as np
import pytest
from weights.average import main

from dehaze_jax import storage


@pytest.fixture
def folders(tmp_path):
    """Two weights folders, and the run folder of a third."""
    for number, folder in enumerate(("one", "two", "three/weights")):
        values = np.full((2, 3), 10.0**number, np.float32)
        variables = {"a": {"kernel": values}, "b": values[0] - 1}
        card = {"recipe": {"steps": number}}
        storage.save_weights(tmp_path / folder, variables, {"name": "toy", "width": number}, card)
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
    np.testing.assert_allclose(mean.variables["a"]["kernel"], np.full((2, 3), 37.0), rtol=1e-6)
    np.testing.assert_allclose(mean.variables["b"], np.full(3, 36.0), rtol=1e-6)
    assert mean.variables["b"].dtype == np.float32
    assert mean.config == {"name": "toy", "width": 2}


def test_the_card_has_every_recipe(folders, run):
    card = json.loads((run(folders) / "card.json").read_text())
    expected = {"one": {"steps": 0}, "two": {"steps": 1}, "three": {"steps": 2}}
    assert card["recipe"] == {"mean of": expected}


def test_what_has_no_mean_is_refused(folders, run, tmp_path):
    with pytest.raises(SystemExit, match="takes two weights at least"):
        run(folders[:1])
    other = tmp_path / "other"
    storage.save_weights(other, {"a": {"kernel": np.zeros((2, 4))}}, {"name": "toy"}, {})
    with pytest.raises(SystemExit, match="other: is not of the architecture of"):
        run([*folders, other])
    with pytest.raises(SystemExit, match="nowhere"):
        run([folders[0], tmp_path / "nowhere"])
    assert not (tmp_path / "mean").exists()
