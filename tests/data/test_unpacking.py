import shutil
import zipfile

import pytest

from dehaze_jax.data.unpacking import unpack
from dehaze_jax.errors import InputError


@pytest.fixture
def archive(tmp_path):
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as file:
        file.writestr("# O-HAZY/hazy/1.png", b"one" * 1000, zipfile.ZIP_DEFLATED)
        file.writestr("# O-HAZY/GT/1.png", b"two")
    return tmp_path / "set.zip"


def test_all_files_are_there_and_it_is_done_once(tmp_path, archive):
    unpack(archive, tmp_path / "out")
    assert (tmp_path / "out/# O-HAZY/hazy/1.png").read_bytes() == b"one" * 1000
    assert (tmp_path / "out/# O-HAZY/GT/1.png").read_bytes() == b"two"
    archive.unlink()
    unpack(archive, tmp_path / "out")


def test_what_an_earlier_call_left_half_done_is_done_again(tmp_path, archive):
    (tmp_path / "out.partial").mkdir()
    (tmp_path / "out.partial/stale").touch()
    unpack(archive, tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["# O-HAZY"]


@pytest.mark.parametrize("damage", ["no zip", "cut off", "bits", "text"])
def test_damaged_archives_are_named(tmp_path, archive, damage):
    data = archive.read_bytes()
    if damage == "cut off":
        archive.write_bytes(data[: len(data) // 2])
    elif damage == "bits":
        middle = data.index(b"hazy/1.png") + 16
        archive.write_bytes(data[:middle] + bytes(4) + data[middle + 4 :])
    else:
        archive.write_bytes(b"" if damage == "no zip" else b"hello")
    with pytest.raises(InputError, match=r"set\.zip: cannot be unpacked: "):
        unpack(archive, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_archive_larger_than_the_disk_is_refused(tmp_path, archive, monkeypatch):
    usage = shutil.disk_usage(tmp_path)._replace(free=3002)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage)
    with pytest.raises(InputError, match=r"set\.zip: needs 0\.0 MB on the disk of"):
        unpack(archive, tmp_path / "out")


def test_no_file_leaves_the_folder(tmp_path):
    with zipfile.ZipFile(tmp_path / "evil.zip", "w") as file:
        file.writestr("../../outside.txt", b"x")
    (tmp_path / "a/b").mkdir(parents=True)
    unpack(tmp_path / "evil.zip", tmp_path / "a/b/out")
    (written,) = tmp_path.rglob("outside.txt")
    assert tmp_path / "a/b/out" in written.parents
