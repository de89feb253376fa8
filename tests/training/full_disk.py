"""Trains on a file system of its own with less and less space left; prints what came of it as JSON.

    unshare --user --map-root-user --mount python full_disk.py FOLDER

The file system is mounted at FOLDER, in the namespace of this process alone.
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys

import jax
import numpy as np
import rich.console
import toy_method

from dehaze_jax.data import DataConfig
from dehaze_jax.errors import InputError
from dehaze_jax.methods import OptimiserConfig
from dehaze_jax.training import MeshConfig, TrainConfig, train

SIZE = 2**20
PAGES = (0, 1, 2, 5, 8, 50)
"""Left at the start of a run; every file takes a whole one at least."""


def attempt(workdir, **changes):
    """What `train` says where it fails, and the last state."""
    config = TrainConfig(
        data=DataConfig(train=("toy",), validation=("toy",), batch_size=4, crop_size=8),
        optimiser=OptimiserConfig(learning_rate=0.05),
        workdir=str(workdir),
        steps=6,
        log_every=1,
        save_every=2,
        evaluate_every=2,
        mesh=MeshConfig(data=1),
        **changes,
    )
    try:
        return None, train(config, console=rich.console.Console(quiet=True)).state
    except InputError as error:
        return str(error), None


def main(disk):
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "none", disk], check=True)
    toy_method.install()
    run, ballast, closed = disk / "run", disk / "ballast", disk / "closed"

    said, straight = attempt(run)
    files = sorted(path.name for path in run.iterdir())
    assert said is None
    told = {"full": []}
    for pages in PAGES:
        shutil.rmtree(run)
        system = os.statvfs(disk)
        ballast.write_bytes(bytes((system.f_bavail - pages) * system.f_bsize))
        full, _ = attempt(run)
        ballast.unlink()
        said, state = attempt(run)
        assert said is None
        same = jax.tree.map(np.array_equal, jax.device_get(state), jax.device_get(straight))
        assert jax.tree.all(same)
        assert sorted(path.name for path in run.iterdir()) == files
        told["full"].append(full)

    closed.mkdir()
    subprocess.run(["mount", "--bind", disk, closed], check=True)
    subprocess.run(["mount", "-o", "remount,ro,bind", closed], check=True)
    told["read-only"] = [attempt(closed / "run", stop_after=1)[0], attempt(closed / "new")[0]]
    print(json.dumps(told))  # noqa: T201


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
