"""`dehaze-jax train`: a configuration file to a run directory."""

import dataclasses
import importlib.util
import os
import pathlib
import sys
from typing import Annotated

import tyro

from dehaze_jax.cli.parsing import UsageError, parse
from dehaze_jax.training.config import HostsConfig, TrainConfig

_USAGE = """usage: dehaze-jax train CONFIG.py[:VARIANT] [--workdir DIR] [--any.field VALUE]

CONFIG.py defines get_config(variant="base") and returns a training.TrainConfig. Every field of it
can be given as an option; with CONFIG.py, --help lists them with their values. A run that is in
DIR is gone on with."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Train:
    """Train, or go on with the run in the work directory."""

    config: Annotated[TrainConfig, tyro.conf.arg(name="")]
    hosts: HostsConfig = dataclasses.field(default_factory=HostsConfig)
    """Processes that train together."""
    force: bool = False
    """Go on with a run that began with another configuration or other data."""


def main(args: list[str]) -> int:
    """Runs the command; 0 if the run got where it was to go, 128 + n if signal n stopped it."""
    from rich.console import Console

    from dehaze_jax.errors import InputError

    console = Console(stderr=True)
    if not args or args[0] in ("-h", "--help"):
        Console().print(_USAGE, highlight=False, markup=False, soft_wrap=True)
        return 0 if args else 2
    if args[0].startswith("-"):
        raise UsageError("train", f"the configuration file comes first, not {args[0]}")
    default = read_config(args[0])
    options = parse(
        Train,
        default=Train(config=default),
        args=args[1:],
        prog=f"dehaze-jax train {args[0]}",
        # The method is the file's to choose: its own fields are the options, not a sub-command.
        config=(tyro.conf.AvoidSubcommands,),
    )
    from dehaze_jax.training.hosts import check_parts, connect
    from dehaze_jax.training.loop import train

    check_parts(options.hosts, options.config.data.batch_size)  # before waiting for the others
    connect(options.hosts)
    try:
        result = train(options.config, console=console, force=options.force)
    except InputError as error:
        if options.hosts.coordinator is None:
            raise
        console.print(f"dehaze-jax: error: {error}", highlight=False, markup=False, soft_wrap=True)
        os._exit(1)  # at a normal exit JAX waits for the others, and aborts where one is gone
    return 0 if result.stopped_by is None else 128 + result.stopped_by


def read_config(argument: str) -> TrainConfig:
    """Calls `get_config` of a configuration file.

    The file's folder and the current one go on the import path, for modules that it names.

    Args:
        argument: the path, with ":VARIANT" where the file has several.

    Raises:
        InputError: no such file, an error in it, or no configuration from it.
    """
    from dehaze_jax.errors import InputError

    name, _, variant = argument.partition(":")
    path = pathlib.Path(name)
    if not path.is_file():
        raise InputError(path, "no such configuration file")
    for folder in (str(pathlib.Path.cwd()), str(path.resolve().parent)):
        if folder not in sys.path:
            sys.path.insert(0, folder)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise InputError(path, "is not a Python file")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
        if not hasattr(module, "get_config"):
            raise InputError(path, "defines no get_config")
        config = module.get_config(variant) if variant else module.get_config()
    except InputError:
        raise
    except KeyError as error:
        reason = "no such variant" if variant else "KeyError"
        raise InputError(argument, f"{reason}: {error}") from error
    except Exception as error:  # whatever the user's file raises
        raise InputError(argument, f"{type(error).__name__}: {error}") from error
    if not isinstance(config, TrainConfig):
        raise InputError(path, f"get_config gives {type(config).__name__}, not a TrainConfig")
    return config
