"""Averages weights of one architecture that were trained from the same weights.

    python experiments/weights/average.py --of runs/one runs/other --to runs/mean

Trainings that begin at the same place end in one valley, and its middle lies lower than its sides;
weights that were trained from nothing have no mean that works.

References: Wortsman et al., Model soups (ICML 2022).
"""

import dataclasses
import pathlib

import jax
import numpy as np
import tyro

from dehaze_jax import InputError, storage


@dataclasses.dataclass(frozen=True, kw_only=True)
class Average:
    """Average weights that were trained from the same weights."""

    of: tuple[pathlib.Path, ...]
    """Runs or weights folders; two at least, of one architecture."""
    to: pathlib.Path
    """Weights folder to write."""


def average(folders: tuple[pathlib.Path, ...], target: pathlib.Path) -> None:
    """Writes the mean of weights; its config is that of the last, its card has all recipes.

    Raises:
        InputError: less than two, or not of one architecture.
    """
    if len(folders) < 2:
        raise InputError(target, "takes two weights at least")
    # What a finished run wrote knows its recipe, which a checkpoint does not.
    sources = [path / "weights" if (path / "weights").is_dir() else path for path in folders]
    loaded = [storage.find_weights(path) for path in sources]
    first = jax.tree.map(np.shape, loaded[0].variables)
    for path, weights in zip(folders, loaded, strict=True):
        if jax.tree.map(np.shape, weights.variables) != first:
            raise InputError(path, f"is not of the architecture of {folders[0]}")
    mean = jax.tree.map(
        lambda *values: np.mean(values, axis=0, dtype=np.float64).astype(np.float32),
        *(weights.variables for weights in loaded),
    )
    recipes = {path.name: w.card.get("recipe", {}) for path, w in zip(folders, loaded, strict=True)}
    storage.save_weights(target, mean, loaded[-1].config, {"recipe": {"mean of": recipes}})


def main() -> None:
    """Averages and writes."""
    options = tyro.cli(Average)
    try:
        average(options.of, options.to)
    except InputError as error:
        raise SystemExit(str(error)) from None


if __name__ == "__main__":
    main()
