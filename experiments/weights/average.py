"""Averages weights of one model that were trained from the same weights.

    python experiments/weights/average.py --of runs/one runs/other --to runs/mean

Trainings that begin at the same place mostly end in one valley, and its middle lies lower than its
sides: look at validation. Weights that were trained from nothing have no mean that works.

References: Wortsman et al., Model soups (ICML 2022).
"""

import dataclasses
import pathlib

import jax
import numpy as np
import tyro
from finished import finished_weights, weights_folder

import dehaze_jax
from dehaze_jax import InputError, storage


@dataclasses.dataclass(frozen=True, kw_only=True)
class Average:
    """Average weights that were trained from the same weights."""

    of: tuple[pathlib.Path, ...]
    """Finished runs, weights folders or released names; two at least, of one model."""
    to: pathlib.Path
    """Weights folder to write; one that is there is replaced."""


def average(folders: tuple[pathlib.Path, ...], target: pathlib.Path) -> None:
    """Writes the mean of weights; its config is that of the last, its card has all recipes.

    Raises:
        InputError: less than two, or not of one model and restored by one solve.
    """
    if len(folders) < 2:
        raise InputError(target, "takes two weights at least")
    loaded = [finished_weights(path) for path in folders]
    models = [dehaze_jax.load(weights_folder(path)) for path in folders]
    for path, model in zip(folders, models, strict=True):
        same = dataclasses.replace(model.config, objective=models[0].config.objective)
        if same != models[0].config or model.options != models[0].options:
            raise InputError(path, f"is of another model, or solve, than {folders[0]}")
    mean = jax.tree.map(
        lambda *values: np.mean(values, axis=0, dtype=np.float64).astype(np.float32),
        *(weights.variables for weights in loaded),
    )
    recipes = {str(path): w.card["recipe"] for path, w in zip(folders, loaded, strict=True)}
    storage.save_weights(target, mean, loaded[-1].config, {"recipe": {"mean of": recipes}})


def main() -> None:
    """Averages and writes."""
    options = tyro.cli(Average)
    try:
        average(options.of, options.to)
        print(f"{options.to}: mean of {', '.join(map(str, options.of))}")
    except InputError as error:
        raise SystemExit(str(error)) from None


if __name__ == "__main__":
    main()
