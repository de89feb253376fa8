import dataclasses
import errno
import functools
import hashlib
import http.server
import json
import os
import pathlib
import shutil
import subprocess
import sys
import threading
import zipfile

import numpy as np
import pytest

from dehaze_jax.data import (
    Archive,
    builders,
    building,
    folder_builder,
    list_datasets,
    obtaining,
    open_prepared,
    prepare,
    registry,
    split_sizes,
    writing,
)
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
        ("rendered_haze/nothing", {}, "there are: rendered_haze/photographs, rendered_haze/land"),
        ("unpaired_folder", {}, "unpaired_folder: no such dataset; there are: unpaired_folder/ha"),
        ("paired_folder", {"source": "x", "hazes": 2}, "has no option hazes; it has: quality, ru"),
        (
            "rtts",
            {"source": "x", "rule": "stem"},
            "has no option rule; it has: quality, seed, tiles",
        ),
        ("unpaired_folder/clear", {"source": "x", "rule": "auto"}, "has no option rule"),
        ("rendered_haze", {"scenes": 24}, "photographs: has no option scenes; it has: hazes, qu"),
        ("rendered_haze", {"source": "x", "size": (384, 512)}, "folder: has no option size"),
        ("paired_folder", {"source": "x", "tiles": 12}, "12 is no positive multiple of 8"),
        ("paired_folder", {"source": "x", "quality": 101}, r"quality: 101 must lie in \[1, 100"),
        ("paired_folder", {"source": "x", "quality": 0}, r"quality: 0 must lie in \[1, 100"),
        ("paired_folder", {"source": "x", "workers": -1}, "workers: -1 must not be negative"),
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
    with pytest.raises(InputError, match=r"hazy/01\.png: is 56 x 90, but its partner"):
        prepare("paired_folder", tmp_path / "p", source=source)
    assert not (tmp_path / "p").exists()


def test_an_interrupt_leaves_nothing(tmp_path, pairs_folder):
    def interrupt(done, total):
        raise KeyboardInterrupt

    source = pairs_folder(count=3)
    with pytest.raises(KeyboardInterrupt):
        prepare("paired_folder", tmp_path / "p", source=source, progress=interrupt)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pairs"]


def test_tfds_itself_makes_the_same_examples(tmp_path, pairs_folder, picture, monkeypatch):
    monkeypatch.setattr(building, "_SHARD_BYTES", 30_000)
    source = pairs_folder(count=10)
    path = prepare("paired_folder", tmp_path / "p", source=source)
    builder, dataset = find_builder("paired_folder")
    config = builder.config_class(name=dataset.config, source=str(source))
    alone = builder(config=config, data_dir=tmp_path / "tfds")
    alone.download_and_prepare(file_format="array_record")
    picture(source / "hazy/without.png")
    with pytest.raises(InputError, match=r"without\.png: has no clear partner"):
        builder(config=config, data_dir=tmp_path / "other").download_and_prepare()
    assert len(list(path.glob("*array_record*"))) > 3
    assert split_sizes(path) == split_sizes(alone.data_dir)
    for split in split_sizes(path):
        theirs, ours = (list(open_prepared(folder, split)) for folder in (alone.data_dir, path))
        assert [e.id for e in theirs] == [e.id for e in ours]
        for their, our in zip(theirs, ours, strict=True):
            np.testing.assert_array_equal(their.hazy, our.hazy)
            np.testing.assert_array_equal(their.clear, our.clear)


@pytest.mark.parametrize("tiles", [0, 16])
@pytest.mark.parametrize("quality", [None, 90])
def test_tiles_are_the_same_pictures_and_quality_a_little_less(
    tmp_path, pairs_folder, tiles, quality
):
    source = pairs_folder(count=1)
    (exact,) = open_prepared(prepare("paired_folder", tmp_path / "a", source=source), "train")
    path = prepare("paired_folder", tmp_path / "b", source=source, tiles=tiles, quality=quality)
    (example,) = open_prepared(path, "train")
    difference = np.abs(example.hazy.astype(int) - exact.hazy)
    assert difference.max() == 0 if quality is None else 0 < difference.mean() < 3


