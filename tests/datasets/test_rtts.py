import numpy as np
import pytest

from dehaze_jax.data import open_prepared, prepare
from dehaze_jax.errors import InputError


@pytest.mark.parametrize("top", ["", "RTTS/", "VOC/RTTS/"])
def test_the_pictures_of_the_archive_are_the_test_split(tmp_path, copy_of, ids_of, top):
    source, pixels = copy_of(f"{top}JPEGImages/AM_2.png", f"{top}JPEGImages/BD_10.png")
    path = prepare("rtts", tmp_path / "p", source=source)
    assert ids_of(path) == {"test": ["AM_2", "BD_10"]}
    maps = open_prepared(path, "test", needs=("hazy",)).maps(1, ("hazy",)).part()
    np.testing.assert_array_equal(maps["hazy"], pixels[f"{top}JPEGImages/BD_10.png"])


def test_the_pictures_alone_will_do(tmp_path, copy_of, ids_of):
    source, _ = copy_of("RTTS/a.png", "RTTS/b.png")
    assert ids_of(prepare("rtts", tmp_path / "p", source=source)) == {"test": ["a", "b"]}


def test_it_is_told_where_to_fetch_it(tmp_path):
    with pytest.raises(InputError, match=r"^rtts: fetch RTTS\.zip from https://sites\.google"):
        prepare("rtts", tmp_path / "p")
