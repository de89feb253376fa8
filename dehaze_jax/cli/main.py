"""`dehaze-jax`: picks the command and turns what goes wrong into one line and an exit code."""

import importlib
import importlib.metadata
import os
import pathlib
import sys
from typing import NamedTuple

from rich.console import Console

from dehaze_jax.cli.parsing import UsageError
from dehaze_jax.errors import InputError


class Command(NamedTuple):
    """Where a command is and what it is for."""

    module: str
    help: str


COMMANDS = {
    "demo": Command("dehaze_jax.cli.demo", "everything at once, small: prepare to restore"),
    "prepare": Command("dehaze_jax.cli.prepare", "make a dataset ready for training"),
    "data": Command("dehaze_jax.cli.data", "list datasets; show or verify a prepared one"),
    "train": Command("dehaze_jax.cli.train", "train a method, or go on with a run"),
    "evaluate": Command("dehaze_jax.cli.evaluate", "score a model against clear pictures"),
    "restore": Command("dehaze_jax.cli.restore", "hazy pictures to restored ones"),
    "bake": Command("dehaze_jax.cli.bake", "what a model does to a picture, as a .cube file"),
    "export": Command("dehaze_jax.cli.export", "a model as one StableHLO program"),
    "import-torch": Command(
        "dehaze_jax.cli.import_torch", "a published PyTorch checkpoint as weights"
    ),
    "plan": Command(
        "dehaze_jax.cli.plan", "what a model and its training cost, before anything is run"
    ),
    "render": Command("dehaze_jax.cli.render", "put haze onto clear pictures"),
}


def main(argv: list[str] | None = None) -> int:
    """Runs one command.

    Args:
        argv: what follows the program's name; default is the process's own.

    Returns:
        0 if everything asked was done, 1 for bad input, 2 for bad usage, 130 after Ctrl-C.
    """
    arguments = sys.argv[1:] if argv is None else argv
    errors = Console(stderr=True, soft_wrap=True, highlight=False, markup=False)
    match arguments:
        case [] | ["-h" | "--help", *_]:
            Console(highlight=False, markup=False, soft_wrap=True).print(_usage())
            return 0 if arguments else 2
        case ["--version", *_]:
            version = importlib.metadata.version("dehaze-jax")
            Console(highlight=False, soft_wrap=True).print(f"dehaze-jax {version}")
            return 0
        case [name, *_] if name not in COMMANDS:
            errors.print(f"dehaze-jax: error: no command {name}; there are {', '.join(COMMANDS)}")
            return 2
    name, *rest = arguments
    use_compilation_cache()
    here = str(pathlib.Path.cwd())
    if here not in sys.path:  # for a backbone of the user's that a config or weights name
        sys.path.insert(0, here)
    try:
        return importlib.import_module(COMMANDS[name].module).main(rest)
    except InputError as error:
        errors.print(f"dehaze-jax: error: {error}")
        return 2 if isinstance(error, UsageError) else 1
    except OSError as error:  # where no command knew better: a full disk, a path that is too long
        subject = error.filename or name
        errors.print(f"dehaze-jax: error: {subject}: {error.strerror or error}")
        return 1
    except KeyboardInterrupt:
        return 130
    except SystemExit as leaving:  # the argument parser, after --help or a bad option
        return leaving.code if isinstance(leaving.code, int) else 2


def use_compilation_cache() -> None:
    """Lets JAX keep what it compiles, for the next process.

    The folder is `$DEHAZE_JAX_CACHE`, else `dehaze_jax` in `$XDG_CACHE_HOME` or `~/.cache`; an
    empty `$DEHAZE_JAX_CACHE` switches it off. JAX's own variables go first. The settings go
    through the environment, so that commands without JAX do not import it.
    """
    caches = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    folder = os.environ.get("DEHAZE_JAX_CACHE", str(pathlib.Path(caches) / "dehaze_jax"))
    if not folder:
        return
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError:
        return  # a read-only home costs time, not the command
    os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", folder)
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", _MIN_COMPILE_SECONDS)


_MIN_COMPILE_SECONDS = "0.1"


def _usage() -> str:
    width = max(map(len, COMMANDS))
    lines = [f"  {name:{width}}  {command.help}" for name, command in COMMANDS.items()]
    return "\n".join(
        [
            "usage: dehaze-jax COMMAND ...",
            "",
            "Single-image dehazing up to 4K.",
            "",
            *lines,
            "",
            "dehaze-jax COMMAND --help tells about one; dehaze-jax --version gives the version.",
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
