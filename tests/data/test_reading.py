import itertools
import logging
import os
import subprocess
import sys

import cv2
import numpy as np
import pytest
from record_sets import png, write_set

from dehaze_jax.data import DataConfig, check_bad_share, train_batches, training_size
from dehaze_jax.errors import InputError

COUNT, BAD = 20, (3, 7, 8)


@pytest.fixture(scope="module")
def damaged(tmp_path_factory):
    """Twenty pairs, told apart by their level 10 k; three have a clear picture that is none."""

    def encode(pixels):
        level = int(pixels[0, 0, 0])
        return b"no picture" if level % 10 and level // 10 in BAD else png(pixels)

    examples = [
        {
            "id": f"e{k}",
            "hazy": np.full((6, 8, 3), 10 * k, np.uint8),
            "clear": np.full((6, 8, 3), 10 * k + 1, np.uint8),
        }
        for k in range(COUNT)
    ]
    return str(write_set(tmp_path_factory.mktemp("damaged") / "set", examples, encode=encode))


@pytest.fixture
def folders(tmp_path):
    """Unpaired: twelve hazy pictures, of which one is cut off, and nine clear ones."""
    for side, first, count in (("hazy", 10, 12), ("clear", 100, 9)):
        (tmp_path / side).mkdir()
        for level in range(first, first + count):
            cv2.imwrite(str(tmp_path / side / f"{level}.png"), np.full((4, 6, 3), level, np.uint8))
    broken = tmp_path / "hazy" / "15.png"
    broken.write_bytes(broken.read_bytes()[:40])
    return {"train": (str(tmp_path / "hazy"),), "clear": (str(tmp_path / "clear"),)}


def _batches(config, count, **options):
    return list(itertools.islice(train_batches(config, **{"seed": 0, **options}), count))


def _config(folder, **options):
    return DataConfig(train=(folder,), batch_size=4, crop_size=2, max_bad_share=0.2, **options)


def _examples(batches):
    """Number of each example, and whether it stands for a damaged one."""
    hazy = np.concatenate([batch["hazy"][:, 0, 0, 0] for batch in batches])
    return np.round(hazy * 25.5).astype(int), np.concatenate([batch["bad"] for batch in batches])


def _same(left, right):
    assert left.keys() == right.keys()
    for key in left:
        np.testing.assert_array_equal(left[key], right[key])


