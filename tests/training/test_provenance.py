import json
import subprocess

import jax

from dehaze_jax.training.provenance import machine, revision


def git(folder, *arguments):
    identity = ["-c", "user.name=a", "-c", "user.email=a@b"]
    done = subprocess.run(
        ["git", "-C", str(folder), *identity, *arguments],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def test_a_checkout_tells_its_commit_and_whether_it_changed(tmp_path):
    (tmp_path / "a.py").write_text("1")
    (tmp_path / "installed.py").write_text("1")
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", "a.py")
    git(tmp_path, "commit", "-q", "-m", "a")
    commit = git(tmp_path, "rev-parse", "HEAD")
    assert revision(tmp_path / "a.py") == {"commit": commit, "changed": False}
    (tmp_path / "a.py").write_text("2")
    assert revision(tmp_path / "a.py") == {"commit": commit, "changed": True}
    assert revision(tmp_path / "installed.py") is None


def test_outside_a_checkout_there_is_no_commit(tmp_path):
    (tmp_path / "a.py").write_text("1")
    assert revision(tmp_path / "a.py") is None


def test_the_machine_is_json():
    record = json.loads(json.dumps(machine()))
    assert record["versions"]["jax"] == jax.__version__
    assert len(record["devices"]) == jax.device_count()
    assert record["backend"] == jax.default_backend()
