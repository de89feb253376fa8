"""What a finished run has learnt."""

import contextlib
import pathlib

from dehaze_jax import InputError, storage


def weights_folder(run: pathlib.Path) -> pathlib.Path:
    """The weights that a finished run wrote; a weights folder is its own.

    A checkpoint, which the run directory itself stands for, does not know its recipe.
    """
    finished = run / "weights"
    return finished if finished.is_dir() else run


def finished_weights(run: pathlib.Path) -> storage.Weights:
    """Loads them; their recipe has, as `began from`, that of the weights which they began from.

    What is not there any more, or has no recipe, is left out.

    Raises:
        InputError: there are none, or none whose card has a recipe.
    """
    weights = storage.find_weights(weights_folder(run))
    if "recipe" not in weights.card:
        raise InputError(run, "is not finished: only what a finished run wrote has a recipe")
    recipe = weights.card["recipe"]
    start = recipe.get("init_from")
    if start is not None and "began from" not in recipe:
        with contextlib.suppress(InputError):
            recipe = {**recipe, "began from": finished_weights(pathlib.Path(start)).card["recipe"]}
    return weights._replace(card={**weights.card, "recipe": recipe})
