import os
import pathlib
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
from survival.kill import Lost, compare

from dehaze_jax import storage

SCRIPT = pathlib.Path(__file__).parents[2] / "experiments" / "survival" / "kill.py"


def kill(folder, kills) -> str:
    """What `kill.py` tells at the end; it ends non-zero where anything is lost."""
    options = ["--kills", str(kills), "--output", str(folder)]
    environment = {**os.environ, "XLA_FLAGS": ""}  # one device, as outside the tests
    done = subprocess.run(
        [sys.executable, str(SCRIPT), *options],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1]


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_fifty_kills_lose_nothing(tmp_path):
    told = kill(tmp_path, 50)
    assert told.startswith("50 kills, ")
    # Of moments that are drawn so often one at least has to be met while its file is written.
    killed = {kind: int(count) for count, kind in re.findall(r"(\d+) at (\w+)", told)}
    assert killed["checkpoint"] >= 5
    assert min(killed.get(kind, 0) for kind in ("start", "training", "metrics")) >= 1


@pytest.fixture
def straight(tmp_path):
    """A folder that looks like a run."""
    run = storage.RunDirectory(tmp_path / "straight")
    variables = {"params": {"gain": np.arange(3, dtype=np.float32)}}
    for folder, step in ((run.best, 2), (run.weights, 4)):
        storage.save_weights(folder, variables, {}, {"step": step, "scores": {"psnr": 20.0}})
    for step in (2, 4):
        run.append_metrics({"step": step, "loss": 0.5})
    run.write_record({"seed": 0}, resumed=False)
    state = {"step": np.int32(4), "variables": variables, "ema": variables, "opt_state": {}}
    with storage.Checkpoints(run.checkpoints) as checkpoints:
        checkpoints.save(4, state, {})
    return run.path


def lose_a_bit(run):
    with storage.Checkpoints(run / "checkpoints", read_only=True) as checkpoints:
        state = {name: checkpoints.restore_part(name) for name in ("step", "variables", "ema")}
    shutil.rmtree(run / "checkpoints" / "4")
    state["ema"]["params"]["gain"][0] = np.nextafter(np.float32(0), np.float32(1))
    with storage.Checkpoints(run / "checkpoints") as checkpoints:
        checkpoints.save(4, {**state, "opt_state": {}}, {})


def log_twice(run):
    storage.RunDirectory(run).append_metrics({"step": 4, "loss": 0.5})


def keep_another_best(run):
    best = storage.load_weights(run / "best")
    storage.save_weights(run / "best", best.variables, {}, {**best.card, "step": 3})


def leave_something(run):
    (run / ".best.x").mkdir()


def go_back(run):
    for step in (3, 1):
        storage.RunDirectory(run).write_record({"step": step}, resumed=True)


def test_a_run_like_the_other_has_lost_nothing(straight, tmp_path):
    shutil.copytree(straight, tmp_path / "run")
    metrics = tmp_path / "run" / "metrics.jsonl"
    metrics.write_text(metrics.read_text().replace("}", ', "seconds_per_step": 0.2}'))
    record = {"step": 3, "time": "later"}
    storage.RunDirectory(tmp_path / "run").write_record(record, resumed=True)
    compare(tmp_path / "run", straight)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lose_a_bit, "ema has other bits"),
        (log_twice, "metrics should be"),
        (keep_another_best, "best should be"),
        (leave_something, "files should be"),
        (go_back, r"went back to a step before: \[3, 1\]"),
    ],
)
def test_what_is_lost_is_seen(straight, tmp_path, damage, said):
    shutil.copytree(straight, tmp_path / "run")
    damage(tmp_path / "run")
    with pytest.raises(Lost, match=said):
        compare(tmp_path / "run", straight)
