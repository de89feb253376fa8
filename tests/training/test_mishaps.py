"""What strikes a run from outside: a full or read-only disk, data that goes away."""

import dataclasses
import json
import os
import pathlib
import subprocess
import sys

import jax
import numpy as np
import pytest
import rich.console

from dehaze_jax import image
from dehaze_jax.data import DataConfig, prepare
from dehaze_jax.errors import InputError
from dehaze_jax.haze import PRESETS
from dehaze_jax.methods import OptimiserConfig
from dehaze_jax.storage import Checkpoints
from dehaze_jax.training import MeshConfig, TrainConfig, train

SCRIPT = pathlib.Path(__file__).with_name("full_disk.py")
QUIET = rich.console.Console(quiet=True)
OWN_MOUNTS = ["unshare", "--user", "--map-root-user", "--mount"]


def may_mount() -> bool:
    command = [*OWN_MOUNTS, "mount", "-t", "tmpfs", "none", "/mnt"]
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """What `full_disk.py` tells, and the folder that it mounts at."""
    if not may_mount():
        pytest.skip("this system gives no mount name space to whoever asks")
    disk = tmp_path_factory.mktemp("disk")
    cache = {"JAX_COMPILATION_CACHE_DIR": str(tmp_path_factory.mktemp("compiled"))}
    done = subprocess.run(
        [*OWN_MOUNTS, sys.executable, str(SCRIPT), str(disk)],
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
        env={**os.environ, **cache, "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"},
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return disk, json.loads(done.stdout)


def test_a_full_disk_ends_a_run_which_goes_on_when_there_is_space(told):
    """That it goes on, and ends with the same bits and files, is asserted in the script."""
    disk, lines = told
    subjects = set()
    for said in lines["full"]:
        subject, _, reason = said.partition(": ")
        assert subject.startswith(f"{disk}/run/")
        full = "No space left on device"
        foreseen = reason.startswith("checkpoint of step 2 not saved: it takes")
        assert foreseen or reason in (f"cannot be written: {full}", f"checkpoint not saved: {full}")
        subjects.add(pathlib.Path(subject).name)
    # Not all of these: sizes depend on versions and on the system.
    assert len(subjects & {"config.json", "run.json", "metrics.jsonl", "best", "checkpoints"}) >= 3


def test_a_read_only_directory_is_refused(told):
    disk, lines = told
    new = "cannot be used as a run directory: Read-only file system"
    assert lines["read-only"] == [
        f"{disk}/closed/run: cannot be written: Read-only file system",
        f"{disk}/closed/new: {new}",
    ]


@pytest.fixture
def toy_build(monkeypatch):
    """The toy method; its data is read from disk."""
    # Imported late: see the session's conftest.py.
    import toy_method

    monkeypatch.setattr("dehaze_jax.methods.build", toy_method.build)


def make_data(folder, kind) -> DataConfig:
    """Clear pictures as files, or prepared pairs."""
    if kind == "prepared":
        prepare("rendered_haze/landscapes", folder, size=(24, 32), scenes=10, hazes=2)
        return DataConfig(train=(str(folder),), batch_size=4, crop_size=8)
    rng = np.random.default_rng(1)
    folder.mkdir()
    for number in range(9):
        image.write(folder / f"{number}.png", rng.integers(0, 256, (12, 14, 3), np.uint8))
    return DataConfig(clear=(str(folder),), batch_size=4, crop_size=8)


class Watcher(rich.console.Console):
    """Does something once a step is told."""

    def __init__(self, step, act):
        super().__init__(quiet=True)
        self.line, self.act = f"step {step}/", act

    def print(self, line, **_):
        if line.startswith(self.line):
            self.act()


@pytest.mark.parametrize("kind", ["pictures", "prepared"])
def test_data_that_goes_away(toy_build, tmp_path, kind):
    """A run ends and says so, or has the files open and does not notice; then it goes on."""
    folder, away, run = (tmp_path / name for name in ("data", "away", "run"))
    config = TrainConfig(
        data=make_data(folder, kind),
        haze=PRESETS["reside_its"] if kind == "pictures" else None,
        optimiser=OptimiserConfig(learning_rate=0.05),
        workdir=str(run),
        steps=60,
        log_every=2,
        save_every=4,
        mesh=MeshConfig(data=1),
    )
    straight = train(dataclasses.replace(config, workdir=str(tmp_path / "straight")), console=QUIET)
    watcher = Watcher(10, lambda: folder.rename(away))
    if kind == "pictures":
        with pytest.raises(InputError, match=f"{folder}") as caught:
            train(config, console=watcher)
        assert "damaged" in str(caught.value)
    else:
        train(dataclasses.replace(config, stop_after=20), console=watcher)
    with pytest.raises(InputError, match=f"^{folder}: "):
        train(config, console=QUIET)
    with Checkpoints(run / "checkpoints", read_only=True) as checkpoints:
        assert checkpoints.latest() >= 8
    away.rename(folder)
    again = train(config, console=QUIET)
    jax.tree.map(np.testing.assert_array_equal, *jax.device_get((straight.state, again.state)))
