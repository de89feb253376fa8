"""Options of a command; what does not fit is one line on standard error, like all bad input."""

import contextlib
import io
import re
import sys
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import tyro

from dehaze_jax.errors import InputError

T = TypeVar("T")


class UsageError(InputError):
    """Arguments that are too few, or do not go together: bad usage, whatever the files hold."""


def parse(kind: Callable[..., T], args: Sequence[str], *, prog: str, **options: Any) -> T:
    """`tyro.cli`, whose boxes of errors become one line.

    Args:
        kind: the dataclass of the options.
        args: what follows the command.
        prog: the command, for messages.
        **options: of `tyro.cli`.

    Raises:
        SystemExit: after `--help`, or with code 2 after bad options.
    """
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            return tyro.cli(kind, prog=prog, args=args, **options)
    except InputError as error:  # of a field that tyro makes without looking
        sys.stderr.write(f"dehaze-jax: error: {error}; see {prog} --help\n")
        raise SystemExit(2) from error
    except SystemExit as leaving:
        if leaving.code:
            sys.stderr.write(f"dehaze-jax: error: {_reason(said.getvalue())}; see {prog} --help\n")
        raise


def _reason(box: str) -> str:
    """What a box says between its title and its first rule; what follows is help."""
    plain = re.sub(r"\x1b\[[0-9;]*m|\[/?bold\]", "", box)
    lines = [line.strip(" │") for line in plain.splitlines()[1:]]
    parts = re.split(r"(?m)^[─-]+$", "\n".join(lines))
    said = next((" ".join(part.split()) for part in parts if part.strip()), "bad options")
    # Why each type of a union does not fit follows, nested; the union itself says it all.
    said = said.partition(" Got errors:")[0].rstrip(".")
    said = re.sub(r"no type matching (.+) could be instantiated from \[(.+)\]", _expected, said)
    # A tuple of Python as a list of words.
    return re.sub(r"\(('[^']*',? ?)+\)", lambda found: re.sub(r"[()']|,(?=\))", "", found[0]), said)


def _expected(found: re.Match[str]) -> str:
    """What a union takes beside nothing at all."""
    kinds = [kind.strip("{}") for kind in re.split(r"(?<=\})\||\|(?=\{)", found[1])]
    return f"expected {' or '.join(kind for kind in kinds if kind != 'None')}, not {found[2]}"