def test_another_example_takes_the_place_of_a_damaged_one(damaged):
    numbers, bad = _examples(_batches(_config(damaged), 3 * COUNT // 4))
    assert set(bad) == {0, 1}
    passes = bad.reshape(3, COUNT)
    np.testing.assert_array_equal(passes.sum(axis=1), len(BAD))
    for one, replaced in zip(numbers.reshape(3, COUNT), passes, strict=True):
        good = set(range(COUNT)) - set(BAD)
        assert sorted(one[replaced == 0]) == sorted(good)  # each once, as if nothing was
        assert set(one[replaced == 1]) <= good
    assert len(set(numbers[bad == 1])) > 3  # not always the same one


def test_nothing_else_depends_on_what_is_damaged(damaged, tmp_path):
    """Where nothing is damaged the batches are those of the undamaged set."""
    examples = [
        {"id": f"e{k}", **dict.fromkeys(("hazy", "clear"), np.full((6, 8, 3), 10 * k, np.uint8))}
        for k in range(COUNT)
    ]
    whole = _examples(_batches(_config(str(write_set(tmp_path / "whole", examples))), 10))[0]
    numbers, bad = _examples(_batches(_config(damaged), 10))
    np.testing.assert_array_equal(numbers[bad == 0], whole[bad == 0])
    assert set(whole[bad == 1]) == set(BAD)


def test_replacements_depend_on_seed_and_position_alone(damaged):
    config = _config(damaged)
    straight = _batches(config, 10)
    for left, right in zip(straight[4:], _batches(config, 6, start_step=4), strict=True):
        _same(left, right)
    for count in (2, 4):
        parts = [
            _batches(config, 10, process_index=index, process_count=count) for index in range(count)
        ]
        for step, batch in enumerate(straight):
            joined = {key: np.concatenate([part[step][key] for part in parts]) for key in batch}
            _same(batch, joined)


def test_damaged_examples_are_named_in_the_log_once(damaged, caplog):
    with caplog.at_level(logging.WARNING, "dehaze_jax.data"):
        _batches(_config(damaged), 20)
    found = sorted(caplog.messages)
    assert found == [
        f"{damaged} (train, example {k}): cannot be read; the record file is damaged; "
        "another takes its place"
        for k in BAD
    ]


def test_damaged_pictures_of_either_side_count(folders, caplog, tmp_path):
    config = DataConfig(**folders, batch_size=6, crop_size=2)
    batches = _batches(config, 4)
    bad = np.concatenate([batch["bad"] for batch in batches])
    assert bad.sum() == 2  # 24 hazy pictures are two passes of twelve
    assert any("hazy/15.png: cannot be read" in message for message in caplog.messages)
    clear = tmp_path / "clear" / "104.png"
    clear.write_bytes(b"")
    again = np.concatenate([batch["bad"] for batch in _batches(config, 6)])
    assert again.sum() == 3 + 4  # 36 are three passes of twelve, four of nine
    levels = np.concatenate([batch["clear"] for batch in _batches(config, 6)])
    assert 104 not in np.round(levels * 255)


def test_with_no_share_the_first_one_ends_the_run(damaged):
    config = DataConfig(train=(damaged,), batch_size=4, crop_size=2, max_bad_share=0.0)
    with pytest.raises(InputError, match=r"\(train, example [378]\): cannot be read"):
        _batches(config, COUNT // 4)


def test_where_all_are_damaged_the_run_ends(tmp_path):
    examples = [{"id": "a", **dict.fromkeys(("hazy", "clear"), np.zeros((4, 4, 3), np.uint8))}]
    stored = write_set(tmp_path / "all", examples, encode=lambda _: b"no picture")
    with pytest.raises(
        InputError, match=r"all .* and 99 others drawn in its place are damaged too"
    ):
        _batches(DataConfig(train=(str(stored),), batch_size=1, crop_size=2, max_bad_share=0.9), 1)


@pytest.mark.parametrize("first", [True, False])
def test_a_run_ends_above_the_share_and_never_below(damaged, first):
    """Whether the damaged ones come first in every pass or last; 0.15 of the set are."""
    one_pass = np.arange(COUNT) < len(BAD) if first else np.arange(COUNT) >= COUNT - len(BAD)
    met = np.cumsum(np.tile(one_pass, 20)).tolist()
    config = DataConfig(train=(damaged,), batch_size=1, max_bad_share=0.15)
    size = training_size(config)
    assert size == COUNT
    for step, bad in enumerate(met, 1):
        check_bad_share(config, bad=bad, batches=step, size=size)
    for share, passes in ((0.14, 16), (0.08, 2), (0.05, 1)):
        config = DataConfig(train=(damaged,), batch_size=1, max_bad_share=share)
        step = passes * COUNT
        with pytest.raises(InputError, match=f"max_bad_share: {met[step - 1]} of {step} examples"):
            check_bad_share(config, bad=met[step - 1], batches=step, size=size)


def test_both_sides_count_towards_the_share(folders):
    config = DataConfig(**folders, batch_size=3, max_bad_share=0.1)
    size = training_size(config)
    assert size == 21
    check_bad_share(config, bad=8, batches=10, size=size)  # 60 drawn
    with pytest.raises(InputError, match="9 of 60 examples drawn"):
        check_bad_share(config, bad=9, batches=10, size=size)


SCRIPT = """
import itertools, multiprocessing, os, signal, sys, time
import numpy as np
from dehaze_jax.data import DataConfig, train_batches
from dehaze_jax.errors import InputError

def read(workers, count):
    config = DataConfig(
        train=(sys.argv[1],), batch_size=4, crop_size=2, workers=workers, max_bad_share=0.2
    )
    batches = train_batches(config, seed=3, start_step=2)
    return list(itertools.islice(batches, count)), batches

if __name__ == "__main__":
    expected, _ = read(0, 8)
    assert sum(batch["bad"].sum() for batch in expected) > 3
    for workers in (1, 2):
        found, batches = read(workers, 8)
        for left, right in zip(expected, found, strict=True):
            for key in left:
                np.testing.assert_array_equal(left[key], right[key])
    # Those of the last round are still there.
    first, *_ = multiprocessing.active_children()
    os.kill(first.pid, signal.SIGKILL)
    start = time.monotonic()
    try:
        for _ in batches:
            pass
    except InputError as error:
        print(f"{time.monotonic() - start:.0f} {error}")
"""


def test_workers_change_nothing_and_one_that_is_killed_ends_the_run(tmp_path, damaged):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    command = [sys.executable, str(script), damaged]
    # grain imports jax; here whoever wants a device of it, in whatever process, fails.
    environment = {**os.environ, "JAX_PLATFORMS": "none_such"}
    done = subprocess.run(command, env=environment, timeout=200, capture_output=True, text=True)
    assert not done.returncode, done.stderr
    seconds, _, line = done.stdout.partition(" ")
    assert line.startswith("DataConfig.workers: a loader process has died")
    assert int(seconds) < 30
    for k in BAD:  # told by the process that asked for the batches, three times
        assert done.stderr.count(f"(train, example {k}): cannot be read") == 3