def test_a_quality_makes_eight_bits_of_sixteen(tmp_path, pairs_folder, picture):
    source = pairs_folder(count=1)
    deep = picture(source / "hazy/00.png", dtype=np.uint16)
    path = prepare("paired_folder", tmp_path / "p", source=source, quality=100)
    (example,) = open_prepared(path, "train")
    assert np.abs(example.hazy.astype(int) - np.round(deep / 257)).max() < 6


def test_all_that_cannot_be_used_is_listed_and_mending_it_is_enough(
    tmp_path, pairs_folder, picture, monkeypatch
):
    monkeypatch.setattr(building, "_SHARD_BYTES", 1)
    source = pairs_folder(count=6)
    (source / "clear/03.png").write_bytes(b"no picture")
    picture(source / "hazy/04.png", height=200)
    with pytest.raises(InputError, match=r"0[34]\.png: .*; 1 more in .*/p\.report\.json"):
        prepare("paired_folder", tmp_path / "p", source=source)
    listed = json.loads((tmp_path / "p.report.json").read_text())["left_out"]
    assert sorted(pathlib.Path(fault["file"]).name for fault in listed) == ["03.png", "04.png"]
    (source / "hazy/05.png").unlink()
    picture(source / "hazy/07.png")
    with pytest.raises(InputError, match=r"hazy/07\.png: has no clear partner"):
        prepare("paired_folder", tmp_path / "p", source=source)  # known before any is encoded

    picture(source / "clear/07.png")
    picture(source / "clear/03.png", seed=7)
    picture(source / "hazy/04.png")
    prepare("paired_folder", tmp_path / "p", source=source)
    assert sum(split_sizes(tmp_path / "p").values()) == 6
    assert sorted(path.name for path in tmp_path.iterdir()) == ["p", "pairs"]


def test_skip_leaves_out_and_reports(tmp_path, pairs_folder, picture):
    source = pairs_folder(count=6)
    (source / "clear/03.png").write_bytes(b"no picture")
    picture(source / "hazy/9.png")
    path = prepare("paired_folder", tmp_path / "p", source=source, bad="skip")
    assert sum(split_sizes(path).values()) == 5
    report = json.loads((path / "report.json").read_text())
    assert [pathlib.Path(f["file"]).name for f in report["left_out"]] == ["9.png", "03.png"]
    assert report["left_out"][0]["reason"].startswith("has no clear partner in")
    assert (report["dataset"], report["source"]) == ("paired_folder", str(source))


def test_a_split_of_which_nothing_is_left_is_none(tmp_path, pairs_folder):
    source = tmp_path / "pairs"
    for name, bad in (("train", False), ("test", True)):
        folder = pairs_folder(f"pairs/{name}", count=2)
        if bad:
            for path in folder.glob("hazy/*"):
                path.write_bytes(b"no picture")
    path = prepare("paired_folder", tmp_path / "p", source=source, bad="skip")
    assert split_sizes(path) == {"train": 2}
    assert len(list(open_prepared(path, "train"))) == 2
    with pytest.raises(InputError, match=r"nothing is left to prepare; the first fault: .*hazy/00"):
        prepare("paired_folder", tmp_path / "q", source=source / "test", bad="skip")
    for path in (source / "test/clear").iterdir():
        path.rename(path.with_name(f"x{path.name}"))
    with pytest.raises(InputError, match=r"first fault: .*hazy/00\.png: has no clear partner"):
        prepare("paired_folder", tmp_path / "q", source=source / "test", bad="skip")


