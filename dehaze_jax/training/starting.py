"""What a run begins from: checked before anything is computed."""

from collections.abc import Mapping
from typing import Any

from dehaze_jax.arrays import Tree
from dehaze_jax.errors import InputError
from dehaze_jax.methods.protocol import Method
from dehaze_jax.storage.configs import config_from_dict, config_to_dict
from dehaze_jax.storage.runs import RunDirectory
from dehaze_jax.storage.trees import match
from dehaze_jax.storage.weights import find_weights
from dehaze_jax.training.config import MAY_CHANGE, TrainConfig


def check_data(method: Method, config: TrainConfig) -> None:
    """Refuses data that a method cannot learn from.

    Raises:
        InputError: names the field.
    """
    given, haze = config.data, config.haze
    if method.unpaired:
        for field, kind in (("train", "hazy"), ("clear", "clear")):
            if not getattr(given, field):
                reason = f"learns from unpaired pictures; say where the {kind} ones come from"
                raise InputError(f"DataConfig.{field}", f"is empty: {method.name} {reason}")
        if haze is not None:
            reason = f"must be None: {method.name} learns haze from the hazy pictures"
            raise InputError("TrainConfig.haze", reason)
    elif given.clear and given.train:
        reason = f"{method.name} learns from pairs, which train names"
        raise InputError("DataConfig.clear", f"must be empty: {reason}")
    elif given.clear and (haze is None or haze.share < 1):
        reason = f"{method.name} learns from pairs; clear ones alone serve with haze of share 1"
        raise InputError("DataConfig.train", f"is empty: {reason}")


def initial_weights(source: str, config: TrainConfig, shapes: Tree) -> Tree:
    """Variables of `--init-from`.

    Args:
        source: a released name, a weights folder or a run directory.
        config: of the run.
        shapes: of the run's variables.

    Raises:
        InputError: there are none, or they are of another model; names `source`.
    """
    weights = find_weights(source)
    name = weights.config.get("name")
    if name != config.method.name:
        raise InputError(source, f"holds weights of {name}, the run trains {config.method.name}")
    own = config_to_dict(config.method)
    differ = [
        f"{field} {value} (the run has {own.get(field)})"
        for field, value in weights.config.items()
        if field != "objective" and value != own.get(field)
    ]
    if differ:
        raise InputError(source, f"was trained with {', '.join(differ)}")
    match(weights.variables, shapes, source=source)
    return weights.variables


def without_paths(config: Mapping[str, Any]) -> dict[str, Any]:
    """What has to be the same in all processes: each may have its folders elsewhere.

    Args:
        config: of the run, as nested dictionaries.
    """
    counts = {name: len(config["data"][name]) for name in ("train", "clear", "validation")}
    return {
        **config,
        "workdir": None,
        "init_from": config["init_from"] is not None,
        "data": {**config["data"], **counts},
    }


def check_config(run: RunDirectory, config: Mapping[str, Any], *, force: bool) -> list[str]:
    """Refuses a config under which the run would not go on as it began.

    Args:
        run: has a checkpoint.
        config: nested dictionaries.
        force: refuse nothing.

    Returns:
        How it differs.

    Raises:
        InputError: names the fields that differ.
    """
    changes = run.differences(config, may_change=MAY_CHANGE, complete=complete_config)
    if changes and not force:
        reason = f"the run in it began with another config: {', '.join(changes)}"
        raise InputError(run.path, f"{reason}; {_FORCE}")
    return changes


def complete_config(saved: Mapping[str, Any]) -> Mapping[str, Any]:
    """Adds the fields that an earlier version did not know, at their defaults.

    Args:
        saved: config of a run, as it was saved. One with fields that there are no more stays as it
            is, so that they can be named.
    """
    try:
        return config_to_dict(config_from_dict(TrainConfig, saved, source="config.json"))
    except InputError:
        return saved


def check_position(
    run: RunDirectory,
    position: Mapping[str, Any],
    fingerprint: str,
    config: TrainConfig,
    *,
    force: bool,
) -> list[str]:
    """Refuses to go on where the run would not be what it began as.

    Args:
        run: for messages.
        position: of the checkpoint.
        fingerprint: of the data as it is now.
        config: of the run.
        force: take other data.

    Returns:
        What is not as it was.

    Raises:
        InputError: other data, or fewer steps than are done.
    """
    if position["next_batch"] > config.steps:
        raise InputError(
            run.path, f"is at step {position['next_batch']}, past the {config.steps} asked for"
        )
    if position["data"] == fingerprint:
        return []
    reason = "the data is not what the run began with"
    if not force:
        raise InputError(run.path, f"{reason}; {_FORCE}")
    return [reason]


_FORCE = "--force goes on all the same"
