"""A run directory: the config, the record of its starts, the metrics, the checkpoints."""

import contextlib
import json
import os
import pathlib
import shutil
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from dehaze_jax.errors import InputError
from dehaze_jax.storage.files import as_input_error, read_json, write_atomically, write_json
from dehaze_jax.storage.locking import locked


class RunDirectory:
    """The files of one training run. The folder is created where it is missing.

    Attributes:
        path: the folder.
        config: `config.json`, the run's whole configuration.
        record: `run.json`, what the run was started on; later starts are listed under `resumes`.
        metrics: `metrics.jsonl`, one JSON object a line, each with its `step`.
        events: folder of TensorBoard events.
        checkpoints: folder of checkpoints.
        weights: folder of the final weights.
        best: folder of the weights that scored best on validation.
        profile: folder of the profiler's recordings.

    Raises:
        InputError: the folder cannot be made, or a file has its name.
    """

    def __init__(self, path: str | os.PathLike[str]):
        self.path = pathlib.Path(path)
        with as_input_error(self.path, "cannot be used as a run directory"):
            self.path.mkdir(parents=True, exist_ok=True)
        self.config = self.path / "config.json"
        self.record = self.path / "run.json"
        self.metrics = self.path / "metrics.jsonl"
        self.events = self.path / "events"
        self.checkpoints = self.path / "checkpoints"
        self.weights = self.path / "weights"
        self.best = self.path / "best"
        self.profile = self.path / "profile"

    def claim(self) -> contextlib.AbstractContextManager[None]:
        """Keeps other runs out while this one is at work.

        Raises:
            InputError: another process is at work in the directory.
        """
        busy = InputError(self.path, "another process is training in it")
        return locked(self.path / ".lock", busy)

    def tidy(self) -> None:
        """Removes what processes that were killed left half-written."""
        for whole in (self.config, self.record, self.metrics, self.best, self.weights):
            for left in self.path.glob(f".{whole.name}.*"):
                if left.is_dir():
                    shutil.rmtree(left, ignore_errors=True)
                else:
                    left.unlink(missing_ok=True)

    def drop_best(self, step: int) -> None:
        """Removes `best` where it is of a later step, or cannot be read: of another start."""
        card = _card(self.best)
        if self.best.exists() and (card is None or card.get("step", step + 1) > step):
            shutil.rmtree(self.best, ignore_errors=True)

    def is_best(self, name: str, scores: Mapping[str, float], scored_on: Sequence[str]) -> bool:
        """Whether no weights in `best` have as high a score, of the same pictures.

        Args:
            name: of the score.
            scores: of new weights.
            scored_on: ids of the pictures.
        """
        card = _card(self.best)
        if card is None or card.get("scored_on") != list(scored_on):
            return True
        return scores[name] > card["scores"][name]

    def has_weights(self, step: int) -> bool:
        """Whether `weights` are those of a step."""
        card = _card(self.weights)
        return card is not None and card.get("step") == step

    def differences(
        self,
        config: Mapping[str, Any],
        *,
        may_change: Collection[str] = (),
        complete: Callable[[Mapping[str, Any]], Mapping[str, Any]] = dict,
    ) -> list[str]:
        """How a config differs from the one that the run began with, a field an entry.

        Args:
            config: nested dictionaries.
            may_change: dotted names of fields that may differ; a name covers what is below it.
            complete: gives the config that the run began with the fields that it lacks.

        Raises:
            InputError: `config.json` cannot be read.
        """
        before, now = _dotted(complete(read_json(self.config))), _dotted(config)
        return [
            f"{name} was {before.get(name, 'absent')!r}, is {now.get(name, 'absent')!r}"
            for name in dict.fromkeys([*now, *before])
            if before.get(name, _ABSENT) != now.get(name, _ABSENT)
            and not any(name == free or name.startswith(f"{free}.") for free in may_change)
        ]

    def write_config(self, config: Mapping[str, Any]) -> None:
        """Writes `config.json`."""
        write_json(self.config, config)

    def write_record(self, record: Mapping[str, Any], *, resumed: bool) -> None:
        """Writes `run.json`, or adds the record of a later start to it."""
        if resumed and self.record.exists():
            first = read_json(self.record)
            record = {**first, "resumes": [*first.get("resumes", []), dict(record)]}
        write_json(self.record, record)

    def append_metrics(self, line: Mapping[str, Any]) -> None:
        """Adds one line to `metrics.jsonl`; numbers that JSON lacks become strings."""
        text = json.dumps(
            {name: value if _is_json(value) else str(value) for name, value in line.items()}
        )
        with as_input_error(self.metrics, "cannot be written"), self.metrics.open("a") as file:
            file.write(text + "\n")

    def truncate_metrics(self, step: int) -> None:
        """Drops the lines past `step`, and a line that was cut off while being written."""
        if self.metrics.exists():
            kept = [line for line in self.read_metrics() if line["step"] <= step]
            text = "".join(json.dumps(line) + "\n" for line in kept)
            write_atomically(self.metrics, text.encode())

    def read_metrics(self) -> list[dict[str, Any]]:
        """The whole lines of `metrics.jsonl`."""
        with as_input_error(self.metrics, "cannot be read"):
            lines = self.metrics.read_text().split("\n")
        *whole, _ = lines  # what follows the last newline is empty or cut off
        try:
            return [json.loads(line) for line in whole]
        except ValueError as error:
            raise InputError(self.metrics, f"is not one JSON object a line: {error}") from error


_ABSENT = object()


def _card(weights: pathlib.Path) -> dict[str, Any] | None:
    try:
        return read_json(weights / "card.json")
    except InputError:
        return None


def _dotted(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat = {}
    for name, value in json.loads(json.dumps(tree)).items():
        if isinstance(value, dict):
            flat.update(_dotted(value, f"{prefix}{name}."))
        else:
            flat[f"{prefix}{name}"] = value
    return flat


def _is_json(value: Any) -> bool:
    return not isinstance(value, float) or abs(value) < float("inf")