def test_killed_it_goes_on_and_gives_what_one_call_does(tmp_path, pairs_folder, monkeypatch):
    code = """
import os, signal, sys
from dehaze_jax.data import building, prepare
building._SHARD_BYTES = 1
def kill(done, total):
    if done == 5:
        os.kill(os.getpid(), signal.SIGKILL)
prepare("paired_folder", sys.argv[1], source=sys.argv[2], progress=kill)
"""
    source = pairs_folder(count=9)
    command = [sys.executable, "-c", code, tmp_path / "p", source]
    assert subprocess.run(command, check=False).returncode == -9
    assert not (tmp_path / "p").exists()
    monkeypatch.setattr(building, "_SHARD_BYTES", 1)
    calls = []
    prepare(
        "paired_folder",
        tmp_path / "p",
        source=source,
        progress=lambda done, total: calls.append(done),
    )
    assert calls == [5, 6, 7, 8, 9]  # four were finished
    whole = prepare("paired_folder", tmp_path / "q", source=source)
    fingerprints = {open_prepared(path, "train").fingerprint for path in (tmp_path / "p", whole)}
    assert len(fingerprints) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["p", "pairs", "q"]


def test_a_zip_file_is_a_source(tmp_path, pairs_folder):
    source = pairs_folder(count=3)
    archive = shutil.make_archive(str(tmp_path / "set"), "zip", source.parent, source.name)
    path = prepare("paired_folder", tmp_path / "p", source=archive)
    alone = prepare("paired_folder", tmp_path / "q", source=source)
    assert open_prepared(path, "test").fingerprint == open_prepared(alone, "test").fingerprint
    assert sorted(p.name for p in tmp_path.iterdir()) == ["p", "pairs", "q", "set.zip"]


@pytest.fixture
def served(tmp_path, picture):
    """O-HAZE's archive, three pairs of it, on the loopback; and its checksum."""
    top = tmp_path / "made/# O-HAZY NTIRE 2018"
    for number in (1, 2, 45):
        picture(top / f"hazy/{number:02d}_outdoor_hazy.png", seed=number)
        picture(top / f"GT/{number:02d}_outdoor_GT.png", seed=number + 50)
    (tmp_path / "www").mkdir()
    archive = shutil.make_archive(str(tmp_path / "www/O-HAZE"), "zip", tmp_path / "made")
    handler = functools.partial(QuietHandler, directory=tmp_path / "www")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=functools.partial(server.serve_forever, 0.01))
        thread.start()
        url = f"http://127.0.0.1:{server.server_address[1]}/O-HAZE.zip"
        yield url, hashlib.sha256(pathlib.Path(archive).read_bytes()).hexdigest()
        server.shutdown()
        thread.join()


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


def _with_archive(monkeypatch, **archive):
    builder, dataset = find_builder("o_haze")
    changed = dataclasses.replace(dataset, archives=(Archive(**archive),))
    monkeypatch.setattr(builder, "variants", (changed,))


def test_a_direct_archive_is_downloaded(tmp_path, served, monkeypatch):
    url, sha256 = served
    _with_archive(monkeypatch, url=url, sha256=sha256)
    calls = []
    path = prepare("o_haze", tmp_path / "out/p", download_progress=lambda *c: calls.append(c))
    assert split_sizes(path) == {"train": 2, "test": 1}
    (archive,) = json.loads((path / "report.json").read_text())["archives"]
    size = (tmp_path / "out/downloads/O-HAZE.zip").stat().st_size
    assert archive == {"url": url, "bytes": size, "sha256": sha256}
    assert calls[-1] == (size, size)
    prepare("o_haze", tmp_path / "q", downloads=tmp_path / "out/downloads")
    assert not (tmp_path / "downloads").exists()


def test_a_direct_archive_of_another_content_is_refused(tmp_path, served, monkeypatch):
    url, sha256 = served
    _with_archive(monkeypatch, url=url, sha256="0" * 64)
    with pytest.raises(InputError, match=rf"^{url}: has SHA-256 {sha256}, not 0000"):
        prepare("o_haze", tmp_path / "out/p")
    assert [path.name for path in (tmp_path / "out").rglob("*")] == ["downloads"]


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


