"""Whether NeDR's implicit function uses its coordinates.

    dehaze-jax train experiments/configs/nedr.py --workdir runs/nedr_base --steps 500
    dehaze-jax train experiments/configs/nedr.py:plain --workdir runs/nedr_plain --steps 500
    python experiments/nedr_study/coordinates.py --run runs/nedr_base --plain runs/nedr_plain

Restores the validation pairs with the model that was trained with coordinates, with the same model
while it is shown zeros in their stead, and with the model that was trained without. `rgb-full`;
means over the pictures of each set.
"""

import dataclasses
import pathlib

import jax.numpy as jnp
import numpy as np
import tyro
from rich.progress import track

from dehaze_jax import data, methods, metrics, restoring, storage
from dehaze_jax.image import to_float

WAYS = ("with coordinates", "its coordinates zero", "trained without")


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


def restorers(options: Options) -> dict[str, restoring.Restorer]:
    """The three ways; all have the same parameters."""
    found = {}
    sources = (options.run, options.run, options.plain)
    for way, source, sees in zip(WAYS, sources, (True, False, False), strict=True):
        weights = storage.find_weights(source)
        config = storage.config_from_dict(methods.NedrConfig, weights.config, source=source)
        if way != "its coordinates zero" and config.coordinates != sees:
            raise SystemExit(f"{source}: was trained {'without' if sees else 'with'} coordinates")
        method = methods.build(dataclasses.replace(config, coordinates=sees))
        found[way] = restoring.Restorer(method, weights.variables)
    return found


def main(options: Options) -> None:
    """Writes the table."""
    ways = restorers(options)
    lines = [
        f"| set ({options.split}) | " + " | ".join(f"{way}, dB" for way in WAYS) + " |",
        "| --- |" + " ---: |" * len(WAYS),
    ]
    scores: dict[str, list[float]] = {way: [] for way in WAYS}
    folders = sorted(path for path in options.prepared.iterdir() if path.is_dir())
    for folder in track(folders):
        sizes = data.split_sizes(folder)
        if "test" not in sizes or options.split not in sizes:
            continue
        own: dict[str, list[float]] = {way: [] for way in WAYS}
        for pair in data.open_prepared(folder, options.split):
            hazy, clear = to_float(pair.hazy), to_float(pair.clear)
            for way, restore in ways.items():
                # To 8 bits, as `rgb-full` is.
                restored = np.round(restore(hazy) * 255) / 255
                own[way].append(float(metrics.psnr(jnp.asarray(restored), jnp.asarray(clear))))
        lines.append(_row(f"{folder.name} ({sizes[options.split]})", own))
        for way in WAYS:
            scores[way] += own[way]
    lines.append(_row(f"all ({len(scores[WAYS[0]])})", scores))
    text = "\n".join(lines)
    print(text)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    storage.write_atomically(options.output, f"{text}\n".encode())


def _row(name: str, scores: dict[str, list[float]]) -> str:
    return f"| {name} | " + " | ".join(f"{np.mean(scores[way]):.2f}" for way in WAYS) + " |"


if __name__ == "__main__":
    main(tyro.cli(Options))
