import cv2
import numpy as np
import pytest
import tensorflow_datasets as tfds
import tifffile

from dehaze_jax.data import folder_builder, open_prepared, prepare, split_sizes
from dehaze_jax.errors import InputError


def _ids(path):
    return {split: [e.id for e in open_prepared(path, split)] for split in split_sizes(path)}


def test_no_clear_picture_is_in_two_splits(tmp_path, picture):
    for scene in range(12):
        picture(tmp_path / f"source/clear/{scene:04d}.png", seed=scene)
        for haze in range(3):
            picture(tmp_path / f"source/hazy/{scene:04d}_{haze}.png", seed=100 + scene)
    ids = _ids(prepare("paired_folder", tmp_path / "p", source=tmp_path / "source"))
    scenes = {split: {name.split("_")[0] for name in names} for split, names in ids.items()}
    assert sum(map(len, ids.values())) == 36
    assert {split: len(names) for split, names in scenes.items()} == {
        "train": 10,
        "validation": 1,
        "test": 1,
    }
    assert len(set.union(*scenes.values())) == 12


@pytest.mark.parametrize("spelling", [("train", "val", "test"), ("Train", "validation", "eval")])
def test_folders_of_splits_are_taken_as_they_are(tmp_path, picture, spelling):
    for split, names in zip(spelling, ("abc", "d", "ef"), strict=True):
        for name in names:
            picture(tmp_path / f"source/{split}/hazy/{name}.png")
            picture(tmp_path / f"source/{split}/GT/{name}.png")
    ids = _ids(prepare("paired_folder", tmp_path / "p", source=tmp_path / "source"))
    assert ids == {"train": ["a", "b", "c"], "validation": ["d"], "test": ["e", "f"]}


@pytest.mark.parametrize(
    ("name", "known"),
    [("{}_0.85_0.1", {"airlight", "beta"}), ("{}_3_0.91", {"airlight"}), ("{}_3", set())],
)
def test_parameters_in_names_are_recorded(tmp_path, picture, name, known):
    for scene in range(2):
        picture(tmp_path / f"source/hazy/{name.format(scene)}.png")
        picture(tmp_path / f"source/clear/{scene}.png")
    path = prepare("paired_folder", tmp_path / "p", source=tmp_path / "source")
    extras = open_prepared(path, "train")[1].extras
    assert set(extras) == known
    if "airlight" in known:
        value = 0.85 if "beta" in known else 0.91
        np.testing.assert_allclose(extras["airlight"], [value] * 3, rtol=1e-6)
    if "beta" in known:
        assert extras["beta"] == pytest.approx(0.1)


def test_sixteen_bits_are_kept_and_eight_widened_beside_them(tmp_path, picture):
    deep = picture(tmp_path / "source/hazy/a.png", dtype=np.uint16)
    shallow = picture(tmp_path / "source/clear/a.png")
    path = prepare("paired_folder", tmp_path / "p", source=tmp_path / "source")
    (example,) = open_prepared(path, "train")
    np.testing.assert_array_equal(example.hazy, deep)
    np.testing.assert_array_equal(example.clear, shallow.astype(np.uint16) * 257)


def test_files_of_every_kind_become_three_channels(tmp_path, picture):
    names = ("grey.png", "alpha.png", "photo.jpg", "Upper.JPEG", "scan.tif", "web.webp")
    for name in names:
        picture(tmp_path / f"source/clear/{name}")
        picture(tmp_path / f"source/hazy/{name}", height=26)
    grey = np.arange(24 * 32, dtype=np.uint8).reshape(24, 32)
    cv2.imwrite(str(tmp_path / "source/clear/grey.png"), grey)
    cv2.imwrite(str(tmp_path / "source/clear/alpha.png"), np.dstack([grey] * 4))
    path = prepare("paired_folder", tmp_path / "p", source=tmp_path / "source")
    examples = [e for split in split_sizes(path) for e in open_prepared(path, split)]
    assert sorted(e.id for e in examples) == sorted(name.split(".")[0] for name in names)
    for example in examples:
        assert example.hazy.shape == example.clear.shape == (24, 32, 3)
        if example.id in ("grey", "alpha"):
            np.testing.assert_array_equal(example.clear, np.dstack([grey] * 3))


def test_tfds_itself_reads_the_same_pixels(tmp_path, picture):
    wanted = picture(tmp_path / "source/hazy/a.png", seed=4)
    picture(tmp_path / "source/clear/a.png")
    path = prepare("paired_folder", tmp_path / "p", source=tmp_path / "source")
    (example,) = tfds.builder_from_directory(path).as_data_source(split="train")
    np.testing.assert_array_equal(example["hazy"], wanted)


def test_a_hazy_picture_without_partner_is_named(tmp_path, picture):
    picture(tmp_path / "source/hazy/a.png")
    picture(tmp_path / "source/hazy/b.png")
    picture(tmp_path / "source/clear/a.png")
    with pytest.raises(InputError, match=r"hazy/b\.png: has no clear partner"):
        prepare("paired_folder", tmp_path / "p", source=tmp_path / "source")


def test_a_split_without_clear_folder_is_named(tmp_path, picture):
    picture(tmp_path / "source/train/hazy/a.png")
    with pytest.raises(InputError, match=r"train: has no folder clear\|gt\|target/"):
        prepare("paired_folder", tmp_path / "p", source=tmp_path / "source")


@pytest.mark.parametrize(
    ("suffix", "dtype", "deep"),
    [
        (".png", np.uint16, True),
        (".png", np.uint8, False),
        (".tif", np.uint16, True),
        (".TIFF", np.uint8, False),
        (".tif", np.float32, True),
    ],
)
def test_headers_tell_the_bits_of_pictures(tmp_path, suffix, dtype, deep, monkeypatch):
    path = tmp_path / f"a{suffix}"
    pixels = np.zeros((300, 300, 3), dtype)
    if suffix == ".png":
        cv2.imwrite(str(path), pixels)
    else:
        tifffile.imwrite(path, pixels, photometric="rgb")
    monkeypatch.setattr(folder_builder, "read", None)
    assert folder_builder._is_deep(path) is deep
    path.rename(tmp_path / "a.tif")  # it goes by content
    assert folder_builder._is_deep(tmp_path / "a.tif") is deep


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.jpg"])
@pytest.mark.parametrize("content", [b"", b"II*\0", b"II*\0" + bytes(40), b"text" * 20])
def test_what_is_no_picture_has_no_bits(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    assert not folder_builder._is_deep(tmp_path / name)
    assert not folder_builder._is_deep(tmp_path / "nowhere.png")
