"""The page of the study. Every sentence is made from figures by a rule that it states."""

from collections.abc import Sequence

from scaling.config import AXES, Accelerator, StudyConfig
from scaling.counting import Count, Work
from scaling.model import (
    BATCHED,
    LOADED,
    REDUCED,
    Point,
    Task,
    cores_needed,
    strong,
    weak,
)
from studies.records import markdown_table

KINDS = ("all-reduce", "all-gather", "collective-permute", "all-to-all", "reduce-scatter")

REMEDIES = {
    LOADED: "give it more cores (`data.workers`) and frames stored as tiles, which these figures "
    "assume, or render haze on the device from clear pictures alone (`haze`), which halves what is "
    "read; beyond that fewer accelerators, or slower ones, learn as fast",
    REDUCED: "give each accelerator more examples in a step, since sums of gradients do not grow "
    "with them, as far as the batch allows; then add no more",
    BATCHED: "raise the learning rate with care, or stop adding accelerators and train several "
    "models instead; `mesh.space` uses more of them on the same batch",
}


def as_task(work: Work, counts: Sequence[Count]) -> Task:
    """What the model needs to know of a method.

    What one device sends for one example of the pictures that it shares is what is left after the
    sums of gradients, which are the same over any axis.
    """
    own = [count for count in counts if count.method == work.method]
    widest = max((c for c in own if c.axis == "data"), key=lambda count: count.devices)
    halo = {}
    for count in own:
        if count.axis == "space":
            n = count.devices
            rest = max(0.0, count.total - 2 * (n - 1) / n * widest.summed)
            halo[n] = rest / count.batch
    messages = max((count.messages for count in own if count.axis == "space"), default=0)
    return Task(
        operations=work.operations, summed=float(widest.summed), messages=messages, halo=halo
    )


def as_markdown(
    works: Sequence[Work], counts: Sequence[Count], config: StudyConfig, variant: str
) -> str:
    """The whole page."""
    parts = [
        "# Scaling on simulated devices and on paper",
        f"Variant `{variant}`. Every figure is from `results.json` beside this page, made by:",
        f"```sh\npython experiments/scaling/run.py --variant {variant} --output DIR\n```",
        f"Crops of {config.crop_size} pixels from 4K frames. **Counted**: what the compiled step "
        "sends between simulated devices; those are bytes, not times, and the same on any machine. "
        "**Modelled**: the time of a step on accelerators that nobody measured here. What the "
        "model assumes is listed at the end.",
        "## What was found",
        "\n".join(f"* {line}" for line in findings(works, counts, config)),
        "## Bytes that cross, by the compiled step",
        "MB that one device sends in one step, if those that exchange stand in a ring; sums are "
        "all-reduces. " + "; ".join(f"`{axis}`: {told}" for axis, told in AXES.items()) + ".",
    ]
    for title, scaling in (
        (f"Weak: {config.weak_batch} examples a device", "weak"),
        (f"Strong: {config.strong_batch} examples of all devices together", "strong"),
    ):
        parts += [f"### {title}", _count_table(select(counts, config, scaling))]
    parts += ["![megabytes sent](bytes.png)", "## The model"]
    for work in works:
        task = as_task(work, counts)
        parts.append(
            f"### {work.method}\n\n{work.operations / 1e9:.0f} billion operations an example, "
            f"{work.parameters / 1e6:.1f} MB of parameters, {task.summed / 1e6:.1f} MB summed."
        )
        for name, points in (("weak", weak), ("strong", strong)):
            size = config.batch_per_device if name == "weak" else config.global_batch
            whose = "for each accelerator" if name == "weak" else "of all together"
            parts.append(f"Scaled {name}ly: {size} examples {whose}.")
            parts.append(
                _model_table([(each, points(task, each, config)) for each in config.accelerators])
            )
    parts += ["![examples a second](model.png)", "## What is assumed", _assumptions(config)]
    return "\n\n".join(parts) + "\n"


def select(counts: Sequence[Count], config: StudyConfig, scaling: str) -> list[Count]:
    """The counts of weak or of strong scaling."""
    batches = {
        "weak": lambda count: count.devices * config.weak_batch,
        "strong": lambda count: config.strong_batch,
    }
    return [count for count in counts if count.batch == batches[scaling](count)]


def findings(works: Sequence[Work], counts: Sequence[Count], config: StudyConfig) -> list[str]:
    """Where each limit sets in, and what to do then."""
    lines = []
    met: set[str] = set()
    for work in works:
        own = [count for count in counts if count.method == work.method]
        gathered = sum(count.sent.get("all-gather", 0) for count in own if count.axis == "data")
        told = "nothing is gathered" if not gathered else f"{gathered / 1e6:.1f} MB are gathered"
        task = as_task(work, counts)
        lines.append(f"**{work.method}, counted.** Over `data` {told}; {_growth(own, work, task)}")
        for accelerator in config.accelerators:
            said, limits = _limits(task, accelerator, config)
            lines.append(f"**{work.method} on {accelerator.name}, modelled.** {said}")
            met |= limits
    return [
        *lines,
        *(f"**If {limit} is the limit**, {REMEDIES[limit]}." for limit in REMEDIES if limit in met),
    ]


