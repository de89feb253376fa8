import dataclasses
import errno
import os
import threading
import time

import numpy as np
import pytest

from dehaze_jax import image
from dehaze_jax.errors import InputError
from dehaze_jax.restoring import Job, Way, plan, restore_files, restore_picture


def halve(pixels, *, progress=None):
    """Keeps shape and type, like a Restorer."""
    if progress is not None:
        progress(len(pixels), len(pixels))
    return (pixels / 2).astype(pixels.dtype)


@pytest.fixture
def colours():
    return np.random.default_rng(0).integers(0, 256, (7, 9, 3), np.uint8)


def only_file(folder):
    return [path.name for path in folder.iterdir()]


def test_alpha_profile_and_depth_are_kept(tmp_path, colours):
    deep = colours.astype(np.uint16) * 257
    from PIL import ImageCms

    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    picture = image.Picture(deep, alpha=deep[..., 0], icc=profile)
    image.write(tmp_path / "in.png", picture)
    (result,) = restore_files(plan([tmp_path / "in.png"], tmp_path / "out.png"), halve)
    assert result.error is None
    assert result.size == (7, 9)
    restored = image.read(tmp_path / "out.png")
    np.testing.assert_array_equal(restored.pixels, deep // 2)
    np.testing.assert_array_equal(restored.alpha, deep[..., 0])
    assert restored.icc == profile


def test_grey_stays_grey(colours):
    grey = np.repeat(colours[..., :1], 3, axis=-1)
    shapes = []

    def restorer(pixels, *, progress=None):
        shapes.append(pixels.shape)
        return halve(pixels)

    restored = restore_picture(image.Picture(grey, grey=True), restorer)
    assert shapes == [(7, 9)]
    assert restored.grey
    np.testing.assert_array_equal(restored.pixels, grey // 2)


def test_a_comparison_shows_both(tmp_path, colours):
    image.write(tmp_path / "in.png", np.full((8, 10, 3), 200, np.uint8))
    jobs = plan([tmp_path / "in.png"], tmp_path / "out.png", compare=True)
    (result,) = restore_files(jobs, halve)
    assert result.error is None
    row = image.read(tmp_path / "out_compare.jpg").pixels.astype(int)
    np.testing.assert_allclose(row[:, :8], 200, atol=4)
    np.testing.assert_allclose(row[:, -8:], 100, atol=4)


def test_a_bad_file_does_not_stop_the_others(tmp_path, colours):
    (tmp_path / "in").mkdir()
    for name in ("a.png", "c.png"):
        image.write(tmp_path / "in" / name, colours)
    (tmp_path / "in" / "b.png").write_bytes(b"not a picture")
    results = list(restore_files(plan([tmp_path / "in"], tmp_path / "out"), halve))
    assert [result.error is None for result in results] == [True, False, True]
    assert "b.png" in str(results[1].error)
    assert sorted(only_file(tmp_path / "out")) == ["a.png", "c.png"]


def test_errors_of_the_restorer_get_the_name_of_the_file(tmp_path, colours):
    def fails(pixels, *, progress=None):
        raise InputError("picture", "the restored values are not finite")

    image.write(tmp_path / "in.png", colours)
    (result,) = restore_files(plan([tmp_path / "in.png"], tmp_path / "out.png"), fails)
    assert str(result.error) == f"{tmp_path / 'in.png'}: the restored values are not finite"
    assert only_file(tmp_path) == ["in.png"]


def test_a_full_disk_leaves_nothing(tmp_path, colours, monkeypatch):
    image.write(tmp_path / "in.png", colours)
    (tmp_path / "out.png").write_bytes(b"an earlier result")

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "replace", full)
    (result,) = restore_files(plan([tmp_path / "in.png"], tmp_path / "out.png"), halve)
    assert "out.png: cannot be written: No space left on device" in str(result.error)
    assert sorted(only_file(tmp_path)) == ["in.png", "out.png"]
    assert (tmp_path / "out.png").read_bytes() == b"an earlier result"


def test_a_folder_that_cannot_be_made(tmp_path, colours):
    image.write(tmp_path / "in.png", colours)
    (tmp_path / "taken").write_bytes(b"")
    (job,) = plan([tmp_path / "in.png"], tmp_path / "out.png")
    job = dataclasses.replace(job, target=tmp_path / "taken" / "below" / "out.png")
    (result,) = restore_files([job], halve)
    assert isinstance(result.error, InputError)
    assert "taken" in str(result.error)


def test_progress_counts_rows(tmp_path, colours):
    image.write(tmp_path / "in.png", colours)
    seen = []
    jobs = [Job(tmp_path / "in.png", tmp_path / "out.png")]
    list(restore_files(jobs, halve, progress=lambda *now: seen.append(now)))
    assert seen == [(7, 7)]


def test_reading_and_writing_go_on_while_a_picture_is_restored(tmp_path, colours, monkeypatch):
    """The second picture is restored only when the third is read and the first is written."""
    (tmp_path / "in").mkdir()
    for number in range(4):
        image.write(tmp_path / "in" / f"{number}.png", colours)
    read_third, written_first = threading.Event(), threading.Event()

    def spied_read(path):
        picture = image.read(path)
        if path.name == "2.png":
            read_third.set()
        return picture

    def spied_write(path, picture):
        image.write(path, picture)
        if path.name == "0.png":
            written_first.set()

    monkeypatch.setattr("dehaze_jax.restoring.jobs.read", spied_read)
    monkeypatch.setattr("dehaze_jax.restoring.jobs.write", spied_write)
    calls = []

    def restorer(pixels, *, progress=None):
        calls.append(len(calls))
        if len(calls) == 2:
            assert read_third.wait(20)
            assert written_first.wait(20)
        return pixels

    results = list(restore_files(plan([tmp_path / "in"], tmp_path / "out"), restorer))
    assert [result.job.source.name for result in results] == [f"{n}.png" for n in range(4)]
    assert not any(result.error for result in results)


def test_results_keep_their_order_where_some_fail(tmp_path, colours, monkeypatch):
    (tmp_path / "in").mkdir()
    for number in range(4):
        image.write(tmp_path / "in" / f"{number}.png", colours)
    (tmp_path / "in" / "2.png").write_bytes(b"no picture")

    def full(path, picture):
        if path.name == "1.png":
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        image.write(path, picture)

    monkeypatch.setattr("dehaze_jax.restoring.jobs.write", full)
    jobs = plan([tmp_path / "in"], tmp_path / "out")
    results = list(restore_files(jobs, lambda pixels, *, progress=None: pixels))
    assert [result.job for result in results] == list(jobs)
    assert [result.error is None for result in results] == [True, False, False, True]


class Beginner:
    """Halves pictures in two parts, as far as restoring files asks for it; notes what it does."""

    def __init__(self):
        self.begun, self.third = [], threading.Event()

    def choose_way(self, *_, **__):
        return Way(name="whole", reason="they are small", memory=1, ahead=True)

    def begin(self, image, *, way=None):
        assert way == self.choose_way()
        self.begun.append(threading.current_thread())
        if image.flat[0] == 1:
            raise InputError("picture", "is refused")
        if len(self.begun) == 3:
            self.third.set()

        def finish(progress):
            # Of the second: the third is begun in the meantime.
            assert image.flat[0] != 2 or self.third.wait(20)
            return halve(image, progress=progress)

        return finish

    def stream(self, picture, *, progress=None):
        raise AssertionError

    def __call__(self, image, *, progress=None):
        raise AssertionError


def test_the_next_picture_is_begun_while_one_is_restored(tmp_path):
    """The first is refused when it is begun; that is told in its place."""
    (tmp_path / "in").mkdir()
    for value in (1, 2, 3, 4):
        image.write(tmp_path / "in" / f"{value}.png", np.full((4, 5, 3), value, np.uint8))
    restorer = Beginner()
    results = list(restore_files(plan([tmp_path / "in"], tmp_path / "out"), restorer))
    assert [str(result.error) for result in results] == [
        f"{tmp_path / 'in' / '1.png'}: is refused",
        *["None"] * 3,
    ]
    assert len(restorer.begun) == 4
    assert threading.current_thread() not in restorer.begun
    assert results[0].seconds == 0 < results[1].seconds
    for value in (2, 3, 4):
        restored = image.read(tmp_path / "out" / f"{value}.png").pixels
        np.testing.assert_array_equal(restored, np.full((4, 5, 3), value // 2))


class Crowded(Beginner):
    """Has no memory to begin a picture while another is there."""

    way = Way(name="strips", reason="there is room", memory=1, ahead=True)

    def choose_way(self, *_, **__):
        return self.way

    def begin(self, image, *, way=None):
        if threading.current_thread() is not threading.main_thread():
            self.begun.append(way)
            raise MemoryError
        return lambda progress: halve(image, progress=progress)


def make_three(folder):
    folder.mkdir()
    for value in (2, 4, 6):
        image.write(folder / f"{value}.png", np.full((4, 5, 3), value, np.uint8))


def test_what_cannot_be_begun_ahead_is_begun_later(tmp_path):
    make_three(tmp_path / "in")
    restorer = Crowded()
    results = list(restore_files(plan([tmp_path / "in"], tmp_path / "out"), restorer))
    assert [result.error for result in results] == [None] * 3
    assert len(restorer.begun) == 3


def test_nothing_is_begun_ahead_on_several_devices(tmp_path):
    make_three(tmp_path / "in")
    restorer = Crowded()
    restorer.way = dataclasses.replace(restorer.way, name="devices")
    results = list(restore_files(plan([tmp_path / "in"], tmp_path / "out"), restorer))
    assert [result.error for result in results] == [None] * 3
    assert restorer.begun == []


def test_a_large_picture_is_decided_on_with_nothing_else_in_memory(tmp_path, monkeypatch):
    """The one after it is small; it is read when the way of the large one is chosen."""
    make_three(tmp_path / "in")
    done = []

    def noted(what, call):
        def spied(path, *rest):
            done.append((what, path.name))
            return call(path, *rest)

        return spied

    monkeypatch.setattr("dehaze_jax.restoring.jobs.read", noted("read", image.read))
    monkeypatch.setattr("dehaze_jax.restoring.jobs.write", noted("write", image.write))
    ways = iter((True, False, None, True))  # of the second twice, and then of the third

    class Choosing(Beginner):
        def choose_way(self, *_, **__):
            ahead = next(ways)
            if ahead is None:
                time.sleep(0.2)  # in which the third could be read
                done.append(("chosen", "4.png"))
            return Way(name="strips", reason="there is room", memory=1, ahead=bool(ahead))

        def begin(self, image, *, way=None):
            return lambda progress: halve(image, progress=progress)

    list(restore_files(plan([tmp_path / "in"], tmp_path / "out"), Choosing()))
    assert done[:3] == [("read", "2.png"), ("write", "2.png"), ("chosen", "4.png")]
    assert ("read", "6.png") in done[3:]
