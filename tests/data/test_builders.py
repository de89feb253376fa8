import errno
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

from dehaze_jax.data import list_datasets, open_prepared, prepare, split_sizes
from dehaze_jax.data.registry import find_builder
from dehaze_jax.errors import InputError


def test_every_dataset_has_its_builder():
    for name, dataset in list_datasets().items():
        builder, found = find_builder(name)
        assert found is dataset
        assert builder.name == name.partition("/")[0]
        assert builder.config_class(name=dataset.config).seed == 0
    assert "datasets" not in sys.modules


def test_progress_counts_every_example(tmp_path, pairs_folder, capfd):
    calls = []
    prepare(
        "paired_folder",
        tmp_path / "p",
        source=pairs_folder(count=4),
        progress=lambda done, total: calls.append((done, total)),
    )
    assert calls == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("reside", {}, "reside: no such dataset; there are: .*o_haze, .*rtts"),
        ("paired_folder", {}, "paired_folder: is made of your own pictures"),
        ("rendered_haze/folder", {}, "rendered_haze/folder: is made of your own"),
        ("rendered_haze/landscapes", {"source": "x"}, "takes no pictures of yours"),
        ("rendered_haze/landscapes", {"size": (0, 5)}, "must be at least 1"),
        ("rendered_haze/landscapes", {"scenes": 0}, "must be at least 1"),
        ("rendered_haze/landscapes", {"seed": -1}, "seed: -1 must not be negative"),
    ],
)
def test_bad_requests_are_refused(tmp_path, name, options, message):
    with pytest.raises(InputError, match=message):
        prepare(name, tmp_path / "p", **options)
    assert not list(tmp_path.iterdir())


def test_bad_sources_are_named(tmp_path, pairs_folder):
    (tmp_path / "empty").mkdir()
    for source, message in [("nowhere", "does not exist"), ("empty", "has no folders train/hazy")]:
        with pytest.raises(InputError, match=rf"{source}: {message}"):
            prepare("paired_folder", tmp_path / "p", source=tmp_path / source)
    with pytest.raises(InputError, match="empty: holds no picture"):
        prepare("rendered_haze", tmp_path / "p", source=tmp_path / "empty")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty"]


def test_a_damaged_picture_is_named(tmp_path, pairs_folder):
    source = pairs_folder(count=5)
    damaged = source / "clear/03.png"
    damaged.write_bytes(damaged.read_bytes()[:200])
    with pytest.raises(InputError, match=r"clear/03\.png"):
        prepare("paired_folder", tmp_path / "p", source=source)
    assert not (tmp_path / "p").exists()


def test_a_picture_without_read_permission_is_named(tmp_path, pairs_folder, monkeypatch):
    source, opened = pairs_folder(count=3), pathlib.Path.open

    def denied(self, *args, **options):
        if self.name == "01.png":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(self))
        return opened(self, *args, **options)

    monkeypatch.setattr(pathlib.Path, "open", denied)
    with pytest.raises(InputError, match=r"/01\.png: cannot be read: Permission denied"):
        prepare("paired_folder", tmp_path / "p", source=source)
    assert not (tmp_path / "p").exists()


def test_a_full_disk_leaves_nothing(tmp_path, pairs_folder):
    code = """
import resource, sys
from dehaze_jax.data import prepare
from dehaze_jax.errors import InputError
resource.setrlimit(resource.RLIMIT_FSIZE, (2048, 2048))
try:
    prepare("paired_folder", sys.argv[1], source=sys.argv[2])
except InputError as error:
    sys.exit(str(error))
"""
    command = [sys.executable, "-c", code, tmp_path / "p", pairs_folder(count=3)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == f"{tmp_path / 'p'}: cannot be written: File too large"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pairs"]


def test_sizes_that_differ_too_much_are_named(tmp_path, pairs_folder, picture):
    source = pairs_folder(count=3)
    picture(source / "hazy/01.png", height=90)
    with pytest.raises(InputError, match=r"hazy/01\.png: is 56 x 90, but its clear partner"):
        prepare("paired_folder", tmp_path / "p", source=source)
    assert not (tmp_path / "p").exists()


def test_an_interrupt_leaves_nothing(tmp_path, pairs_folder):
    def interrupt(done, total):
        raise KeyboardInterrupt

    source = pairs_folder(count=3)
    with pytest.raises(KeyboardInterrupt):
        prepare("paired_folder", tmp_path / "p", source=source, progress=interrupt)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pairs"]


def test_killed_half_way_the_target_does_not_exist(tmp_path, pairs_folder):
    code = """
import os, sys
from dehaze_jax.data import prepare
prepare("paired_folder", sys.argv[1], source=sys.argv[2], progress=lambda *_: os._exit(9))
"""
    command = [sys.executable, "-c", code, tmp_path / "p", pairs_folder(count=3)]
    assert subprocess.run(command, check=False).returncode == 9
    with pytest.raises(InputError, match="does not exist"):
        open_prepared(tmp_path / "p", "train")
    assert prepare("paired_folder", tmp_path / "p", source=tmp_path / "pairs").is_dir()


def test_what_stands_at_the_target_is_not_lost(tmp_path, pairs_folder):
    source = pairs_folder(count=3)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/thesis.txt").touch()
    (tmp_path / "file").touch()
    for overwrite in (False, True):
        with pytest.raises(InputError, match=r"mine: (exists and is not|is no prepared)"):
            prepare("paired_folder", tmp_path / "mine", source=source, overwrite=overwrite)
    with pytest.raises(InputError, match="file: is a file"):
        prepare("paired_folder", tmp_path / "file", source=source)
    with pytest.raises(InputError, match="file/below: cannot be written"):
        prepare("paired_folder", tmp_path / "file/below", source=source)
    assert (tmp_path / "mine/thesis.txt").exists()


def test_overwrite_replaces_a_prepared_dataset_only_when_the_new_one_is_complete(
    tmp_path, pairs_folder
):
    target = prepare("paired_folder", tmp_path / "p", source=pairs_folder("old", count=3))
    with pytest.raises(InputError, match="exists and is not empty"):
        prepare("paired_folder", target, source=pairs_folder("new", count=5))
    damaged = tmp_path / "new/hazy/00.png"
    whole = damaged.read_bytes()
    damaged.write_bytes(b"")
    with pytest.raises(InputError, match=r"00\.png"):
        prepare("paired_folder", target, source=tmp_path / "new", overwrite=True)
    assert sum(split_sizes(target).values()) == 3
    damaged.write_bytes(whole)
    prepare("paired_folder", target, source=tmp_path / "new", overwrite=True)
    assert sum(split_sizes(target).values()) == 5
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new", "old", "p"]


def test_an_empty_folder_and_missing_parents_will_do(tmp_path, pairs_folder):
    (tmp_path / "empty").mkdir()
    for target in (tmp_path / "empty", tmp_path / "a/b/c"):
        prepare("paired_folder", target, source=pairs_folder(count=3))
        assert np.ndim(open_prepared(target, "test")[0].hazy) == 3
