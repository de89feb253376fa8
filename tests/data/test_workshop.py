import contextlib
import fcntl
import os
import pathlib
import subprocess
import sys

import pytest

from dehaze_jax.data.workshop import check_target, open_workshop, publish
from dehaze_jax.errors import InputError
from dehaze_jax.storage.locking import locked


def test_two_processes_do_not_make_the_same_dataset(tmp_path):
    code = """
import pathlib, sys
from dehaze_jax.data.workshop import open_workshop
with open_workshop(pathlib.Path(sys.argv[1])):
    print("in", flush=True)
    sys.stdin.read()
"""
    command = [sys.executable, "-c", code, tmp_path / "p"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"in\n"
        with (
            pytest.raises(InputError, match="p: is being prepared by another process"),
            open_workshop(tmp_path / "p"),
        ):
            pass
        other.kill()
    with open_workshop(tmp_path / "p") as shop:
        assert shop.records.is_dir()


def test_it_stays_as_long_as_something_is_finished(tmp_path):
    with open_workshop(tmp_path / "p"):
        pass
    assert not list(tmp_path.iterdir())
    with open_workshop(tmp_path / "p") as shop:
        (shop.notes / "first.json").touch()
    with open_workshop(tmp_path / "p") as shop:
        assert (shop.notes / "first.json").exists()
        (shop.records / "first").write_text("new")
        publish(shop, tmp_path / "p")
    assert [path.name for path in tmp_path.iterdir()] == ["p"]
    assert (tmp_path / "p/first").read_text() == "new"


def test_what_is_replaced_is_gone_afterwards(tmp_path):
    (tmp_path / "p").mkdir()
    (tmp_path / "p/old").touch()
    with open_workshop(tmp_path / "p") as shop:
        (shop.records / "new").touch()
        publish(shop, tmp_path / "p")
    assert [path.name for path in tmp_path.rglob("*")] == ["p", "new"]


@pytest.mark.parametrize("target", ["gs://bucket/prepared", "s3://bucket/prepared"])
def test_addresses_are_no_folders(target):
    with pytest.raises(InputError, match="is no folder of this machine"):
        check_target(target, overwrite=False)


@pytest.mark.parametrize("given", [".", "..", "below/..", "new/..", "here", "/"])
def test_the_folder_one_is_in_is_not_replaced(tmp_path, monkeypatch, given):
    (tmp_path / "here/below").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here")
    target = tmp_path / given if given == "here" else given
    for overwrite in (False, True):
        with pytest.raises(InputError, match="is the folder that you are in, or above it"):
            check_target(target, overwrite=overwrite)
    check_target("below", overwrite=False)
    assert [path.name for path in tmp_path.rglob("*")] == ["here", "below"]


def test_the_place_of_a_disk_is_not_replaced(tmp_path, monkeypatch):
    monkeypatch.setattr(os.path, "ismount", lambda path: path == tmp_path / "disk")
    (tmp_path / "disk").mkdir()
    with pytest.raises(InputError, match="disk: is where a disk is mounted; give a folder below"):
        check_target(tmp_path / "disk", overwrite=False)
    check_target(tmp_path / "disk/p", overwrite=False)


@pytest.fixture
def killed(tmp_path, monkeypatch):
    """A dataset at p that a new one replaces, killed at the n-th step of `publish`."""

    def kill(step):
        (tmp_path / "p").mkdir()
        (tmp_path / "p/dataset_info.json").write_text("old")
        steps = iter(range(1, step + 1))

        def count(original):
            def run(*given):
                if next(steps) == step:
                    raise KeyboardInterrupt
                return original(*given)

            return run

        with (
            contextlib.suppress(KeyboardInterrupt),
            monkeypatch.context() as patch,
            open_workshop(tmp_path / "p") as shop,
        ):
            (shop.records / "dataset_info.json").write_text("new")
            (shop.notes / "note.json").touch()
            patch.setattr(os, "replace", count(os.replace))
            patch.setattr(pathlib.Path, "unlink", count(pathlib.Path.unlink))
            publish(shop, tmp_path / "p")
        return tmp_path / "p"

    return kill


@pytest.mark.parametrize(("step", "content"), [(1, "old"), (2, "old"), (3, "new")])
def test_a_kill_while_one_is_replaced_loses_neither(killed, step, content):
    target = killed(step)
    assert target.exists() == (step != 2)
    with pytest.raises(InputError, match="exists and is not empty"):
        check_target(target, overwrite=False)
    assert (target / "dataset_info.json").read_text() == content
    left = [path.name for path in target.parent.iterdir()]
    assert sorted(left) == ([".p.partial", "p"] if content == "old" else ["p"])
    if content == "old":  # the new one is whole, too
        with open_workshop(target) as shop:
            publish(shop, target)
        assert (target / "dataset_info.json").read_text() == "new"
        assert [path.name for path in target.parent.iterdir()] == ["p"]


def test_nothing_is_put_back_while_another_process_is_at_work(killed):
    target = killed(2)
    with open_workshop(target), pytest.raises(InputError, match="is being prepared by another"):
        check_target(target, overwrite=True)
    assert not target.exists()


def test_errors_of_what_is_done_in_it_are_not_its_own(tmp_path):
    with pytest.raises(FileNotFoundError), open_workshop(tmp_path / "p"):
        (tmp_path / "source").read_bytes()
    (tmp_path / "file").touch()
    with (
        pytest.raises(InputError, match="file/p: cannot be written: Not a directory"),
        open_workshop(tmp_path / "file/p"),
    ):
        pass


def test_a_lock_file_that_was_removed_meanwhile_keeps_out(tmp_path, monkeypatch):
    flock = fcntl.flock

    def slow(*given):
        (tmp_path / "lock").unlink()
        flock(*given)

    monkeypatch.setattr(fcntl, "flock", slow)
    with (
        pytest.raises(InputError, match="p: busy"),
        locked(tmp_path / "lock", InputError("p", "busy")),
    ):
        pass


def test_a_lock_file_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / ".p.partial/lock").mkdir(parents=True)
    with (
        pytest.raises(InputError, match="p: cannot be written: Is a directory"),
        open_workshop(tmp_path / "p"),
    ):
        pass
