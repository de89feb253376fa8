import subprocess
import sys

import pytest

from dehaze_jax.data.workshop import check_target, open_workshop, publish
from dehaze_jax.errors import InputError


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
