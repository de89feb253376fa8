"""Whether NeDR's implicit function uses its coordinates.

    python experiments/nedr_study/coordinates.py --run runs/nedr --plain runs/nedr_plain

See README.md beside this file.
"""

import dataclasses
import pathlib
import sys
from collections.abc import Callable, Mapping

import jax.numpy as jnp
import numpy as np
import tyro
from rich.progress import track

# Studies are scripts, not an installed package: their folder is put on the path here.
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from studies.records import machine_line, markdown_table

from dehaze_jax import InputError, data, methods, metrics, restoring, storage
from dehaze_jax.image import to_float

WAYS = ("trained with", "trained with, shown zeros", "trained without")
Restore = Callable[[np.ndarray], np.ndarray]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options:
    """Compare models with and without coordinates."""

    run: str
    """Run, or weights, trained with coordinates."""
    plain: str
    """Run, or weights, trained without."""
    prepared: pathlib.Path = pathlib.Path("prepared")
    """Folder of prepared data sets."""
    split: str = "validation"
    """Split to restore."""
    output: pathlib.Path = pathlib.Path("experiments/nedr_study/results/coordinates.md")
    """Markdown file for the table."""


def restorers(run: str, plain: str) -> dict[str, Restore]:
    """The three ways; all have the same parameters.

    Raises:
        InputError: one is no model of NeDR, or was trained otherwise than its name says.
    """
    found: dict[str, Restore] = {}
    sources = ((run, True, True), (run, True, False), (plain, False, False))
    for way, (source, trained, sees) in zip(WAYS, sources, strict=True):
        weights = storage.find_weights(source)
        if weights.config.get("name") != "nedr":
            raise InputError(source, "holds no weights of nedr")
        config = storage.config_from_dict(methods.NedrConfig, weights.config, source=source)
        if config.coordinates != trained:
            how = "with" if config.coordinates else "without"
            raise InputError(source, f"was trained {how} coordinates")
        method = methods.build(dataclasses.replace(config, coordinates=sees))
        found[way] = restoring.Restorer(method, weights.variables)
    return found


def score(ways: Mapping[str, Restore], prepared: pathlib.Path, split: str) -> list[list[str]]:
    """Mean PSNR under `rgb-full` of the untouched and the restored pictures, set by set.

    Raises:
        InputError: no prepared set has such a split.
    """
    every: dict[str, list[float]] = {"hazy": [], **{way: [] for way in ways}}
    rows = []
    sets = [folder for folder in sorted(prepared.glob("*")) if split in _splits(folder)]
    if not sets:
        raise InputError(prepared, f"holds no prepared pairs with a split {split}")
    for folder in track(sets, "restoring"):
        own: dict[str, list[float]] = {name: [] for name in every}
        for pair in data.open_prepared(folder, split):
            hazy, clear = to_float(pair.hazy), to_float(pair.clear)
            for name in every:
                restored = hazy if name == "hazy" else np.round(ways[name](hazy) * 255) / 255
                own[name].append(float(metrics.psnr(jnp.asarray(restored), jnp.asarray(clear))))
        rows.append(_row(folder.name, own))
        for name, values in own.items():
            every[name] += values
    return [*rows, _row("all", every)]


def _splits(folder: pathlib.Path) -> dict[str, int]:
    """Splits of the sets that the training was on: those with pictures to test on."""
    if not (folder / "dataset_info.json").is_file():
        return {}
    sizes = data.split_sizes(folder)
    return sizes if "test" in sizes else {}


def _row(name: str, scores: Mapping[str, list[float]]) -> list[str]:
    count = len(scores["hazy"])
    return [f"{name} ({count})", *(f"{np.mean(values):.2f}" for values in scores.values())]


def main(options: Options) -> None:
    """Writes the table."""
    rows = score(restorers(options.run, options.plain), options.prepared, options.split)
    table = markdown_table([f"PSNR dB, {options.split}", "hazy", *WAYS], rows)
    text = f"{machine_line()}. Protocol `rgb-full`; means over the pictures.\n\n{table}"
    print(text)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    storage.write_atomically(options.output, f"{text}\n".encode())


if __name__ == "__main__":
    try:
        main(tyro.cli(Options))
    except InputError as error:
        sys.exit(f"error: {error}")
