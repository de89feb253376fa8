"""What the steps of runs send, counted from their compiled text on simulated devices."""

import dataclasses
from collections.abc import Iterator
from typing import Any

import jax
from scaling.config import StudyConfig

from dehaze_jax import programs, training


@dataclasses.dataclass(frozen=True, kw_only=True)
class Count:
    """What one device sends in one step.

    Attributes:
        method: what is trained.
        axis: a name in `config.AXES`.
        devices: how many there are.
        batch: examples of all devices together.
        sent: bytes, by kind of collective.
        messages: collectives that are run.
        summed: bytes of what is added up over all devices, once and whole.
        parameters: bytes of the parameters.
    """

    method: str
    axis: str
    devices: int
    batch: int
    sent: dict[str, float]
    messages: int
    summed: int
    parameters: int

    @property
    def total(self) -> float:
        """Bytes sent in all."""
        return sum(self.sent.values())


@dataclasses.dataclass(frozen=True, kw_only=True)
class Work:
    """What a step computes.

    Attributes:
        method: what is trained.
        operations: additions and multiplications of one example, gradient included.
        parameters: bytes.
    """

    method: str
    operations: float
    parameters: int


def measure(config: StudyConfig, number: int) -> dict[str, Any]:
    """All counts of one of the methods, and its work; takes as many devices as are counted."""
    method = config.methods[number]
    alone = config.train_config(method, "data", 1, config.weak_batch)
    step, shapes = training.plain_step(alone)
    work = programs.count_multiplications(jax.make_jaxpr(step)(*shapes).jaxpr)
    parameters = sum(4 * leaf.size for leaf in jax.tree.leaves(shapes[0].variables))
    counts = [
        _count(config, number, axis, devices, batch, parameters)
        for axis, devices, batch in layouts(config)
    ]
    return {
        "work": {
            "method": method.name,
            "operations": 2 * sum(work.values()) / config.weak_batch,
            "parameters": parameters,
        },
        "counts": [dataclasses.asdict(count) for count in counts],
    }


def layouts(config: StudyConfig) -> Iterator[tuple[Any, int, int]]:
    """Axis, devices and batch of all that is counted; weak and strong scaling may share some."""
    for axis in config.axes:
        for devices in config.devices:
            for batch in sorted({devices * config.weak_batch, config.strong_batch}):
                yield axis, devices, batch


def _count(
    config: StudyConfig, number: int, axis: Any, devices: int, batch: int, parameters: int
) -> Count:
    method = config.methods[number]
    run = config.train_config(method, axis, devices, batch)
    text = training.compile_ahead(run).as_text()
    assert text is not None, "this version of XLA does not show its programs"
    found = training.find_collectives(text)
    sent: dict[str, float] = {}
    for each in found:
        assert each.times is not None, each
        sent[each.kind] = sent.get(each.kind, 0) + each.times * each.sent(devices)
    return Count(
        method=method.name,
        axis=axis,
        devices=devices,
        batch=batch,
        sent=sent,
        messages=sum(each.times or 0 for each in found),
        summed=sum((each.times or 0) * each.bytes for each in found if each.kind == "all-reduce"),
        parameters=parameters,
    )
