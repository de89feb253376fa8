"""One training of the study, scored at points of its way."""

import time
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from bilateral_study.config import PROTOCOL, Case

from dehaze_jax import data, image, methods, metrics, restoring, storage, training
from dehaze_jax.errors import InputError


def measure(case: Case) -> dict[str, Any]:
    """Trains and scores; the result as JSON values."""
    train = case.train
    pictures = validation_pictures(train.data, train.validation_pictures)
    method = methods.build(train.method, train.optimiser, total_steps=train.steps)
    batches = (
        {name: batch[name] for name in ("hazy", "clear")}
        for batch in data.train_batches(train.data, seed=train.seed)
    )
    # Training draws from the same streams: its figures are the same.
    root = jax.random.key(train.seed)
    first, steps = jax.random.fold_in(root, 0), jax.random.fold_in(root, 1)
    batch = next(batches)
    # Compiled as one: the first step must not count the compiler's seconds.
    state = jax.jit(lambda key: method.start(method.init(key, batch)))(first)
    step = jax.jit(method.train_step, donate_argnums=0).lower(state, batch, steps).compile()
    seconds, points = 0.0, []
    for number in range(1, train.steps + 1):
        begin = time.process_time()
        state, scalars = step(state, batch, jax.random.fold_in(steps, number - 1))
        loss = float(scalars["loss"])  # waits for the step
        batch = next(batches)
        seconds += time.process_time() - begin
        if not np.isfinite(loss):
            raise InputError(case.name, f"loss is {loss} at step {number}")
        if number in case.points:
            scored = _scores(method, state.ema, pictures)
            points.append({"step": number, "seconds": seconds, "loss": loss, **scored})
    return {
        "part": case.part,
        "name": case.name,
        "seed": train.seed,
        "parameters": sum(leaf.size for leaf in jax.tree.leaves(state.variables["params"])),
        "steps": train.steps,
        "images": train.steps * train.data.batch_size,
        "pictures": len(pictures),
        "hazy": _mean([_compare(hazy, clear) for hazy, clear in pictures]),
        "points": points,
        "machine": training.machine(),
        "config": storage.config_to_dict(train),
        "data": data.fingerprint(train.data),
    }


def validation_pictures(config: data.DataConfig, count: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Hazy and clear pictures that training itself would score, see `TrainConfig`."""
    splits = [data.open_prepared(path, config.validation_split) for path in config.validation]
    every = [(split, index) for split in splits for index in range(len(split))]
    chosen = np.linspace(0, len(every) - 1, min(count, len(every))).round().astype(int)
    examples = [every[place][0][every[place][1]] for place in chosen]
    return [(image.to_float(e.hazy), image.to_float(e.clear)) for e in examples]


def _scores(method: methods.Method, variables: Any, pictures: Sequence[Any]) -> dict[str, float]:
    restorer = restoring.Restorer(method, variables)
    return _mean([_compare(restorer(hazy), clear) for hazy, clear in pictures])


def _compare(restored: np.ndarray, clear: np.ndarray) -> dict[str, float]:
    scores = metrics.score(PROTOCOL, jnp.asarray(restored), jnp.asarray(clear))
    return {name: float(value) for name, value in scores.items()}


def _mean(scores: Sequence[dict[str, float]]) -> dict[str, float]:
    return {name: float(np.mean([each[name] for each in scores])) for name in scores[0]}
