import collections
import os
import pathlib
import shutil
import subprocess
import sys
import threading

import pytest
from array_record.python.array_record_module import ArrayRecordReader

from dehaze_jax.data.building import Task
from dehaze_jax.data.writing import Workplace, write_records
from dehaze_jax.errors import InputError

_NAMES = ("first", "second", "third")


@pytest.fixture
def place(tmp_path):
    """Where records are written; options change it."""

    def make(**options):
        defaults = {
            "records": tmp_path / "records",
            "notes": tmp_path / "notes",
            "target": tmp_path / "target",
            "identity": "v1",
            "serialize": lambda example: example["id"].encode(),
            "bad": "fail",
            "workers": 2,
        }
        found = Workplace(**(defaults | options))
        for folder in (found.records, found.notes):
            folder.mkdir(exist_ok=True)
        return found

    return make


class Made(collections.Counter):
    """Counts how often each task was done."""

    def task(self, name, *, examples=1, fault=None, files=(), weight=10):
        def make():
            self[name] += 1
            if fault:
                raise InputError(name, fault)
            return [{"id": f"{name}-{number}"} for number in range(examples)]

        return Task(name, files, make, weight, examples)

    def shards(self, **options):
        return {name: [self.task(f"{name}{n}", **options) for n in range(4)] for name in _NAMES}


def _records(place, name):
    reader = ArrayRecordReader(os.fspath(place.records / name))
    found = reader.read_all() if reader.num_records() else []
    reader.close()
    return [record.decode() for record in found]


@pytest.mark.parametrize("workers", [1, 7])
def test_records_stand_in_the_order_of_the_tasks_whatever_the_threads(place, workers):
    where, calls = place(workers=workers), []
    shards, faults = write_records(
        Made().shards(examples=2), where, lambda done, total: calls.append((done, total))
    )
    assert not faults
    for name in _NAMES:
        assert _records(where, name) == [f"{name}{n}-{k}" for n in range(4) for k in (0, 1)]
        assert shards[name].examples == 8
        assert shards[name].bytes == (where.records / name).stat().st_size
    assert calls == [(done, 24) for done in range(2, 26, 2)]


def test_what_is_finished_is_not_done_again(place):
    made, where = Made(), place()
    first = write_records(made.shards(), where)
    (where.notes / "second.json").unlink()
    calls = []
    again = write_records(made.shards(), where, lambda done, total: calls.append((done, total)))
    assert again == first
    assert {name for name, times in made.items() if times == 2} == {f"second{n}" for n in range(4)}
    assert calls == [(9, 12), (10, 12), (11, 12), (12, 12)]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda where: (where.records / "first").write_bytes(b"short"),
        lambda where: (where.records / "first").unlink(),
        lambda where: (where.notes / "first.json").write_text("{"),
        lambda where: (where.notes / "first.json").write_text("{}"),
    ],
)
def test_a_file_that_is_not_what_was_noted_is_written_again(place, spoil):
    made, where = Made(), place()
    write_records(made.shards(), where)
    spoil(where)
    write_records(made.shards(), where)
    assert {name for name, times in made.items() if times == 2} == {f"first{n}" for n in range(4)}
    assert len(_records(where, "first")) == 4


def test_other_options_and_changed_files_are_work_to_do_again(place, tmp_path):
    made = Made()
    file = tmp_path / "picture"
    file.write_bytes(b"1")
    shards = made.shards() | {"third": [made.task("third", files=(file,))]}
    write_records(shards, place())
    os.utime(file, (1, 1))
    write_records(shards, place())
    assert [name for name, times in made.items() if times == 2] == ["third"]
    write_records(shards, place(identity="v2"))
    assert sorted(set(made.values())) == [2, 3]


def test_few_tasks_are_ahead_of_what_is_written(place):
    started, ahead = [], []

    def make(number):
        started.append(number)
        return [{"id": str(number)}]

    tasks = [Task(str(n), (), lambda n=n: make(n), 1) for n in range(50)]
    write_records({"only": tasks}, place(), lambda done, total: ahead.append(len(started) - done))
    assert max(ahead) <= 5


