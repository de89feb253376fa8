"""The fields of the study: analytic ones, two trained here, and the weights that ship if wanted."""

import dataclasses
import pathlib
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import rich.console
from solver_study.analytic import analytic_fields
from solver_study.config import StudyConfig
from solver_study.solving import Problem
from studies.landscapes import Pairs, load_pairs, prepare

import dehaze_jax
from dehaze_jax import data, image, methods, restoring, training


@dataclasses.dataclass(frozen=True, kw_only=True)
class Field:
    """What is solved, and what the end is compared with.

    Attributes:
        name: short name, for files and columns.
        title: for headings.
        kind: `analytic`, `rendered` (landscapes) or `real` (pairs that the user gave).
        problem: the ODE, on the host.
        exact: the exact end, of an analytic field.
        pairs: hazy and clear pictures, of a trained field.
        picture: from a state to the pictures in it.
    """

    name: str
    title: str
    kind: str
    problem: Problem
    exact: np.ndarray | None = None
    pairs: Pairs | None = None
    picture: Callable[[Any], Any] = lambda state: state


def make_analytic(config: StudyConfig) -> list[Field]:
    """Fields with known solution, in double precision."""
    return [
        Field(
            name=field.name,
            title=field.title,
            kind="analytic",
            problem=Problem(field.velocity, field.x0, field.params),
            exact=field.end,
        )
        for field in analytic_fields(*config.analytic_size, config.seed)
    ]


def make_trained(
    config: StudyConfig, output: pathlib.Path, console: rich.console.Console
) -> list[Field]:
    """A field for each path, trained or gone on with in `output`; the weights that ship."""
    prepared = prepare(config.landscapes, output, console)
    pairs = load_pairs(prepared, "test", config.pictures)
    fields = []
    for path in config.paths:
        workdir = str(output / "runs" / path)
        training.train(config.train_config(path, prepared, workdir), console=console)
        title = f"{path} path, trained here"
        fields.append(_field(path, title, "rendered", dehaze_jax.load(workdir), pairs))
    if config.shipped:
        title = "weights that ship"
        fields.append(_field("shipped", title, "rendered", dehaze_jax.load(), pairs))
    return fields


def make_real(config: StudyConfig, hazy: pathlib.Path, clear: pathlib.Path) -> Field:
    """The weights that ship on pairs that the user gave, cut and shrunk to the study's size."""
    folders = data.pair_folders(hazy, clear)
    chosen = np.linspace(0, len(folders) - 1, min(config.pictures, len(folders))).round()
    examples = [folders[index] for index in chosen.astype(int).tolist()]
    size = config.landscapes.height, config.landscapes.width
    pairs = Pairs(
        ids=tuple(example.id for example in examples),
        hazy=np.stack([_fit(example.hazy, *size) for example in examples]),
        clear=np.stack([_fit(example.clear, *size) for example in examples]),
        fingerprint=folders.fingerprint,
    )
    return _field("real", "weights that ship, real pairs", "real", dehaze_jax.load(), pairs)


def _field(name: str, title: str, kind: str, restorer: restoring.Restorer, pairs: Pairs) -> Field:
    # How it was trained is no part of a field: without it, fields of one shape share programs.
    config = dataclasses.replace(restorer.config, objective=methods.ObjectiveConfig())
    problem = methods.flow_problem(config, restorer.variables, jnp.asarray(pairs.hazy))
    return Field(
        name=name,
        title=title,
        kind=kind,
        problem=Problem(*problem),
        pairs=pairs,
        picture=lambda state: state.image,
    )


def _fit(pixels: np.ndarray, height: int, width: int) -> np.ndarray:
    """The largest central part of the right proportions, resized with antialiasing."""
    rows, columns = pixels.shape[:2]
    scale = min(rows / height, columns / width)
    tall, wide = round(height * scale), round(width * scale)
    top, left = (rows - tall) // 2, (columns - wide) // 2
    part = image.to_float(pixels[top : top + tall, left : left + wide])
    resized = jax.image.resize(part, (height, width, 3), "linear", antialias=True)
    return np.clip(np.asarray(resized), 0, 1)