def _growth(own: Sequence[Count], work: Work, task: Task) -> str:
    by_data = sorted((c for c in own if c.axis == "data"), key=lambda c: (c.devices, c.batch))
    widest = by_data[-1]
    n = widest.devices
    expected = 2 * (n - 1) / n * work.parameters
    text = (
        f"on {n} devices each sends {widest.total / 1e6:.1f} MB a step, "
        f"{widest.total / expected:.2f} times what the gradients alone make."
    )
    if widest.total > 1.5 * expected:
        text += (
            " XLA's programs for CPUs add up the gradient of every evaluation of a network over "
            "the devices; those for GPUs add first (`AllReduceReassociate`), and send that much "
            "less. The model takes what was counted."
        )
    if task.halo:
        n = max(task.halo)
        text += (
            f" Over `space` each of {n} sends {task.halo[n] / 1e6:.2f} MB for each picture beside "
            f"these, in {task.messages} messages."
        )
    return text


def _limits(task: Task, accelerator: Accelerator, config: StudyConfig) -> tuple[str, set[str]]:
    """Sentences, and the limits that they name."""
    needed = cores_needed(task, accelerator, config)
    met = set()
    enough = "enough"
    if needed > accelerator.cores:
        met.add(LOADED)
        enough = "loading is the limit from the first on"
    lines = [
        f"Loading keeps up with {needed:.1f} processor cores for each accelerator; there are "
        f"{accelerator.cores:g}: {enough}."
    ]
    for name, points in (("weakly", weak), ("strongly", strong)):
        found = points(task, accelerator, config)
        said = []
        crossing = [p for p in found if p.summing + p.halo > config.worth * p.step]
        if crossing:
            met.add(REDUCED)
            said.append(
                f"sums and halos take more than {config.worth:.0%} of the step from "
                f"{crossing[0].devices} on"
            )
        large = [p for p in found if p.batch >= config.critical_batch]
        if large:
            met.add(BATCHED)
            said.append(
                f"the batch reaches the critical {config.critical_batch} at {large[0].devices}"
            )
        base, best = found[0], max(found, key=lambda point: point.rate)
        lines.append(
            f"Scaled {name}, {'; '.join(said) or 'neither sums nor the batch become a limit'}; at "
            f"best {best.devices} learn {best.rate / base.rate:.0f} times as fast as "
            f"{base.devices}."
        )
    return " ".join(lines), met


def _count_table(counts: Sequence[Count]) -> str:
    kinds = [kind for kind in KINDS if any(kind in count.sent for count in counts)]
    header = ["method, axis", "devices", "batch", *kinds, "all", "messages", "gradients alone"]
    rows = []
    for count in counts:
        n = count.devices
        rows.append(
            [
                f"{count.method}, {count.axis}",
                str(n),
                str(count.batch),
                *(f"{count.sent.get(kind, 0) / 1e6:.3f}" for kind in kinds),
                f"{count.total / 1e6:.3f}",
                str(count.messages),
                f"{2 * (n - 1) / n * count.parameters / 1e6:.3f}",
            ]
        )
    return markdown_table(header, rows)


def _model_table(modelled: Sequence[tuple[Accelerator, Sequence[Point]]]) -> str:
    header = [
        "accelerator",
        "number",
        "batch",
        "share a picture",
        "computing ms",
        "loading ms",
        "sums ms",
        "halos ms",
        "step ms",
        "useful examples/s",
        "limit",
    ]
    rows = [
        [
            accelerator.name,
            str(point.devices),
            str(point.batch),
            str(point.space),
            f"{1e3 * point.computing:.2f}",
            f"{1e3 * point.loading:.2f}",
            f"{1e3 * point.summing:.2f}",
            f"{1e3 * point.halo:.2f}",
            f"{1e3 * point.step:.2f}",
            f"{point.rate:.0f}",
            point.limit,
        ]
        for accelerator, points in modelled
        for point in points
    ]
    return markdown_table(header, rows)


def _assumptions(config: StudyConfig) -> str:
    seconds = (
        "operations counted from the traced step, at a share of the peak"
        if config.seconds is None
        else f"{config.seconds:g} s an example, given"
    )
    lines = [
        f"* Time of computing: {seconds}. Put the seconds of your own step into "
        "`StudyConfig.seconds`.",
        *(
            f"* {each.name}: {each.flops / 1e12:.1f} Tflop/s in float32, of which a step reaches "
            f"{each.sustained:.0%}; {each.link / 1e9:g} GB/s one way in groups of {each.group}, "
            f"{each.network / 1e9:g} GB/s beyond; {each.cores:g} cores. {each.source}."
            for each in config.accelerators
        ),
        f"* {1e6 * config.hop:g} microseconds a hop; {config.overlap:.0%} of the computing hides "
        "sums.",
        f"* {1e3 * config.crop_seconds:g} ms of one core a crop, of which loaders have "
        f"{config.reader_share:.0%}: measured on two x86-64 cores, see "
        "`experiments/bench/results/data.md`.",
        f"* A critical batch of {config.critical_batch}: not measured.",
    ]
    return "\n".join(lines)
