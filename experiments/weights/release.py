"""Scores a finished run on test splits and makes it the weights that ship under a name.

    python experiments/weights/release.py --run runs/dehazeflow --name dehazeflow

Every data set is scored on its own, under all protocols, beside the untouched hazy pictures and the
dark-channel prior. The scores enter the card; the reports, with pictures, stay in `--reports`. The
test splits are looked at here and nowhere else.
"""

import dataclasses
import pathlib
import platform
from collections.abc import Mapping
from typing import Any

import jax
import tyro
from finished import finished_weights, weights_folder
from rich.console import Console

import dehaze_jax
from dehaze_jax import data, evaluation, storage


@dataclasses.dataclass(frozen=True, kw_only=True)
class Release:
    """Score a finished run and make it weights that ship."""

    run: pathlib.Path
    """Run directory; or a weights folder, to score it again."""
    name: str
    """Name of the weights; those that ship under it are replaced."""
    prepared: pathlib.Path = pathlib.Path("prepared")
    """Folder of prepared data sets."""
    reports: pathlib.Path = pathlib.Path("runs/reports")
    """Folder for the reports."""
    terms: str = (
        "The recipe names the sets that these weights have learnt from. Those of them that are of "
        "O-HAZE, I-HAZE, NH-HAZE, NH-HAZE2, REVIDE and RESIDE SOTS are public for "
        "research and state no licence: use these weights for research. The Apache-2.0 licence of "
        "the package covers its code."
    )
    """What the card says of the training data's terms."""


def main(options: Release) -> None:
    """Writes `dehaze_jax/weights/<name>`."""
    weights = finished_weights(options.run)
    restorer = dehaze_jax.load(weights_folder(options.run))
    trained_on = sets_of(weights.card["recipe"])
    scores, sets = {}, {}
    options.reports.mkdir(parents=True, exist_ok=True)
    for folder in sorted(path for path in options.prepared.iterdir() if path.is_dir()):
        sizes = data.split_sizes(folder)
        if "test" not in sizes:
            if folder.name in trained_on:
                fingerprint = data.open_prepared(folder, "train").fingerprint
                sets[folder.name] = {**sizes, "fingerprint": fingerprint}
            continue
        pairs = data.open_prepared(folder, "test")
        report = evaluation.evaluate(
            pairs,
            {options.name: restorer},
            output=options.reports / folder.name,
            dataset=f"{folder.name}, test split",
        )
        Console(width=140).print(evaluation.as_table(report))
        sets[folder.name] = {**sizes, "fingerprint": pairs.fingerprint}
        scores[folder.name] = {
            method: {
                f"{protocol}/{score}": round(value["mean"], 5)
                for protocol, values in by_protocol.items()
                for score, value in values.items()
            }
            for method, by_protocol in report.summary().items()
        }
    card = {
        "data": sets,
        "recipe": weights.card.get("recipe", {}),
        "scores": scores,
        "scored with": {
            "command": "python experiments/weights/release.py "
            f"--run {options.run} --name {options.name}",
            "split": "test",
            **({"solver": str(restorer.options)} if restorer.method.evaluations else {}),
            "jax": jax.__version__,
            "machine": f"{platform.machine()}, {jax.devices()[0].device_kind}",
        },
        "terms": options.terms,
    }
    target = pathlib.Path(dehaze_jax.__file__).parent / "weights" / options.name
    storage.save_weights(target, weights.variables, weights.config, card)


def sets_of(recipe: Any) -> set[str]:
    """Names of the prepared folders that a recipe, or any recipe in it, trains on."""
    if not isinstance(recipe, Mapping):
        return set()
    own = {pathlib.PurePath(path).name for path in recipe.get("train", ())}
    return own.union(*map(sets_of, recipe.values()))


if __name__ == "__main__":
    main(tyro.cli(Release))
