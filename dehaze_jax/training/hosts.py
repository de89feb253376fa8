"""Several processes as one run: JAX's own runtime joins them and tells when one is gone."""

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils

from dehaze_jax.errors import InputError
from dehaze_jax.storage.runs import RunDirectory
from dehaze_jax.training.config import HostsConfig

_AUTO = "auto"


def connect(config: HostsConfig) -> None:
    """Joins the processes of a run; returns when all are there.

    Must be called before JAX is used for anything else. Where `jax.distributed.initialize` was
    called already, nothing is done. If the others do not come within `config.patience` seconds, or
    one of them is silent for as long later on, JAX ends this process with SIGABRT and says why.

    Args:
        config: who belongs together; without `coordinator` this process stays alone.

    Raises:
        InputError: no launcher that JAX knows started this process, or JAX was in use before.
    """
    if config.coordinator is None or jax.distributed.is_initialized():
        return
    auto = config.coordinator == _AUTO
    try:
        jax.distributed.initialize(
            None if auto else config.coordinator,
            config.processes,
            config.process,
            cluster_detection_method=None if auto else "deactivate",
            initialization_timeout=config.patience,
            heartbeat_timeout_seconds=config.patience,
            shutdown_timeout_seconds=config.patience,
        )
    except ValueError as error:
        reason = "no launcher that JAX knows started this process (SLURM, Open MPI, GKE, TPU)"
        raise InputError("HostsConfig.coordinator", f"{config.coordinator}: {reason}") from error
    except RuntimeError as error:
        raise InputError("HostsConfig.coordinator", _first_line(error)) from error


def check_parts(config: HostsConfig, batch_size: int) -> None:
    """Refuses batches of which processes cannot have equal parts, as far as `config` counts them.

    Raises:
        InputError: names the field.
    """
    if config.processes is not None and batch_size % config.processes:
        reason = f"{batch_size} is not divisible by the {config.processes} processes"
        raise InputError("TrainConfig.data.batch_size", reason)


@contextlib.contextmanager
def all_or_none(run: str | os.PathLike[str]) -> Iterator[None]:
    """Ends all processes of a run where one of them is refused something; they wait for each other.

    Raises:
        InputError: what was raised inside, or that another process is refused; names `run`.
    """
    refused = None
    try:
        yield
    except InputError as error:
        refused = error
    if jax.process_count() > 1:
        try:
            every = multihost_utils.process_allgather(np.asarray(refused is not None))
        except jax.errors.JaxRuntimeError:
            if refused is not None:  # the own reason goes before that another one is gone
                raise refused from None
            raise
        if refused is None and every.any():
            number = int(every.argmax())
            refused = InputError(run, f"process {number} cannot train, as it says itself")
    if refused is not None:
        raise refused


def check_same(run: str | os.PathLike[str], **values: Any) -> None:
    """Refuses processes of one run that differ in something; all of them see it.

    Args:
        run: for the message.
        **values: JSON by names.

    Raises:
        InputError: names what differs.
    """
    if jax.process_count() == 1:
        return
    for name, value in values.items():
        text = json.dumps(value, sort_keys=True)
        digest = np.frombuffer(hashlib.sha256(text.encode()).digest(), np.uint8)
        every = multihost_utils.process_allgather(digest)
        if (every != every[0]).any():
            raise InputError(run, f"its processes do not have the same {name}")


@contextlib.contextmanager
def claimed(run: RunDirectory) -> Iterator[None]:
    """`run.claim` by the first process, for all; if it fails, all of them end.

    Raises:
        InputError: another run is at work in the directory.
    """
    with contextlib.ExitStack() as held:
        with all_or_none(run.path):
            if jax.process_index() == 0:
                held.enter_context(run.claim())
        yield


@contextlib.contextmanager
def together(run: str | os.PathLike[str]) -> Iterator[None]:
    """Says so in one line where devices fail because another process of the run is gone.

    Raises:
        InputError: names `run`.
    """
    try:
        yield
    except jax.errors.JaxRuntimeError as error:
        if jax.process_count() == 1 or "RESOURCE_EXHAUSTED" in str(error):
            raise
        reason = f"process {jax.process_index()} lost another one of {jax.process_count()}"
        raise InputError(
            run,
            f"{reason} ({_first_line(error)}); start all of them again to go on from the newest "
            "checkpoint",
        ) from error


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0][:200]
