import json
import pathlib
import shutil

import pytest
import tensorflow_datasets as tfds

from dehaze_jax.data import open_prepared, prepare, verify
from dehaze_jax.errors import InputError


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    to = tmp_path_factory.mktemp("data") / "whole"
    return prepare("rendered_haze/landscapes", to, size=(24, 32), scenes=4, hazes=2)


@pytest.fixture
def prepared(tmp_path, whole):
    return pathlib.Path(shutil.copytree(whole, tmp_path / "prepared"))


def _test_file(prepared):
    (path,) = prepared.glob("*-test.array_record*")
    return path


def test_what_is_whole_has_no_faults_and_its_fingerprints(prepared):
    calls = []
    found = verify(prepared, progress=lambda done, total: calls.append((done, total)))
    assert (found.faults, found.compared) == ((), True)
    assert found.examples == {"train": 4, "validation": 2, "test": 2}
    assert found.fingerprints == {
        split: open_prepared(prepared, split).fingerprint for split in found.examples
    }
    assert calls == [(done, 8) for done in range(1, 9)]


def test_tiles_are_verified_as_well(tmp_path):
    options = {"size": (24, 32), "scenes": 1, "hazes": 1, "tiles": 16}
    assert not verify(prepare("rendered_haze/landscapes", tmp_path / "p", **options)).faults


def test_one_changed_byte_is_told_by_its_file(prepared):
    path = _test_file(prepared)
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    (fault, *_) = verify(prepared).faults
    assert str(fault) == f"{path}: is not the file listed in checksums.json"


def test_a_damaged_record_is_told_by_its_number(prepared):
    path = _test_file(prepared)
    data = bytearray(path.read_bytes())
    middle = data.index(b"IDAT") + 100
    data[middle : middle + 500] = bytes(500)
    path.write_bytes(data)
    faults = [str(fault) for fault in verify(prepared).faults]
    assert faults[0].endswith("is not the file listed in checksums.json")
    assert any("(test, example " in fault for fault in faults[1:])
    assert all(fault.startswith(str(prepared)) for fault in faults)


def test_missing_cut_off_and_foreign_files_are_told(prepared):
    path = _test_file(prepared)
    shutil.copy(path, path.with_name(path.name.replace("test", "other")))
    path.write_bytes(path.read_bytes()[:1000])
    (validation,) = prepared.glob("*-validation.array_record*")
    validation.unlink()
    found = verify(prepared)
    assert [str(fault).removeprefix(f"{prepared}/rendered_haze-") for fault in found.faults] == [
        "other.array_record-00000-of-00001: is not listed in checksums.json",
        "test.array_record-00000-of-00001: is not the file listed in checksums.json",
        "validation.array_record-00000-of-00001: does not exist",
        "validation.array_record-00000-of-00001: does not exist; prepare the dataset again",
        "test.array_record-00000-of-00001: is cut off or changed; prepare the dataset again",
    ]
    assert set(found.fingerprints) == {"train"}


def test_two_examples_of_one_id_are_told(tmp_path, pairs_folder):
    class Twice(tfds.core.ShardBasedBuilder, skip_registration=True):
        name = "twice"
        VERSION = tfds.core.Version("1.0.0")

        def _info(self):
            features = tfds.features.FeaturesDict(
                {"id": tfds.features.Text(), "hazy": tfds.features.Image(shape=(None, None, 3))}
            )
            return tfds.core.DatasetInfo(builder=self, features=features, disable_shuffling=True)

        def _shard_iterators_per_split(self, dl_manager):
            file = pairs_folder(count=1) / "hazy/00.png"
            examples = [("a", {"id": "a", "hazy": str(file)}) for _ in range(3)]
            return {"train": [lambda: iter(examples)]}

    builder = Twice(data_dir=tmp_path / "tfds")
    builder.download_and_prepare(file_format="array_record")
    found = verify(builder.data_dir)
    assert not found.compared
    assert [fault.reason for fault in found.faults] == ["has the id a, as another one"]
    assert found.examples == {"train": 3}


def test_checksums_that_cannot_be_read_and_no_dataset_are_bad_input(prepared, tmp_path):
    (prepared / "checksums.json").write_text("{")
    with pytest.raises(InputError, match=r"checksums\.json: cannot be read"):
        verify(prepared)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="empty: is not a prepared dataset"):
        verify(tmp_path / "empty")


def test_records_copied_elsewhere_are_the_same_dataset(prepared, whole):
    assert verify(prepared).fingerprints == verify(whole).fingerprints
    checksums = json.loads((prepared / "checksums.json").read_text())
    assert set(checksums) == {path.name for path in prepared.glob("*array_record*")}