def test_a_zip_file_that_was_replaced_is_unpacked_again(tmp_path, pairs_folder, picture):
    source = pairs_folder(count=3)
    whole = (source / "hazy/01.png").read_bytes()
    (source / "hazy/01.png").write_bytes(b"no picture")

    def pack():
        return shutil.make_archive(str(tmp_path / "set"), "zip", source.parent, source.name)

    with pytest.raises(InputError, match=r"hazy/01\.png"):
        prepare("paired_folder", tmp_path / "p", source=pack())
    (unpacked,) = (tmp_path / ".p.partial/unpacked").iterdir()
    with pytest.raises(InputError, match=r"hazy/01\.png"):
        prepare("paired_folder", tmp_path / "p", source=tmp_path / "set.zip")
    assert list((tmp_path / ".p.partial/unpacked").iterdir()) == [unpacked]
    (source / "hazy/01.png").write_bytes(b"still no picture")
    with pytest.raises(InputError, match=r"hazy/01\.png"):
        prepare("paired_folder", tmp_path / "p", source=pack())
    (other,) = (tmp_path / ".p.partial/unpacked").iterdir()
    assert other != unpacked
    (source / "hazy/01.png").write_bytes(whole)
    path = prepare("paired_folder", tmp_path / "p", source=pack())
    assert sum(split_sizes(path).values()) == 3


def test_a_zip_file_that_cannot_be_read_is_named(tmp_path, monkeypatch):
    (tmp_path / "set.zip").touch()

    def denied(path):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    monkeypatch.setattr(zipfile, "ZipFile", denied)
    with pytest.raises(InputError, match=r"/set\.zip: cannot be read: Permission denied"):
        prepare("paired_folder", tmp_path / "p", source=tmp_path / "set.zip")


@pytest.mark.parametrize("when", ["planned", "read"])
def test_a_source_that_cannot_be_read_is_named_and_not_the_target(
    tmp_path, pairs_folder, monkeypatch, when
):
    source = pairs_folder(count=3)
    broken = source / "clear/01.png"

    place, name = (folder_builder, "exact_bytes") if when == "read" else (pathlib.Path, "stat")
    original = getattr(place, name)

    def fail(path, *rest, **options):
        if path == broken:
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))
        return original(path, *rest, **options)

    monkeypatch.setattr(place, name, fail)
    with pytest.raises(InputError, match=r"clear/01\.png: cannot be read: Input/output error"):
        prepare("paired_folder", tmp_path / "p", source=source)


def test_records_that_cannot_be_written_name_the_target(tmp_path, pairs_folder, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    source = pairs_folder(count=3)
    for place, name in ((writing, "describe_file"), (builders, "publish"), (obtaining, "unpack")):
        with monkeypatch.context() as patch:
            patch.setattr(place, name, full)
            given = source
            if name == "unpack":
                given = shutil.make_archive(str(tmp_path / "set"), "zip", source.parent)
            with pytest.raises(InputError, match="/p: cannot be written: No space left on device"):
                prepare("paired_folder", tmp_path / "p", source=given)
    assert not (tmp_path / "p").exists()


def test_tiles_of_other_bits_are_made_again(tmp_path, pairs_folder, picture, monkeypatch):
    monkeypatch.setattr(building, "_SHARD_BYTES", 1)
    source = pairs_folder(count=3)
    (source / "hazy/02.png").write_bytes(b"no picture")
    with pytest.raises(InputError, match=r"hazy/02\.png"):
        prepare("paired_folder", tmp_path / "p", source=source, tiles=16)
    picture(source / "hazy/02.png", dtype=np.uint16)
    path = prepare("paired_folder", tmp_path / "p", source=source, tiles=16)
    for split in split_sizes(path):
        for example in open_prepared(path, split):
            assert example.hazy.dtype == example.clear.dtype == np.uint16


def test_a_folder_of_a_builder_is_a_package(tmp_path, monkeypatch):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/mine_dataset_builder.py").touch()
    monkeypatch.setattr(registry, "_root", lambda: tmp_path)
    with pytest.raises(InputError, match=r"mine/__init__\.py: does not exist; the folder of a bui"):
        registry.load_builder("mine")