def test_tasks_run_at_the_same_time(place):
    meeting = threading.Barrier(3, timeout=20)

    def make(name):
        meeting.wait()
        return [{"id": name}]

    tasks = [Task(name, (), lambda name=name: make(name), 1) for name in "abc"]
    write_records({"only": tasks}, place(workers=3))


def test_everything_that_cannot_be_used_is_told_and_the_rest_is_done(place):
    made, where = Made(), place()
    shards = made.shards()
    for number in (1, 3):
        shards["second"][number] = made.task(f"bad{number}", fault="is broken")
    finished, faults = write_records(shards, where)
    assert [str(fault) for fault in faults] == ["bad1: is broken", "bad3: is broken"]
    assert set(finished) == {"first", "third"}
    assert not (where.records / "second").exists()

    shards["second"][1] = made.task("mended1")
    shards["second"][3] = made.task("mended3")
    finished, faults = write_records(shards, where)
    assert (set(finished), faults) == (set(_NAMES), [])
    assert made["first0"] == made["third3"] == made["mended1"] == 1


def test_skip_leaves_out_and_remembers_what(place):
    made = Made()
    shards = made.shards()
    shards["second"][1] = made.task("bad", fault="is broken")
    shards["third"] = [made.task("worse", fault="is gone")]
    for _ in range(2):  # the second time from the notes
        where = place(bad="skip")
        finished, faults = write_records(shards, where)
        assert [str(fault) for fault in faults] == ["bad: is broken", "worse: is gone"]
        assert _records(where, "second") == ["second0-0", "second2-0", "second3-0"]
        assert (finished["second"].examples, finished["third"].examples) == (3, 0)
    assert max(made.values()) == 1
    _, faults = write_records(shards, place(bad="fail"))
    assert len(faults) == 2
    assert made["first0"] == 1
    assert made["bad"] == 2


def test_a_small_disk_is_told_before_the_first_record(place, monkeypatch):
    where = place(serialize=lambda example: b"x" * 1000)
    usage = shutil.disk_usage(where.records)._replace(free=11_999)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage)
    with pytest.raises(InputError, match=r"target: needs 0\.0 MB on the disk of /.*, where"):
        write_records(Made().shards(), where)
    assert not list(where.notes.iterdir())
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage._replace(free=12_000))
    write_records(Made().shards(), where)


def test_errors_of_ours_end_it_without_a_note(place):
    def broken():
        raise ZeroDivisionError

    where = place()
    shards = Made().shards()
    shards["second"][2] = Task("broken", (), broken, 1)
    with pytest.raises(ZeroDivisionError):
        write_records(shards, where)
    assert [path.name for path in where.notes.iterdir()] == ["first.json"]


_KILLED = """
import os, pathlib, signal, sys
from dehaze_jax.data.building import Task
from dehaze_jax.data.writing import Workplace, write_records

top, last = pathlib.Path(sys.argv[1]), int(sys.argv[2])

def task(name):
    def make():
        with (top / "made").open("a") as file:
            file.write(f"{name}\\n")
        return [{"id": name}]
    return Task(name, (), make, 1)

def progress(done, total):
    if done == last:
        os.kill(os.getpid(), signal.SIGKILL)

shards = {f"shard{s}": [task(f"{s}-{n}") for n in range(5)] for s in range(6)}
place = Workplace(records=top / "records", notes=top / "notes", target=top, identity="",
                  serialize=lambda example: example["id"].encode(), bad="fail", workers=2)
finished, _ = write_records(shards, place, progress)
print(sum(shard.examples for shard in finished.values()))
"""


def test_killed_it_goes_on_with_the_file_that_was_not_finished(tmp_path):
    for folder in ("records", "notes"):
        (tmp_path / folder).mkdir()

    def run(last):
        command = [sys.executable, "-c", _KILLED, tmp_path, str(last)]
        return subprocess.run(command, check=False, capture_output=True, text=True)

    assert run(18).returncode == -9
    first = pathlib.Path(tmp_path / "made").read_text().split()
    assert len(first) >= 18
    done = run(-1)
    assert (done.returncode, done.stdout) == (0, "30\n"), done.stderr
    second = pathlib.Path(tmp_path / "made").read_text().split()[len(first) :]
    assert sorted(second) == [f"{s}-{n}" for s in (3, 4, 5) for n in range(5)]
