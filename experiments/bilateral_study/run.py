"""Slim or released network of bilateral learning at one budget, and SSIM in the loss.

    python experiments/bilateral_study/run.py [--variant smoke|short|full] --output DIR

See README.md beside this file.
"""

import dataclasses
import json
import pathlib
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
import rich.console
import tyro
from matplotlib.figure import Figure

# Studies are scripts, not an installed package: their folder is put on the path here.
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from configs.bilateral import get_config
from studies.landscapes import Landscapes, prepare
from studies.records import machine_line, markdown_table, write_figure, write_record

from dehaze_jax import data, image, methods, metrics, restoring, storage, training
from dehaze_jax.errors import InputError

PROTOCOL = dataclasses.replace(metrics.PROTOCOLS["rgb-full"], scores=("psnr", "ssim"))
TOLERANCE = 0.3
"""dB by which the slim network may lie below the released one."""

_COLOURS = {"released": "#D55E00", "slim": "#0072B2", "slim, longer": "#009E73"}


@dataclasses.dataclass(frozen=True, kw_only=True)
class StudyConfig:
    """Everything that the results depend on but for `configs/bilateral.py`."""

    budget_steps: int = 120
    """Steps of the released network, and of the slim one beside it."""
    long_steps: int = 16_000
    """Steps of the slim network that take the CPU seconds of the released one."""
    budget_batch: int = 4
    """Batch of these trainings."""
    budget_pictures: int = 24
    """Validation pictures that these are scored on."""
    points: tuple[float, ...] = (0.25, 0.5, 0.75, 1.0)
    """Shares of a training after which it is scored."""
    loss_steps: int = 800
    """Steps of each training that compares losses."""
    loss_batch: int = 8
    """Batch of these trainings."""
    loss_pictures: int = 52
    """Validation pictures that these are scored on."""
    ssim_weights: tuple[float, ...] = (0.0, 0.2, 0.5)
    """Weights of SSIM in the loss; 0 is the mean absolute error alone."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """Of initial values and data order, for each loss."""
    crop_size: int = 128
    """Side of the pictures that are trained on."""
    landscapes: Landscapes | None = None
    """Rendered pictures in place of the sets of the configuration."""
    method: dict[str, Any] = dataclasses.field(default_factory=dict)
    """Fields of both networks that differ from the configuration."""
    slim: dict[str, Any] = dataclasses.field(default_factory=dict)
    """Fields of the slim network that differ."""


VARIANTS = {
    "full": StudyConfig(),
    # Some CPU minutes a training: too few for the released network to learn anything.
    "short": StudyConfig(
        budget_steps=6,
        long_steps=400,
        points=(0.5, 1.0),
        loss_steps=400,
        loss_batch=4,
        loss_pictures=24,
        seeds=(0,),
    ),
    # A little of everything; its figures mean nothing.
    "smoke": StudyConfig(
        budget_steps=2,
        long_steps=4,
        budget_batch=2,
        budget_pictures=1,
        points=(0.5, 1.0),
        loss_steps=2,
        loss_batch=2,
        loss_pictures=2,
        ssim_weights=(0.0, 0.2),
        seeds=(0, 1),
        crop_size=16,
        landscapes=Landscapes(height=24, width=32, scenes=3, hazes=2),
        method={"proxy_size": 16, "feature_size": 16, "grid_size": 4, "grid_depth": 4, "width": 4},
        slim={"backbone": "studies.pointwise:Pointwise"},
    ),
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Case:
    """One training.

    Attributes:
        part: `budget` or `loss`.
        name: what is varied; equal for cases that differ in their seed alone.
        train: of the training.
        points: steps after which it is scored.
    """

    part: str
    name: str
    train: training.TrainConfig
    points: tuple[int, ...]

    @property
    def file(self) -> str:
        """Name of the file of its result."""
        name = "".join(c if c.isalnum() else "-" for c in self.name)
        return f"{self.part}-{name}-{self.train.seed}.json"


def cases(config: StudyConfig, sets: tuple[str, ...] = ()) -> list[Case]:
    """All trainings in order; `sets` replaces the data of the configuration."""

    def case(part, name, network, steps, batch, pictures, seed, points, **objective):
        base = get_config(network)
        method = dataclasses.replace(
            base.method, **config.method, **(config.slim if network == "base" else {})
        )
        if objective:
            method = dataclasses.replace(
                method, objective=dataclasses.replace(method.objective, **objective)
            )
        own = {"train": sets, "weights": (), "validation": sets} if sets else {}
        train = dataclasses.replace(
            base,
            method=method,
            data=dataclasses.replace(
                base.data, batch_size=batch, crop_size=config.crop_size, **own
            ),
            # The recipe's decay of the average is for 4000 steps; its warm-up keeps it below.
            optimiser=dataclasses.replace(base.optimiser, warmup_steps=max(steps // 10, 1)),
            steps=steps,
            validation_pictures=pictures,
            seed=seed,
        )
        scored = tuple(sorted({max(round(share * steps), 1) for share in points}))
        return Case(part=part, name=name, train=train, points=scored)

    budget = (config.budget_batch, config.budget_pictures, 0, config.points)
    loss = (config.loss_steps, config.loss_batch, config.loss_pictures)
    return [
        case("budget", "slim", "base", config.budget_steps, *budget),
        case("budget", "released", "released", config.budget_steps, *budget),
        case("budget", "slim, longer", "base", config.long_steps, *budget),
        *(
            case("loss", f"{weight:g}", "base", *loss, seed, (1.0,), ssim_weight=weight)
            for seed in config.seeds
            for weight in config.ssim_weights
        ),
    ]


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


def run(
    config: StudyConfig,
    output: pathlib.Path,
    *,
    variant: str = "custom",
    console: rich.console.Console,
) -> list[dict[str, Any]]:
    """Does what is not in `output` yet, and writes the page anew after every training.

    Args:
        config: what to do.
        output: folder for everything.
        variant: name of the config, for the page.
        console: for progress.

    Raises:
        InputError: `output` holds a result of another configuration.
    """
    output.mkdir(parents=True, exist_ok=True)
    sets = (prepare(config.landscapes, output, console),) if config.landscapes else ()
    results = []
    for case in cases(config, sets):
        file = output / case.file
        if not file.exists():
            storage.write_json(file, measure(case))
            # Programs of one configuration are of no use to the next.
            jax.clear_caches()
        result = storage.read_json(file)
        # JSON knows no tuples.
        if result["config"] != json.loads(json.dumps(storage.config_to_dict(case.train))):
            raise InputError(file, "is the result of another configuration")
        results.append(result)
        last = result["points"][-1]
        console.print(
            f"{case.part} {case.name}, seed {result['seed']}: {last['psnr']:.2f} dB, "
            f"{last['seconds']:.0f} CPU seconds"
        )
        _write(results, config, output, variant)
    console.print(f"results in {output / 'report.md'}", highlight=False, soft_wrap=True)
    return results


def _write(results: list[Any], config: StudyConfig, output: pathlib.Path, variant: str) -> None:
    write_record(output / "results.json", config, variant=variant, results=results)
    budget = [result for result in results if result["part"] == "budget"]
    if budget:
        write_figure(output / "psnr.png", plot(budget))
    storage.write_atomically(output / "report.md", page(results, variant).encode())


def plot(budget: Sequence[dict[str, Any]]) -> Figure:
    """PSNR of the trainings at one budget against CPU seconds."""
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    for result in budget:
        seconds, psnr = zip(*((p["seconds"], p["psnr"]) for p in result["points"]), strict=True)
        label = f"{result['name']}, {result['steps']} steps"
        axes.plot(seconds, psnr, "o-", color=_COLOURS[result["name"]], label=label)
    axes.axhline(budget[0]["hazy"]["psnr"], color="#57606a", linestyle=":", label="hazy, untouched")
    axes.set(xscale="log", xlabel="CPU seconds in training steps", ylabel="validation PSNR, dB")
    axes.grid(color="#d0d7de", linewidth=0.5)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    return figure


def page(results: Sequence[dict[str, Any]], variant: str) -> str:
    """The report. Every sentence is made from figures by a rule that it states."""
    parts = [
        "# Bilateral learning: slim or released, and SSIM in the loss",
        f"Variant `{variant}`. {machine_line()}. Every figure is from `results.json` beside this "
        "page, made by:",
        f"```sh\npython experiments/bilateral_study/run.py --variant {variant} --output DIR\n```",
    ]
    budget, loss = (
        [result for result in results if result["part"] == part] for part in ("budget", "loss")
    )
    if budget:
        parts += [
            "## One budget",
            f"One loss, one seed, {_setting(budget[0])} CPU seconds are those of the process in "
            "training steps, without compiling and scoring.",
            "\n".join(f"* {line}" for line in budget_findings(budget)),
            "![PSNR against CPU seconds](psnr.png)",
            markdown_table(
                ["network", "parameters", "step", "images", "CPU seconds", "PSNR dB", "SSIM"],
                _budget_rows(budget),
            ),
        ]
    if loss:
        parts += [
            "## Loss",
            "The slim network; the loss is the mean absolute error and (1 - SSIM) by its weight; "
            f"{loss[0]['steps']} steps, {_setting(loss[0])} Mean over the seeds, and in brackets "
            "each of them.",
            "\n".join(f"* {line}" for line in loss_findings(loss)),
            markdown_table(["weight of SSIM", "PSNR dB", "SSIM"], _loss_rows(loss)),
        ]
    return "\n\n".join(parts) + "\n"


def _setting(result: dict[str, Any]) -> str:
    pictures, hazy = result["config"]["data"], result["hazy"]
    return (
        f"batch {pictures['batch_size']}, crops of {pictures['crop_size']}; scores under "
        f"`{PROTOCOL.id}`, mean over {result['pictures']} validation pictures. The untouched hazy "
        f"pictures have {hazy['psnr']:.2f} dB and SSIM {hazy['ssim']:.4f}."
    )


def budget_findings(budget: Sequence[dict[str, Any]]) -> list[str]:
    """How trainings of the slim network compare with the released one, at their ends."""
    by_name = {result["name"]: result for result in budget}
    if "released" not in by_name:
        return []
    released = by_name.pop("released")
    end = released["points"][-1]
    lines = []
    trained = end["psnr"] > released["hazy"]["psnr"]
    if not trained:
        lines.append(
            "The released network ends below the untouched hazy pictures: this budget does not "
            "train it, and nothing here says which of two trained networks is better."
        )
    for name, result in by_name.items():
        last = result["points"][-1]
        gain = last["psnr"] - end["psnr"]
        verdict = "not lower" if gain >= -TOLERANCE else "lower"
        verdict = f", {verdict} by more than {TOLERANCE} dB" if trained else ""
        lines.append(
            f"**{name}**: {gain:+.2f} dB against the released network{verdict}; "
            f"{result['steps']} steps against {released['steps']}, "
            f"{last['seconds']:.0f} CPU seconds against {end['seconds']:.0f}."
        )
    return lines


def loss_findings(loss: Sequence[dict[str, Any]]) -> list[str]:
    """What each weight did against the first one."""
    by_weight = _by_weight(loss)
    base = next(iter(by_weight))
    lines = []
    for name in list(by_weight)[1:]:
        told = []
        for score, digits in (("psnr", 2), ("ssim", 4)):
            new, old = ([point[score] for point in by_weight[n]] for n in (name, base))
            verdict = "within the spread of seeds"
            if len(new) == 1:
                verdict = "one seed"
            elif min(new) > max(old):
                verdict = "better"
            elif max(new) < min(old):
                verdict = "worse"
            told.append(f"{score.upper()} {np.mean(new) - np.mean(old):+.{digits}f} ({verdict})")
        lines.append(
            f"**{name}** against {base}: {', '.join(told)}; better or worse means that all seeds "
            "with the one weight lie on one side of all with the other."
        )
    return lines


def _by_weight(loss: Sequence[dict[str, Any]]) -> dict[str, list[dict[str, float]]]:
    """Last points of the trainings with each weight, a point for each seed."""
    found: dict[str, list[dict[str, float]]] = {}
    for result in loss:
        found.setdefault(result["name"], []).append(result["points"][-1])
    return found


def _budget_rows(budget: Sequence[dict[str, Any]]) -> Iterator[list[str]]:
    for result in budget:
        batch = result["config"]["data"]["batch_size"]
        for point in result["points"]:
            counts = (result["parameters"], point["step"], point["step"] * batch)
            seconds, psnr, ssim = (point[name] for name in ("seconds", "psnr", "ssim"))
            yield [
                result["name"],
                *map(str, counts),
                f"{seconds:.0f}",
                f"{psnr:.2f}",
                f"{ssim:.4f}",
            ]


def _loss_rows(loss: Sequence[dict[str, Any]]) -> Iterator[list[str]]:
    for weight, points in _by_weight(loss).items():
        cells = [weight]
        for score, digits in (("psnr", 2), ("ssim", 4)):
            values = [point[score] for point in points]
            each = ", ".join(f"{value:.{digits}f}" for value in values)
            cells.append(f"{np.mean(values):.{digits}f} ({each})")
        yield cells


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options:
    """Run the study of bilateral learning."""

    output: pathlib.Path
    """Folder for results; trainings whose result is in it are not done again."""
    variant: Literal["smoke", "short", "full"] = "full"
    """`smoke` does a little of everything in a minute; its figures mean nothing."""


def main(options: Options) -> None:
    """Runs the study of the options."""
    # Trainings that differ in their seed alone share their programs.
    jax.config.update("jax_compilation_cache_dir", str(options.output / "programs"))
    run(
        VARIANTS[options.variant],
        options.output,
        variant=options.variant,
        console=rich.console.Console(),
    )


if __name__ == "__main__":
    main(tyro.cli(Options))
