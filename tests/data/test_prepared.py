import shutil
import subprocess
import sys

import cv2
import fsspec
import numpy as np
import pytest
from etils import epath
from fsspec.implementations.memory import MemoryFileSystem

from dehaze_jax.data import (
    DataConfig,
    open_prepared,
    pair_folders,
    prepare,
    split_sizes,
    verify,
)
from dehaze_jax.data.sources import open_training
from dehaze_jax.errors import InputError


@pytest.fixture
def prepared(tmp_path, pairs_folder):
    return prepare("paired_folder", tmp_path / "prepared", source=pairs_folder(count=6))


def test_a_prepared_dataset_holds_what_the_files_hold(tmp_path, prepared):
    folder = pair_folders(tmp_path / "pairs/hazy", tmp_path / "pairs/clear")
    wanted = {example.id: example for example in folder}
    found = {
        example.id: example
        for split in ("train", "validation", "test")
        for example in open_prepared(prepared, split)
    }
    assert found.keys() == wanted.keys()
    for name, example in found.items():
        np.testing.assert_array_equal(example.hazy, wanted[name].hazy)
        np.testing.assert_array_equal(example.clear, wanted[name].clear)


def test_sequence_rules(prepared):
    examples = open_prepared(prepared, "train")
    assert len(examples) == split_sizes(prepared)["train"] == 4
    assert examples[-1].id == examples[3].id
    with pytest.raises(IndexError):
        examples[4]


def test_only_the_extras_asked_for_are_decoded(tmp_path):
    path = prepare("rendered_haze/landscapes", tmp_path / "l", size=(24, 32), scenes=1, hazes=1)
    examples = open_prepared(path, "train")
    assert set(examples.read(0).extras) == set()
    assert set(examples.read(0, extras=("airlight",)).extras) == {"airlight"}
    assert set(examples[0].extras) == {"transmission", "depth", "airlight", "beta"}


def test_only_the_maps_asked_for_are_decoded(tmp_path, monkeypatch):
    path = prepare("rendered_haze/landscapes", tmp_path / "l", size=(24, 32), scenes=1, hazes=1)
    examples = open_prepared(path, "train")
    whole = examples[0]
    decoded = []
    decode = cv2.imdecode
    monkeypatch.setattr(cv2, "imdecode", lambda *given: decoded.append(1) or decode(*given))
    for keys, pictures in (
        (("hazy",), 1),
        (("clear",), 1),
        (("clear", "hazy"), 2),
        (("clear", "airlight", "transmission"), 2),
        (("depth",), 0),
        ((), 0),
    ):
        decoded.clear()
        maps = examples.maps(0, keys).part()
        assert tuple(maps) == keys
        assert len(decoded) == pictures
        for key, value in maps.items():
            expected = whole.extras[key] if key in whole.extras else getattr(whole, key)
            np.testing.assert_array_equal(value, expected)


def test_maps_that_an_example_lacks_are_left_out(prepared):
    maps = open_prepared(prepared, "train").maps(-1, ("hazy", "airlight"))
    assert set(maps.part()) == {"hazy"}


def test_fingerprint_depends_on_content_and_split(tmp_path, prepared, pairs_folder, picture):
    again = prepare("paired_folder", tmp_path / "again", source=tmp_path / "pairs")
    fingerprint = open_prepared(prepared, "train").fingerprint
    assert open_prepared(again, "train").fingerprint == fingerprint
    assert open_prepared(prepared, "test").fingerprint != fingerprint
    (again / "checksums.json").unlink()
    assert open_prepared(again, "train").fingerprint == fingerprint
    for number in range(6):
        picture(tmp_path / f"pairs/clear/{number:02d}.png", seed=50 + number)
    changed = prepare("paired_folder", tmp_path / "changed", source=tmp_path / "pairs")
    assert open_prepared(changed, "train").fingerprint != fingerprint


def test_unusable_directories_are_named(tmp_path, prepared):
    with pytest.raises(InputError, match="nowhere: does not exist"):
        open_prepared(tmp_path / "nowhere", "train")
    with pytest.raises(InputError, match="pairs: is not a prepared dataset"):
        open_prepared(tmp_path / "pairs", "train")
    with pytest.raises(InputError, match="no split 'val'; it has: test, train, validation"):
        open_prepared(prepared, "val")
    (prepared / "features.json").write_text("{")
    with pytest.raises(InputError, match="prepared: is not a prepared dataset"):
        open_prepared(prepared, "train")


