"""`dehaze-jax evaluate` with a restorer that changes nothing."""

import json
import os
import types

import fsspec
import numpy as np
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from dehaze_jax import image
from dehaze_jax.cli.main import main
from dehaze_jax.data import pair_folders, prepared
from dehaze_jax.methods import RestoreOptions
from dehaze_jax.restoring import loading


@pytest.fixture
def run(capsys, monkeypatch):
    """Runs the command; returns the exit code and both streams."""
    monkeypatch.setenv("DEHAZE_JAX_CACHE", "")

    class Same(types.SimpleNamespace):
        def __call__(self, picture):
            return picture

    method = types.SimpleNamespace(evaluations=lambda options: options.num_steps)

    def load(*_, solver, steps, **__):
        options = RestoreOptions(solver=solver or "rk4", num_steps=steps or 3)
        return Same(card={"terms": "none"}, method=method, options=options)

    monkeypatch.setattr(loading, "load", load)
    monkeypatch.setenv("COLUMNS", "200")

    def run(*args):
        code = main(["evaluate", *map(str, args)])
        written = capsys.readouterr()
        return code, written.out, written.err

    return run


@pytest.fixture
def folders(tmp_path):
    clear = np.random.default_rng(0).integers(0, 200, (2, 20, 24, 3)).astype(np.uint8)
    root = tmp_path / "my set"
    for side, pictures in (("hazy", clear + np.uint8(40)), ("clear", clear)):
        (root / side).mkdir(parents=True)
        for index, picture in enumerate(pictures):
            image.write(root / side / f"{index}.png", picture)
    return "--hazy", root / "hazy", "--clear", root / "clear", "--output", tmp_path / "out"


def test_prints_a_table_and_writes_the_report(folders, tmp_path, run):
    code, out, err = run(*folders, "--weights", "some/weights", "--steps", "2")
    assert (code, err) == (0, "")
    assert "my set, mean of 2 pictures" in out
    # 20 log10(255 / 40), for the hazy picture and for the model that changes nothing.
    assert out.count("16.09") >= 2
    for name in ("hazy", "dark-channel", "weights", "rgb-full", "rgb-ssim256", "y-full"):
        assert name in out
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["about"]["weights"] == {"card": {"terms": "none"}, "solver": "rk4", "steps": 2}
    assert summary["dataset"] == "my set"


def test_lpips(folders, lpips_files, tmp_path, run):
    for side in (folders[1], folders[3]):
        for path in side.iterdir():
            image.write(path, np.tile(image.read(path).pixels, (2, 2, 1)))
    code, out, _ = run(*folders, "--lpips", *lpips_files)
    assert code == 0
    (line,) = (line for line in out.splitlines() if "lpips-alex" in line)
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    mean = summary["scores"]["hazy"]["lpips-alex"]["lpips"]["mean"]
    assert mean > 0
    assert line.count(f"{mean:.4f}") == 2
    code, _, err = run(*folders, "--lpips", lpips_files[0])
    assert code == 1
    assert "alexnet.safetensors: holds no lin0.model.1.weight" in err


def test_options(folders, tmp_path, run):
    code, out, _ = run(*folders, "--limit", "1", "--name", "first", "--protocols", "y-full")
    assert code == 0
    assert "first, mean of 1 pictures" in out
    assert "rgb-full" not in out
    assert run(*folders, "--full-pictures")[0] == 0
    assert any(name.endswith(".png") for name in os.listdir(tmp_path / "out" / "pictures"))


def test_bad_pairs_are_counted(folders, run):
    (folders[1] / "0.png").write_bytes(b"")
    code, out, err = run(*folders)
    assert code == 1
    assert "mean of 1 pictures" in out
    assert "0.png: " in err
    assert "1 pairs could not be scored" in err


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("missing partner", "has no clear partner"),
        ("empty folder", "holds no picture"),
        ("different sizes", "none of 2 pairs could be scored; the first"),
        ("no folder", "does not exist"),
    ],
)
def test_pairs_that_are_refused(folders, tmp_path, run, change, reason):
    _, hazy, _, clear, *_ = folders
    match change:
        case "missing partner":
            (clear / "1.png").unlink()
        case "empty folder":
            for file in hazy.iterdir():
                file.unlink()
        case "different sizes":
            for file in clear.iterdir():
                image.write(file, np.zeros((90, 24, 3), np.uint8))
        case "no folder":
            hazy.rename(tmp_path / "elsewhere")
    code, out, err = run(*folders)
    assert (code, out) == (1, "")
    assert len(err.splitlines()) == 1
    assert reason in err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "given", [[], ["--hazy", "a"], ["--data", "a", "--hazy", "b", "--clear", "c"]]
)
def test_one_dataset_at_a_time(run, given):
    code, _, err = run(*given, "--output", "out")
    assert code == 2
    assert "either --hazy and --clear, or --data" in err


def test_a_prepared_dataset_may_be_an_address(folders, tmp_path, run, monkeypatch):
    opened = []

    def fake(path, split):
        opened.append((path, split))
        return pair_folders(folders[1], folders[3])

    monkeypatch.setattr(prepared, "open_prepared", fake)
    code, out, _ = run("--data", "gs://bucket/sets/mine", "--output", tmp_path / "out")
    assert code == 0
    assert opened == [("gs://bucket/sets/mine", "test")]
    assert "mine (test), mean of 2 pictures" in out


def test_an_address_that_is_none_is_named_as_it_was_given(tmp_path, run, monkeypatch):
    monkeypatch.setattr(fsspec, "filesystem", lambda *_, **__: MemoryFileSystem())
    code, _, err = run("--data", "gs://bucket/none", "--output", tmp_path / "out")
    assert code == 1
    assert "gs://bucket/none: does not exist" in err
