"""Clear pictures alone, and depth beside pictures: what haze on the fly is rendered from."""

import itertools

import numpy as np
import pytest

from dehaze_jax.data import (
    DataConfig,
    check_bad_share,
    fingerprint,
    open_prepared,
    prepare,
    train_batches,
    training_size,
)
from dehaze_jax.data.sources import open_training
from dehaze_jax.errors import InputError

STILL = {"batch_size": 4, "crop": "whole", "flips": False, "rotations": False}


def read(config, count=1, **options):
    return list(itertools.islice(train_batches(config, **{"seed": 0, **options}), count))


@pytest.fixture
def photographs(tmp_path, picture):
    """A folder of five clear pictures."""
    for number in range(5):
        picture(tmp_path / "photographs" / f"{number}.png", 20, 24, seed=number)
    return str(tmp_path / "photographs")


@pytest.fixture(scope="module")
def landscapes(tmp_path_factory):
    """Rendered landscapes with depth, 20 x 24 pixels."""
    root = tmp_path_factory.mktemp("prepared") / "landscapes"
    return str(prepare("rendered_haze/landscapes", root, size=(20, 24), scenes=8, hazes=1, seed=3))


def test_a_folder_of_clear_pictures(photographs, picture, tmp_path):
    config = DataConfig(clear=(photographs,), crop_size=6, **STILL)
    assert training_size(config) == 5
    batches = read(config, 5)
    assert set(batches[0]) == {"clear", "bad"}
    drawn = np.concatenate([batch["clear"] for batch in batches])
    assert len(np.unique(drawn.reshape(20, -1), axis=0)) == 5
    # A single picture will do: no adversary is there to learn it.
    picture(tmp_path / "one" / "0.png", 20, 24)
    (batch,) = read(DataConfig(clear=(str(tmp_path / "one"),), crop_size=6, **STILL))
    assert np.all(batch["clear"] == batch["clear"][0])


def test_shares_of_folders(photographs, picture, tmp_path):
    picture(tmp_path / "one" / "0.png", 20, 24, seed=99)
    config = DataConfig(
        clear=(photographs, str(tmp_path / "one")), clear_weights=(1.0, 3.0), crop_size=6, **STILL
    )
    drawn = np.concatenate([batch["clear"] for batch in read(config, 10)]).reshape(40, -1)
    (single,) = read(DataConfig(clear=(str(tmp_path / "one"),), crop_size=6, **STILL))
    assert np.sum((drawn == single["clear"][:1].reshape(1, -1)).all(axis=1)) == 30


@pytest.mark.parametrize("side", ["train", "clear"])
def test_depth_comes_with_its_picture_where_it_is_asked_for(landscapes, side):
    config = DataConfig(**{side: (landscapes,)}, crop_size=20, **STILL)
    known = {"train": {"hazy", "transmission", "airlight"}, "clear": set()}[side]
    (without,) = read(config)
    assert set(without) == {"clear", "bad"} | known
    (batch,) = read(config, depth=True)
    assert set(batch) == {"clear", "depth", "bad"} | known
    np.testing.assert_array_equal(batch["clear"], without["clear"])
    assert batch["depth"].shape == (4, 20, 20, 1)
    assert batch["depth"].dtype == np.float32
    # Each map is that of its own picture, whose width alone was reduced.
    split = open_prepared(landscapes, "train")
    depths = np.stack([example.extras["depth"] for example in split])
    for depth in batch["depth"]:
        rows = np.abs(depths.mean(axis=2) - depth[..., 0].mean(axis=1)).max(axis=1)
        assert rows.min() < 2e-3


def test_depth_is_cut_and_turned_as_its_picture(landscapes):
    """Where depth is larger, so is the optical depth of the pair."""
    config = DataConfig(train=(landscapes,), crop_size=12, batch_size=8)
    (batch,) = read(config, depth=True)
    again = -np.log(np.maximum(batch["transmission"], 1e-3))
    for optical, depth in zip(again, batch["depth"], strict=True):
        seen = optical < 5
        assert np.corrcoef(optical[seen], depth[seen])[0, 1] > 0.7


def test_depth_is_left_out_where_not_all_have_it(landscapes, photographs, pairs_folder, tmp_path):
    pairs = str(prepare("paired_folder", tmp_path / "pairs_prepared", source=pairs_folder()))
    for folders in (
        {"train": (landscapes, pairs)},
        {"clear": (landscapes, photographs)},
        {"train": (landscapes,), "clear": (photographs,)},  # unpaired
    ):
        (batch,) = read(DataConfig(**folders, crop_size=6, **STILL), depth=True)
        assert "depth" not in batch
        assert "clear" in batch


def test_the_fingerprint_is_that_of_the_pictures(landscapes, photographs):
    own = fingerprint(DataConfig(clear=(photographs,)))
    assert own == fingerprint(DataConfig(clear=(photographs,), batch_size=2))
    assert own != fingerprint(DataConfig(clear=(photographs, landscapes)))
    assert own != fingerprint(DataConfig(train=(landscapes,), clear=(photographs,)))


def test_each_example_counts_once_among_the_damaged():
    pairs = {"batch_size": 10, "max_bad_share": 0.1}
    for folders in ({"clear": ("c",)}, {"train": ("t",)}):
        check_bad_share(DataConfig(**pairs, **folders), bad=10, batches=10, size=0)
        with pytest.raises(InputError, match="11 of 100 examples"):
            check_bad_share(DataConfig(**pairs, **folders), bad=11, batches=10, size=0)
    both = DataConfig(**pairs, train=("t",), clear=("c",))
    check_bad_share(both, bad=20, batches=10, size=0)


def test_folders_that_are_not_there_are_named(tmp_path):
    with pytest.raises(InputError, match="nowhere"):
        open_training(DataConfig(clear=(str(tmp_path / "nowhere"),)))
