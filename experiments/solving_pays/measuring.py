"""What a trained field does: scores of every picture, and what the field depends on."""

import dataclasses
import functools
import time
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from solving_pays.config import Way

from dehaze_jax import data, flow, image, methods, metrics, restoring

PROTOCOL = "rgb-full"
SCORES = ("psnr", "ssim", "ciede2000")
_TOGETHER = 8  # pictures that are restored at once


@dataclasses.dataclass(frozen=True)
class Held:
    """Pictures that a field has not seen, grouped by size.

    Attributes:
        ids: of all, in the order of the groups.
        groups: hazy and clear pictures, `[b, h, w, 3]` float32 in [0, 1], at most eight together.
    """

    ids: tuple[str, ...]
    groups: tuple[tuple[np.ndarray, np.ndarray], ...]


def load_held(prepared: str) -> Held:
    """The validation pictures of a prepared directory."""
    examples = list(data.open_prepared(prepared, "validation"))
    examples.sort(key=lambda example: (example.hazy.shape, example.id))
    ids, groups = [], []
    for shape in sorted({example.hazy.shape for example in examples}):
        alike = [example for example in examples if example.hazy.shape == shape]
        ids += [example.id for example in alike]
        for start in range(0, len(alike), _TOGETHER):
            some = alike[start : start + _TOGETHER]
            hazy, clear = (
                np.stack([image.to_float(getattr(example, side)) for example in some])
                for side in ("hazy", "clear")
            )
            groups.append((hazy, clear))
    return Held(tuple(ids), tuple(groups))


Restore = Callable[[np.ndarray], jax.Array]
"""From hazy pictures `[b, h, w, 3]` to restored ones."""


def restore_with(restorer: restoring.Restorer, variables: Any, way: Way) -> Restore:
    """A restorer's method with other variables, solved in a given way."""
    options = methods.RestoreOptions(solver=way.solver, num_steps=way.steps)
    return functools.partial(_restore, _field(restorer), options, variables)


def _field(restorer: restoring.Restorer) -> methods.DehazeFlowConfig:
    """How it was trained is no part of a field: without it, fields of one shape share programs."""
    return dataclasses.replace(restorer.config, objective=methods.ObjectiveConfig())


@functools.partial(jax.jit, static_argnums=(0, 1))
def _restore(config, options, variables, hazy):
    return restoring.restore_whole(methods.build(config), variables, hazy, options)


def score_each(restore: Restore, held: Held) -> dict[str, list[float]]:
    """Scores of every picture, and its sharpness.

    Returns:
        Values in the order of `held.ids`. `sharpness` is the mean size of the differences between
        neighbouring pixels' luma, as a share of that of the clear picture; 1 is as sharp.
    """
    found: dict[str, list[float]] = {name: [] for name in (*SCORES, "sharpness")}
    for hazy, clear in held.groups:
        restored = restore(hazy)
        values = _scores(restored, clear)
        for name, value in values.items():
            found[name] += np.asarray(value, np.float64).tolist()
    return found


@jax.jit
def _scores(restored, clear):
    values = metrics.score(PROTOCOL, restored, clear)
    kept = {name: values[name] for name in SCORES}
    return {**kept, "sharpness": detail(restored) / detail(clear)}


def detail(pictures: jax.Array) -> jax.Array:
    """Mean absolute difference of neighbouring pixels' luma, across and down; `[b]`."""
    grey = image.luma(pictures)
    across, down = (jnp.mean(jnp.abs(jnp.diff(grey, axis=axis)), axis=(1, 2)) for axis in (1, 2))
    return (across + down) / 2


def hazy_scores(held: Held) -> dict[str, list[float]]:
    """Scores of the untouched pictures."""
    return score_each(jnp.asarray, held)


def controls(restorer: restoring.Restorer, way: Way, held: Held) -> dict[str, dict[str, float]]:
    """Mean scores where something is taken from the field that it may depend on.

    Returns:
        `as it is`; `time reversed`: the field is told 1 - t; `time constant`: it is told 1/2; and
        `LUT reset` to the identity, if there is one.
    """
    variables = restorer.variables
    clocks = {"as it is": (0.0, 1.0), "time reversed": (1.0, 0.0), "time constant": (0.5, 0.5)}
    ways: dict[str, Restore] = {
        name: functools.partial(_restore_told, _field(restorer), way, variables, clock)
        for name, clock in clocks.items()
    }
    if "lut" in variables:
        reset = {**variables, "lut": jnp.zeros_like(variables["lut"])}
        ways["LUT reset"] = restore_with(restorer, reset, way)
    found = {}
    for name, restore in ways.items():
        values = score_each(restore, held)
        found[name] = {score: float(np.mean(values[score])) for score in SCORES}
    return found


@functools.partial(jax.jit, static_argnums=(0, 1))
def _restore_told(config, way, variables, clock, hazy):
    """The field is told times from `clock[0]` to `clock[1]`, whatever the time is."""
    velocity, x0, params = methods.flow_problem(config, variables, hazy)
    first, last = clock
    end, _ = flow.integrate(
        lambda t, x, params: velocity(first + (last - first) * t, x, params),
        x0,
        params,
        solver=way.solver,
        num_steps=way.steps,
    )
    return jnp.clip(end.image, 0, 1)


def straightness(restorer: restoring.Restorer, held: Held, steps: int) -> float:
    """Mean share that the way from hazy to restored is of its trajectory; 1 is straight.

    Args:
        restorer: of the field.
        held: pictures.
        steps: Euler steps along which trajectories are followed.
    """
    shares = [
        np.asarray(_straightness(_field(restorer), steps, restorer.variables, hazy))
        for hazy, _ in held.groups
    ]
    return float(np.mean(np.concatenate(shares)))


@functools.partial(jax.jit, static_argnums=(0, 1))
def _straightness(config, steps, variables, hazy):
    velocity, x0, params = methods.flow_problem(config, variables, hazy)

    def record(t, x, _):
        slope = velocity(t, x, params)
        return slope, _length(slope.image)

    end, lengths = flow.scan_stages(record, x0, solver="euler", num_steps=steps)
    return _length(end.image - hazy) / (jnp.sum(lengths, axis=(0, 1)) / steps)


def _length(pictures: jax.Array) -> jax.Array:
    """Euclidean, of each picture."""
    return jnp.sqrt(jnp.sum(pictures**2, axis=(1, 2, 3)))


def seconds_at(
    restorer: restoring.Restorer, size: Sequence[int], *, rounds: int = 3
) -> tuple[float, ...]:
    """Seconds of restoring a picture as the recipe is meant to, after one that compiles."""
    hazy = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    restorer(hazy)
    found = []
    for _ in range(rounds):
        begin = time.perf_counter()
        restorer(hazy)
        found.append(time.perf_counter() - begin)
    return tuple(found)
