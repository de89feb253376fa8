import dataclasses
import io
import sys
from typing import Literal

import pytest

from dehaze_jax.cli.parsing import parse


@dataclasses.dataclass
class Options:
    """What the command does."""

    count: int
    """How many."""


class Terminal(io.StringIO):
    """A standard output that gets colours and, with UTF-8, boxes."""

    def __init__(self, encoding):
        super().__init__()
        self._encoding = encoding

    @property
    def encoding(self):
        return self._encoding

    def isatty(self):
        return True


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
@pytest.mark.parametrize(
    ("args", "reason"),
    [
        (
            ["--count", "few"],
            "Error parsing --count: invalid literal for int() with base 10: 'few'",
        ),
        (["--count", "2", "--colour", "3"], "Unrecognized options: --colour, 3"),
        ([], "Missing from run: --count INT How many. (required)"),
    ],
)
def test_bad_options_are_one_line(capsys, monkeypatch, encoding, args, reason):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stdout", Terminal(encoding))
    with pytest.raises(SystemExit) as leaving:
        parse(Options, args, prog="run")
    assert leaving.value.code == 2
    assert capsys.readouterr().err == f"dehaze-jax: error: {reason}; see run --help\n"


def test_good_options_and_help_pass(capsys):
    assert parse(Options, ["--count", "2"], prog="run") == Options(2)
    with pytest.raises(SystemExit) as leaving:
        parse(Options, ["--help"], prog="run", description="Counts.")
    assert not leaving.value.code
    out, err = capsys.readouterr()
    assert "Counts." in out
    assert not err


@dataclasses.dataclass
class Choices:
    """What is chosen."""

    kind: Literal["plain", "fine"] = "plain"
    """One of two."""
    pair: tuple[int, int] | None = None
    """Two numbers, or none."""
    count: int | None = None
    """A number, or none."""
    either: tuple[int, int] | float | None = None
    """Two numbers, or one, or none."""
    always: tuple[int, int] | int = 1
    """Two numbers or one."""


@pytest.mark.parametrize(
    ("args", "reason"),
    [
        (["--kind", "x"], "invalid choice 'x' for argument '--kind'. Expected one of {}"),
        (["--pair", "5"], "Error parsing --pair: expected INT INT, not '5'"),
        (["--pair", "5", "x"], "Error parsing --pair: expected INT INT, not '5', 'x'"),
        (["--count", "2.5"], "Error parsing --count: expected INT, not '2.5'"),
        (["--either", "x"], "Error parsing --either: expected INT INT or FLOAT, not 'x'"),
        (["--always", "x"], "Error parsing --always: expected INT INT or INT, not 'x'"),
        (["--kind"], "Missing value for argument '--kind'. Expected 1 values"),
    ],
)
def test_choices_and_unions_are_told_in_words(capsys, args, reason):
    with pytest.raises(SystemExit):
        parse(Choices, args, prog="run")
    said = capsys.readouterr().err
    orders = {reason.format(", ".join(order)) for order in (("plain", "fine"), ("fine", "plain"))}
    assert said in {f"dehaze-jax: error: {each}; see run --help\n" for each in orders}
