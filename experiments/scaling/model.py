"""The time of a step on many accelerators, from what one computes and what they send.

    step(n) = max(computing, loading) + what is not hidden of summing + halos

All figures are bytes, seconds and numbers of devices; nothing here is measured.
"""

import dataclasses
import math

from scaling.config import Accelerator, StudyConfig

REDUCED = "summing gradients"
LOADED = "loading data"
BATCHED = "the size of the batch"
COMPUTED = "computing"


def ring_seconds(size: float, devices: int, bandwidth: float, hop: float) -> float:
    """Of an all-reduce in a ring: 2 (n - 1) steps, each of a part of n.

    Args:
        size: bytes that are added up.
        devices: in the ring.
        bandwidth: bytes a second between neighbours.
        hop: seconds that a step takes with nothing to send.
    """
    steps = 2 * (devices - 1)
    return steps * (size / devices / bandwidth + hop)


def reduce_seconds(size: float, devices: int, accelerator: Accelerator, hop: float) -> float:
    """Of an all-reduce over groups: within each, then one part of each group over the network.

    Groups are as full as the devices allow; one that is not full counts as full.
    """
    inside = min(devices, accelerator.group)
    groups = math.ceil(devices / accelerator.group)
    within = ring_seconds(size, inside, accelerator.link, hop)
    return within + ring_seconds(size / inside, groups, accelerator.network, hop)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Task:
    """What is scaled.

    Attributes:
        operations: of one example.
        summed: bytes of gradients.
        messages: collectives of a step.
        halo: bytes that one device sends for one example, by how many devices share a picture.
    """

    operations: float
    summed: float
    messages: int
    halo: dict[int, float]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Point:
    """A step on some number of accelerators.

    Attributes:
        devices: the number.
        batch: examples of all of them.
        space: devices that share a picture.
        computing: seconds.
        loading: seconds, beside the computing.
        summing: seconds that are not hidden.
        halo: seconds.
        limit: loading if it takes longest; else sums and halos if they are worth a word; else the
            batch if it is larger than the critical one; else computing.
        useful: share of the examples that are worth as much as in a small batch.
    """

    devices: int
    batch: int
    space: int
    computing: float
    loading: float
    summing: float
    halo: float
    limit: str
    useful: float

    @property
    def step(self) -> float:
        """Seconds of a step."""
        return max(self.computing, self.loading) + self.summing + self.halo

    @property
    def rate(self) -> float:
        """Examples a second that are worth as much as in a small batch."""
        return self.useful * self.batch / self.step


def predict(
    task: Task, accelerator: Accelerator, config: StudyConfig, *, devices: int, batch: int
) -> Point | None:
    """A step on `devices` accelerators.

    Devices divide the batch as far as it goes, then the rows of its pictures; None where that was
    not counted.

    Reference:
        McCandlish, Kaplan, Amodei, "An empirical model of large-batch training" (2018), equation
        2.7: of a batch B every example is worth 1 / (1 + B / critical).
    """
    data = math.gcd(devices, batch)
    space = devices // data
    if space > 1 and space not in task.halo:
        return None
    each = batch / devices  # examples, or parts of one
    computing = each * example_seconds(task, accelerator, config)
    cores = accelerator.cores * config.reader_share
    loading = each * config.crop_seconds / cores
    reducing = reduce_seconds(task.summed, devices, accelerator, config.hop)
    summing = max(0.0, reducing - config.overlap * computing)
    halo = 0.0
    if space > 1:
        bandwidth = accelerator.link if space <= accelerator.group else accelerator.network
        halo = batch / data * task.halo[space] / bandwidth + task.messages * config.hop
    useful = 1 / (1 + batch / config.critical_batch)
    point = Point(
        devices=devices,
        batch=batch,
        space=space,
        computing=computing,
        loading=loading,
        summing=summing,
        halo=halo,
        limit=COMPUTED,
        useful=useful,
    )
    crossing = summing + halo
    if loading > max(computing, crossing):
        limit = LOADED
    elif crossing > config.worth * point.step:
        limit = REDUCED
    elif batch >= config.critical_batch:
        limit = BATCHED
    else:
        limit = COMPUTED
    return dataclasses.replace(point, limit=limit)


def weak(task: Task, accelerator: Accelerator, config: StudyConfig) -> list[Point]:
    """Every device has a batch of its own of the same size."""
    points = (
        predict(task, accelerator, config, devices=devices, batch=devices * config.batch_per_device)
        for devices in config.modelled
    )
    return [point for point in points if point is not None]


def strong(task: Task, accelerator: Accelerator, config: StudyConfig) -> list[Point]:
    """All devices share one batch; first its examples, then their rows."""
    points = (
        predict(task, accelerator, config, devices=devices, batch=config.global_batch)
        for devices in config.modelled
    )
    return [point for point in points if point is not None]


def cores_needed(task: Task, accelerator: Accelerator, config: StudyConfig) -> float:
    """Processor cores for each accelerator with which loading is as fast as computing."""
    seconds = example_seconds(task, accelerator, config)
    return config.crop_seconds / seconds / config.reader_share


def example_seconds(task: Task, accelerator: Accelerator, config: StudyConfig) -> float:
    """Of computing one example: as given, else by its operations."""
    if config.seconds is not None:
        return config.seconds
    return task.operations / (accelerator.flops * accelerator.sustained)
