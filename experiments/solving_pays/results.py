"""What the study has measured, pooled over its folds."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
from solving_pays.comparing import Difference, compare
from solving_pays.config import RECIPES, StudyConfig, Way

Scores = dict[str, list[float]]
"""Values of each score, one a picture."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Run:
    """One training and what it scores on the pictures that it has not seen.

    Attributes:
        recipe: name of its recipe.
        fold: part that was left out.
        seed: of everything drawn.
        parameters: values that were trained.
        seconds: CPU seconds of training, compiling included.
        ids: pictures that were scored.
        scores: of each way of solving.
        controls: mean scores by what was taken from the field.
        straightness: of its trajectories.
        large: seconds of restoring a large picture.
    """

    recipe: str
    fold: int
    seed: int
    parameters: int
    seconds: float
    ids: tuple[str, ...]
    scores: Mapping[Way, Scores]
    controls: Mapping[str, Mapping[str, float]]
    straightness: float
    large: tuple[float, ...]

    def mean(self, way: Way) -> dict[str, float]:
        """Mean scores of one way of solving."""
        return {name: float(np.mean(values)) for name, values in self.scores[way].items()}

    def as_record(self) -> dict[str, Any]:
        """As JSON values."""
        scores = [{"way": list(way), **values} for way, values in self.scores.items()]
        fields = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return {**fields, "scores": scores}

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> "Run":
        """What `as_record` gave, after JSON."""
        scores = {Way(*entry.pop("way")): entry for entry in map(dict, record["scores"])}
        fixed = {name: tuple(record[name]) for name in ("ids", "large")}
        return cls(**{**record, **fixed, "scores": scores})


@dataclasses.dataclass(frozen=True)
class Results:
    """All runs so far.

    Attributes:
        config: of the study.
        variant: its name.
        hazy: scores of the untouched pictures by id, for each fold.
        scenes: that of each picture by its id.
        runs: grows while the study runs.
    """

    config: StudyConfig
    variant: str
    hazy: list[dict[str, dict[str, float]]]
    scenes: dict[str, str]
    runs: list[Run]

    @property
    def recipes(self) -> list[str]:
        """Those that have a run, in order."""
        done = {run.recipe for run in self.runs}
        return [name for name in self.config.recipes if name in done]

    def runs_of(self, recipe: str) -> list[Run]:
        """All runs of a recipe."""
        return [run for run in self.runs if run.recipe == recipe]

    def ids(self, recipe: str) -> list[str]:
        """Pictures that a recipe has been scored on."""
        return [name for run in self.runs_of(recipe) for name in run.ids]

    def pooled(self, recipe: str, way: Way) -> dict[str, dict[str, float]]:
        """Scores of every picture by its id, by the run that has not seen it."""
        return {
            name: {score: values[place] for score, values in run.scores[way].items()}
            for run in self.runs_of(recipe)
            for place, name in enumerate(run.ids)
        }

    def mean(self, recipe: str, way: Way, ids: set[str] | None = None) -> dict[str, float]:
        """Mean scores over all pictures, or over some."""
        pictures = [v for name, v in self.pooled(recipe, way).items() if ids is None or name in ids]
        return {score: float(np.mean([p[score] for p in pictures])) for score in pictures[0]}

    def difference(self, recipe: str, base: str) -> dict[str, Difference]:
        """Compares two recipes, each in its own way, over what both were scored on."""
        ours, theirs = (self.pooled(name, RECIPES[name].own) for name in (recipe, base))
        both = [name for name in ours if name in theirs]
        ours, theirs = (
            {score: [of[name][score] for name in both] for score in of[both[0]]}
            for of in (ours, theirs)
        )
        return compare(
            ours,
            theirs,
            [self.scenes[name] for name in both],
            resamples=self.config.resamples,
        )

    def straightness(self, recipe: str) -> float:
        """Mean over all pictures."""
        return self._weighed(recipe, [run.straightness for run in self.runs_of(recipe)])

    def control(self, recipe: str, control: str) -> dict[str, float]:
        """Mean scores over all pictures where something is taken from the field."""
        found = [run.controls[control] for run in self.runs_of(recipe)]
        return {name: self._weighed(recipe, [each[name] for each in found]) for name in found[0]}

    def _weighed(self, recipe: str, means: list[float]) -> float:
        counts = [len(run.ids) for run in self.runs_of(recipe)]
        return float(np.average(means, weights=counts))

    def untouched(self) -> dict[str, dict[str, float]]:
        """Scores of all untouched pictures by id."""
        return {name: values for fold in self.hazy for name, values in fold.items()}

    def dense(self) -> set[str]:
        """The half of the pictures whose haze costs most PSNR."""
        psnr = {name: values["psnr"] for name, values in self.untouched().items()}
        middle = np.median(list(psnr.values()))
        return {name for name, value in psnr.items() if value < middle}
