import pathlib

import numpy as np
import pytest

from dehaze_jax.data import pair_folders
from dehaze_jax.errors import InputError


def test_folder_pairs_read_what_the_files_hold(tmp_path, picture):
    hazy = picture(tmp_path / "hazy/0025_0.85_0.04.png", seed=1, dtype=np.uint16)
    clear = picture(tmp_path / "clear/0025.png", seed=2)
    pairs = pair_folders(tmp_path / "hazy", tmp_path / "clear")
    (example,) = list(pairs)
    assert len(pairs) == 1
    assert example.id == "0025_0.85_0.04"
    np.testing.assert_array_equal(example.hazy, hazy)
    np.testing.assert_array_equal(example.clear, clear)
    np.testing.assert_allclose(example.extras["airlight"], [0.85] * 3, rtol=1e-6)
    np.testing.assert_allclose(example.extras["beta"], 0.04, rtol=1e-6)


def test_folder_pairs_read_lazily_and_name_the_damaged_file(pairs_folder):
    root = pairs_folder(count=2)
    damaged = root / "hazy/01.png"
    damaged.write_bytes(damaged.read_bytes()[:100])
    pairs = pair_folders(root / "hazy", root / "clear")
    assert pairs[0].id == "00"
    with pytest.raises(InputError, match=r"01\.png"):
        pairs[1]


def test_folder_fingerprint_follows_content_not_place(pairs_folder, picture):
    first, second = pairs_folder("one", count=2), pairs_folder("two", count=2)

    def fingerprint(root: pathlib.Path):
        return pair_folders(root / "hazy", root / "clear").fingerprint

    assert fingerprint(first) == fingerprint(second)
    picture(second / "clear/01.png", seed=99)
    assert fingerprint(first) != fingerprint(second)


def test_a_file_that_cannot_be_read_does_not_cost_the_fingerprint(pairs_folder):
    root = pairs_folder(count=2)
    pairs = pair_folders(root / "hazy", root / "clear")
    whole = pairs.fingerprint
    (root / "hazy/01.png").unlink()
    assert pairs.fingerprint == pairs.fingerprint != whole