@pytest.mark.parametrize("checksums", [True, False])
def test_a_record_file_cut_off_or_missing_is_named(prepared, checksums):
    if not checksums:
        (prepared / "checksums.json").unlink()
    (record,) = prepared.glob("*-train.array_record*")
    data = record.read_bytes()
    record.write_bytes(data[: len(data) // 2])
    expected = r"train\.array_record.*cut off" if checksums else "train.*cannot be"
    with pytest.raises(InputError, match=expected):
        list(open_prepared(prepared, "train"))
    assert open_prepared(prepared, "test")[0].id
    record.unlink()
    with pytest.raises(InputError, match=r"train\.array_record.*does not exist"):
        open_prepared(prepared, "train")


def test_a_damaged_record_is_named(prepared):
    (record,) = prepared.glob("*-train.array_record*")
    data = bytearray(record.read_bytes())
    start = data.find(b"\x89PNG")
    start = len(data) // 4 if start < 0 else start
    data[start : start + 2000] = bytes(2000)
    record.write_bytes(data)
    with pytest.raises(InputError, match=r"prepared.*train"):
        list(open_prepared(prepared, "train"))


@pytest.mark.parametrize("name", ["dataset_info.json", "features.json"])
@pytest.mark.parametrize("content", ["", "{", "[]", "5", "null", '{"name": 5}'])
def test_damaged_descriptions_are_one_line(prepared, name, content):
    (prepared / name).write_text(content)
    for look in (split_sizes, lambda path: open_prepared(path, "train")):
        with pytest.raises(InputError, match=r"prepared: is not a prepared dataset$"):
            look(prepared)


@pytest.mark.parametrize("content", ["[]", "5", "null", '{"a": 1}', '{"a": {"bytes": 1}}'])
def test_checksums_of_another_form_are_one_line(prepared, content):
    (prepared / "checksums.json").write_text(content)
    for look in (verify, lambda path: open_prepared(path, "train")):
        with pytest.raises(InputError, match=r"checksums\.json: does not give the size and checks"):
            look(prepared)


def test_a_prepared_dataset_can_be_moved(tmp_path, prepared):
    moved = shutil.move(prepared, tmp_path / "moved # here")
    assert len(open_prepared(moved, "train")) == 4


def test_what_a_loader_worker_imports_leaves_jax_alone(prepared):
    code = """
import sys
import dehaze_jax.data as data
from dehaze_jax.data import Cut, DataConfig, Example, find_pairs, open_prepared, split_scenes
import numpy as np
maps = open_prepared(sys.argv[1], "train").maps(0, ("hazy",))
Cut(DataConfig(crop_size=8))(maps, np.random.default_rng(0))
loaded = [name for name in ("jax", "tensorflow", "grain") if name in sys.modules]
assert not loaded, loaded
"""
    subprocess.run([sys.executable, "-c", code, str(prepared)], check=True)


def test_paths_of_etils_and_copies_elsewhere_are_the_same_dataset(tmp_path, prepared):
    copy = shutil.copytree(prepared, tmp_path / "elsewhere/copy")
    for path in (epath.Path(prepared), epath.Path(copy), str(copy)):
        assert split_sizes(path) == split_sizes(prepared)
        opened = open_prepared(path, "train")
        assert opened.fingerprint == open_prepared(prepared, "train").fingerprint
        np.testing.assert_array_equal(opened[0].hazy, open_prepared(prepared, "train")[0].hazy)


def test_addresses_are_read_through_etils(prepared, monkeypatch):
    """A file system in memory stands in for the cloud's; only array_record opens records itself."""
    cloud = MemoryFileSystem()
    monkeypatch.setattr(fsspec, "filesystem", lambda *_, **__: cloud)
    for path in prepared.iterdir():
        cloud.pipe(f"gs://bucket/sets/p/{path.name}", path.read_bytes())
    assert split_sizes("gs://bucket/sets/p") == split_sizes(prepared)
    cloud.pipe("gs://bucket/sets/p/checksums.json", b"{")
    with pytest.raises(InputError, match=r"^gs://bucket/sets/p/checksums\.json: cannot be read"):
        open_prepared("gs://bucket/sets/p", "train")
    with pytest.raises(InputError, match=r"^gs://bucket/other: does not exist"):
        split_sizes("gs://bucket/other")
    for folders in ({"clear": ("gs://bucket/sets/p",)}, {"train": ("gs://bucket/sets/p",)}):
        with pytest.raises(InputError, match=r"^gs://bucket/sets/p/checksums\.json: cannot be r"):
            open_training(DataConfig(**folders))
    both = DataConfig(train=("gs://bucket/other",), clear=("gs://bucket/sets/p",))
    with pytest.raises(InputError, match=r"^gs://bucket/other: does not exist"):
        open_training(both)


def test_addresses_without_the_package_for_them_are_told(monkeypatch):
    def missing(*_, **__):
        raise ImportError("install s3fs")

    monkeypatch.setattr(fsspec, "filesystem", missing)
    with pytest.raises(InputError, match=r"s3://bucket/p: cannot be reached: install s3fs"):
        split_sizes("s3://bucket/p")
