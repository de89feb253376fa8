"""`dehaze-jax data`: what can be prepared, and a look at what was."""

import contextlib
import dataclasses
import pathlib
from collections.abc import Callable, Iterator
from typing import Annotated, Any

import tyro
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from dehaze_jax.cli.parsing import parse


@dataclasses.dataclass(frozen=True)
class List:
    """Print the datasets that dehaze-jax prepare knows."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Show:
    """Write a contact sheet of a prepared dataset: random examples, sizes, PSNR."""

    prepared: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="PREPARED")]
    """Folder that dehaze-jax prepare wrote."""
    output: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="OUTPUT.png")]
    """Picture to write."""
    split: Annotated[str | None, tyro.conf.arg(metavar="STR")] = None
    """Split to look at; the default is all."""
    pairs: int = 12
    """Examples to show."""
    sample: int = 200
    """Examples to measure."""
    seed: int = 0
    """Seed of the choice."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Verify:
    """Check that a prepared dataset is what it was when it was written.

    Compares its files with their checksums and decodes every example. The exit code is 1 if
    anything is damaged, missing or not the same.
    """

    prepared: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="PREPARED")]
    """Folder that dehaze-jax prepare wrote."""


Command: Any = (
    Annotated[List, tyro.conf.subcommand("list")]
    | Annotated[Show, tyro.conf.subcommand("show")]
    | Annotated[Verify, tyro.conf.subcommand("verify")]
)


def main(args: list[str]) -> int:
    """Runs the command; 0 only if everything asked was done and is whole."""
    options: List | Show | Verify = parse(Command, args=args, prog="dehaze-jax data")
    match options:
        case List():
            return _list()
        case Show():
            return _show(options)
        case Verify():
            return _verify(options)


_FROM = {"direct": "download", "manual": "by hand", "yours": "yours", "made": "none"}


def _list() -> int:
    from dehaze_jax import data

    table = Table(box=None, pad_edge=False)
    for title in ("name", "pictures", "source", "what it is"):
        table.add_column(title, justify="right" if title == "pictures" else "left")
    for name, dataset in data.list_datasets().items():
        counts = [f"{sum(splits.values()):,}" for splits in dataset.editions.values()]
        table.add_row(name, " or ".join(counts), _FROM[dataset.obtain], dataset.title)
    Console(width=160, highlight=False, markup=False).print(table)
    return 0


def _show(options: Show) -> int:
    from dehaze_jax import data
    from dehaze_jax.errors import InputError
    from dehaze_jax.image.atomic import check_folder

    if pathlib.Path(options.output).suffix.lower() != ".png":
        raise InputError(options.output, "must end in .png")
    check_folder(options.output)
    with _bar() as progress:
        looks = data.survey(
            options.prepared,
            splits=(options.split,) if options.split else (),
            shown=options.pairs,
            sample=options.sample,
            seed=options.seed,
            progress=progress,
        )
    sizes = data.split_sizes(options.prepared)
    facts = ", ".join(f"{count:,} {split}" for split, count in sizes.items())
    title = pathlib.Path(options.prepared).absolute().name
    data.draw_contact_sheet(looks, options.output, title=title, facts=facts)
    Console(soft_wrap=True, highlight=False, markup=False).print(options.output)
    return 0


def _verify(options: Verify) -> int:
    from dehaze_jax import data

    out = Console(soft_wrap=True, highlight=False, markup=False)
    errors = Console(stderr=True, soft_wrap=True, highlight=False, markup=False)
    with _bar() as progress:
        found = data.verify(options.prepared, progress=progress)
    for split, count in found.examples.items():
        fingerprint = found.fingerprints.get(split)
        state = f"fingerprint {fingerprint}" if fingerprint else "cannot be opened"
        out.print(f"{split}: {count:,} examples, {state}")
    for fault in found.faults:
        errors.print(f"dehaze-jax: error: {fault}")
    if not found.compared:
        errors.print(f"{options.prepared}: warning: has no checksums to compare its files with")
    if found.faults:
        out.print(f"{options.prepared}: {len(found.faults)} faults")
        return 1
    files = "every file is as it was written and " if found.compared else ""
    out.print(f"{options.prepared}: {files}every example can be decoded")
    return 0


@contextlib.contextmanager
def _bar() -> Iterator[Callable[[int, int], None]]:
    errors = Console(stderr=True)
    with Progress(console=errors, transient=True, disable=not errors.is_terminal) as bars:
        task = bars.add_task("examples", total=None)
        yield lambda done, total: bars.update(task, completed=done, total=total)
