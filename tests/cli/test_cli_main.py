import importlib.metadata
import os
import subprocess
import sys
import types

import pytest

from dehaze_jax.cli import main as cli
from dehaze_jax.cli.parsing import UsageError
from dehaze_jax.errors import InputError


@pytest.fixture(autouse=True)
def _environment(monkeypatch, tmp_path):
    monkeypatch.setenv("DEHAZE_JAX_CACHE", str(tmp_path / "cache"))
    # Set to delete again whatever the command sets.
    for name in ("JAX_COMPILATION_CACHE_DIR", "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)


@pytest.fixture
def command(monkeypatch):
    """Puts a function in place of the command `train`."""

    def put(function):
        module = types.ModuleType("stand_in")
        module.main = function
        monkeypatch.setitem(sys.modules, "stand_in", module)
        monkeypatch.setitem(cli.COMMANDS, "train", cli.Command("stand_in", ""))

    return put


def test_help_lists_every_command(capsys):
    assert cli.main(["--help"]) == 0
    out = capsys.readouterr().out
    for name, command in cli.COMMANDS.items():
        assert f"  {name}" in out
        assert command.help in out


def test_nothing_given_is_bad_usage(capsys):
    assert cli.main([]) == 2
    assert "usage: dehaze-jax" in capsys.readouterr().out


def test_an_unknown_command_is_one_line(capsys):
    assert cli.main(["dehaze"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("dehaze-jax: error: no command dehaze; there are demo, ")
    assert error.count("\n") == 1


def test_version(capsys, monkeypatch):
    monkeypatch.setattr(importlib.metadata, "version", lambda name: {"dehaze-jax": "9.8"}[name])
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out == "dehaze-jax 9.8\n"


def test_arguments_and_exit_code_pass_through(command):
    seen = []
    command(lambda args: seen.append(args) or 7)
    assert cli.main(["train", "a", "--b"]) == 7
    assert seen == [["a", "--b"]]


def test_bad_input_is_one_line_however_long(command, capsys):
    path = "/a/" + "very/" * 60 + "[bold]long.png"

    def fail(_):
        raise InputError(path, "is\nnot an image")

    command(fail)
    assert cli.main(["train"]) == 1
    assert capsys.readouterr().err == f"dehaze-jax: error: {path}: is not an image\n"


def test_bad_usage_has_a_code_of_its_own(command, capsys):
    def fail(_):
        raise UsageError("maps", "do not go with that")

    command(fail)
    assert cli.main(["train"]) == 2
    assert capsys.readouterr().err == "dehaze-jax: error: maps: do not go with that\n"


@pytest.mark.parametrize(
    ("error", "code"),
    [(KeyboardInterrupt(), 130), (SystemExit(2), 2), (SystemExit(0), 0), (SystemExit("x"), 2)],
)
def test_other_ends(command, error, code):
    def fail(_):
        raise error

    command(fail)
    assert cli.main(["train"]) == code


def test_a_fault_of_ours_is_not_hidden(command):
    def fail(_):
        raise ZeroDivisionError

    command(fail)
    with pytest.raises(ZeroDivisionError):
        cli.main(["train"])


@pytest.mark.parametrize(
    ("variables", "folder"),
    [
        ({"DEHAZE_JAX_CACHE": "{}/a"}, "{}/a"),
        ({"XDG_CACHE_HOME": "{}/x"}, "{}/x/dehaze_jax"),
        ({"HOME": "{}/h"}, "{}/h/.cache/dehaze_jax"),
        ({"DEHAZE_JAX_CACHE": ""}, None),
        ({"DEHAZE_JAX_CACHE": "{}/file/a"}, None),
        ({"JAX_COMPILATION_CACHE_DIR": "/own"}, "/own"),
    ],
)
def test_where_compiled_programs_are_kept(monkeypatch, tmp_path, variables, folder):
    (tmp_path / "file").write_text("")
    monkeypatch.delenv("DEHAZE_JAX_CACHE")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name, value in variables.items():
        monkeypatch.setenv(name, value.format(tmp_path))
    cli.use_compilation_cache()
    expected = folder and folder.format(tmp_path)
    assert os.environ.get("JAX_COMPILATION_CACHE_DIR") == expected


def test_a_second_process_finds_what_the_first_compiled(tmp_path):
    code = """
from dehaze_jax.cli.main import use_compilation_cache
use_compilation_cache()
import jax, jax.numpy as jnp
def work(x):
    for i in range(40):
        x = jnp.sin(x @ x) + i * jnp.sort(x, axis=0)
    return x
jax.jit(work)(jnp.ones((64, 64))).block_until_ready()
"""
    found = []
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", code],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "JAX_PLATFORMS": "cpu", "JAX_LOG_COMPILES": "0"},
        )
        assert done.stderr == ""
        found.append(
            {
                path.name: path.stat().st_mtime_ns
                for path in (tmp_path / "cache").iterdir()
                if path.name.startswith("jit_work")
            }
        )
    assert found[0] == found[1]
    assert len(found[0]) >= 1


def test_help_does_not_start_jax():
    code = (
        "import sys; from dehaze_jax.cli.main import main; "
        "code = main(['--help']); sys.exit(code or 'jax' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert done.returncode == 0


def test_an_error_of_the_system_is_one_line(command, capsys):
    def fails(_):
        raise OSError(28, "No space left on device", "/disk/file")

    command(fails)
    assert cli.main(["train"]) == 1
    assert capsys.readouterr().err == "dehaze-jax: error: /disk/file: No space left on device\n"


@pytest.mark.parametrize(
    "command",
    [
        "prepare",
        "data show",
        "evaluate",
        "restore",
        "bake",
        "export",
        "import-torch",
        "plan",
        "render",
        "plan {config}",
    ],
)
def test_help_shows_what_may_be_given(capsys, tmp_path, command):
    config = tmp_path / "config.py"
    config.write_text("from dehaze_jax.training import TrainConfig as get_config\n")
    assert cli.main([*command.format(config=config).split(), "--help"]) == 0
    out = capsys.readouterr().out.partition("method options")[0]  # TrainConfig's own are typed
    assert "usage: dehaze-jax" in out
    assert "{None" not in out
    assert "(default: )" not in out
