import numpy as np
import pytest

from dehaze_jax.data import DataConfig, open_prepared, prepare, train_batches
from dehaze_jax.errors import InputError


def _pictures(path, key):
    prepared = open_prepared(path, "train", needs=(key,))
    return [prepared.maps(number, (key,)).part()[key] for number in range(len(prepared))]


def test_hazy_and_clear_pictures_become_two_datasets_to_train_on(tmp_path, copy_of):
    source, pixels = copy_of("hazy/a.png", "hazy/b.png", "GT/x.png", "GT/y/z.png")
    paths = {
        key: prepare(f"unpaired_folder/{key}", tmp_path / key, source=source)
        for key in ("hazy", "clear")
    }
    hazy, clear = (_pictures(path, key) for key, path in paths.items())
    np.testing.assert_array_equal(hazy, [pixels["hazy/a.png"], pixels["hazy/b.png"]])
    np.testing.assert_array_equal(clear, [pixels["GT/x.png"], pixels["GT/y/z.png"]])
    config = DataConfig(
        train=(str(paths["hazy"]),), clear=(str(paths["clear"]),), batch_size=2, crop_size=8
    )
    batch = next(train_batches(config, seed=0))
    assert batch["hazy"].shape == batch["clear"].shape == (2, 8, 8, 3)


def test_folders_of_splits_are_taken_as_they_are(tmp_path, copy_of, ids_of):
    source, _ = copy_of("train/hazy/a.png", "val/haze/b.png", "eval/input/c.png", "d.png")
    path = prepare("unpaired_folder/hazy", tmp_path / "p", source=source)
    assert ids_of(path) == {"train": ["a"], "validation": ["b"], "test": ["c"]}


def test_a_folder_of_pictures_will_do(tmp_path, copy_of, ids_of):
    source, _ = copy_of("mine/a.png", "mine/sub/b.png")
    path = prepare("unpaired_folder/clear", tmp_path / "p", source=source)
    assert ids_of(path) == {"train": ["a", "sub/b"]}


def test_two_files_of_one_name_are_told(tmp_path, copy_of):
    source, _ = copy_of("hazy/a.png", "hazy/a.jpg")
    with pytest.raises(InputError, match=r"a\.png: has the same name as a\.jpg"):
        prepare("unpaired_folder/hazy", tmp_path / "p", source=source)
    path = prepare("unpaired_folder/hazy", tmp_path / "p", source=source, bad="skip")
    assert len(_pictures(path, "hazy")) == 1


def test_the_real_pictures(tmp_path, shared_data, ids_of):
    for key, folder, count in (("hazy", "real-classic", 10), ("clear", "clear-4k", 3)):
        path = prepare(f"unpaired_folder/{key}", tmp_path / key, source=shared_data / folder)
        assert [len(ids) for ids in ids_of(path).values()] == [count]


def test_no_sub_folder_is_left_out_whatever_its_depth(tmp_path, copy_of, ids_of):
    source, _ = copy_of("2019/a.png", "2020/jan/b.png", "2020/c.png")
    path = prepare("unpaired_folder/hazy", tmp_path / "p", source=source)
    assert ids_of(path) == {"train": ["2019/a", "2020/c", "2020/jan/b"]}
