import json

import numpy as np
import pytest

from dehaze_jax.data import open_prepared, prepare
from dehaze_jax.errors import InputError


def _names(numbers, hazy="hazy", clear="GT", suffix="jpg"):
    for number in numbers:
        yield f"{hazy}/{number:02d}_outdoor_hazy.{suffix}"
        yield f"{clear}/{number:02d}_outdoor_GT.{suffix}"


@pytest.mark.parametrize("top", ["", "# O-HAZY NTIRE 2018/", "data/O-HAZE/# O-HAZY NTIRE 2018/"])
def test_the_archive_is_split_by_number(tmp_path, copy_of, ids_of, top):
    names = _names([1, 7, 40, 41, 45], f"{top}hazy", f"{top}GT", "png")
    source, pixels = copy_of(*names)
    path = prepare("o_haze", tmp_path / "p", source=source)
    assert ids_of(path) == {
        "train": [f"{n:02d}_outdoor_hazy" for n in (1, 7, 40)],
        "test": [f"{n:02d}_outdoor_hazy" for n in (41, 45)],
    }
    last = open_prepared(path, "test")[1]
    np.testing.assert_array_equal(last.hazy, pixels[f"{top}hazy/45_outdoor_hazy.png"])
    np.testing.assert_array_equal(last.clear, pixels[f"{top}GT/45_outdoor_GT.png"])
    (note,) = json.loads((path / "report.json").read_text())["notes"]
    assert note == "has 3 train, 2 test; looks like O-HAZE, split 40/5, which has 40 train, 5 test"


def test_all_45_pairs_raise_no_note(tmp_path, copy_of):
    source, _ = copy_of(*_names(range(1, 46)))
    path = prepare("o_haze", tmp_path / "p", source=source)
    assert json.loads((path / "report.json").read_text())["notes"] == []


def test_copies_with_folders_of_splits_keep_them(tmp_path, copy_of, ids_of):
    source, _ = copy_of(
        *_names([41], "Train/hazy", "Train/clear", "JPG"), *_names([2], "test/HAZY", "test/gt")
    )
    path = prepare("o_haze", tmp_path / "p", source=source)
    assert ids_of(path) == {"train": ["41_outdoor_hazy"], "test": ["02_outdoor_hazy"]}


def test_it_is_not_taken_from_another_dataset_beside_it(tmp_path, copy_of):
    source, _ = copy_of(
        "NH-HAZE2/hazy/01.png",
        "NH-HAZE2/GT/01.png",
        *_names([1], "O/# O-HAZY/hazy", "O/# O-HAZY/GT"),
    )
    with pytest.raises(InputError, match=r"copy: .*/NH-HAZE2 and .*/O/# O-HAZY; give one of them"):
        prepare("o_haze", tmp_path / "p", source=source)
