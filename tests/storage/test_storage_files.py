import os
import stat

import pytest

from dehaze_jax.errors import InputError
from dehaze_jax.storage import read_json, write_atomically, write_json


def test_json_round_trip_keeps_the_folder_clean(tmp_path):
    write_json(tmp_path / "a.json", {"x": [1, 2.5, None]})
    write_json(tmp_path / "a.json", {"x": 2})
    assert read_json(tmp_path / "a.json") == {"x": 2}
    assert os.listdir(tmp_path) == ["a.json"]


def test_the_file_mode_is_that_of_an_ordinary_new_file(tmp_path):
    (tmp_path / "plain").write_text("")
    write_atomically(tmp_path / "ours", b"")
    modes = {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("plain", "ours")}
    assert len(modes) == 1


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    write_json(tmp_path / "a.json", 1)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match=r"a\.json: cannot be written: No space left on device"):
        write_json(tmp_path / "a.json", 2)
    assert read_json(tmp_path / "a.json") == 1
    assert os.listdir(tmp_path) == ["a.json"]


def test_unreadable_files_are_named(tmp_path):
    (tmp_path / "bad.json").write_text('{"a": ')
    with pytest.raises(InputError, match=r"bad\.json: is not valid JSON"):
        read_json(tmp_path / "bad.json")
    with pytest.raises(InputError, match=r"none\.json: cannot be read: No such file"):
        read_json(tmp_path / "none.json")
    with pytest.raises(InputError, match=r"gone.a\.json: cannot be written: No such file"):
        write_json(tmp_path / "gone" / "a.json", 1)
