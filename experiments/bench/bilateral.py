"""Multi-guided bilateral learning at 3840 x 2160: slim, the published network, and PyTorch's.

    python experiments/bench/bilateral.py [--output bilateral.md] [--scaling bilateral.png]

Every line is a process of its own that loads its weights from a file; a first call compiles and is
not counted. The picture is float32 and so is the result. The published network has the same random
weights in JAX and in PyTorch (the model of `tests/twins/bilateral_released.py`, where torch is
installed), and the results are compared. All processes have two arenas of memory
(MALLOC_ARENA_MAX=2): by default glibc gives one to every thread, and each keeps what it once held.
`--scaling` restores pictures of 1 to 33 megapixels with the slim network and plots time and memory.
"""

import dataclasses
import importlib
import importlib.util
import json
import os
import pathlib
import sys
import tempfile
from typing import Any

import numpy as np
import tyro
from measuring import machine, photograph, report, run_alone, time_alone

HEIGHT, WIDTH = 2160, 3840
REPEATS = {"slim": 7, "released": 3, "torch": 3}
# The twin and its weights are scripts of the tests.
sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "tests"))
load_script = importlib.import_module("scripts").load_script
SIZES = ((720, 1280), (1080, 1920), (1440, 2560), (2160, 3840), (3072, 5504), (4320, 7680))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options:
    """Measure bilateral learning at 4K."""

    output: pathlib.Path | None = None
    """Also write the tables to this Markdown file."""
    scaling: pathlib.Path | None = None
    """Also measure the slim network on pictures of 1 to 33 megapixels and write this plot."""
    only: str | None = None
    """Measure this one in this process and print JSON: slim, released or torch."""
    size: tuple[int, int] = (HEIGHT, WIDTH)
    """Rows and columns of the picture."""
    keep: pathlib.Path | None = None
    """With `only`, write the result to this file."""
    weights: pathlib.Path | None = None
    """With `only`, the file or folder of the published network's weights, see `write_weights`."""


def slim(weights: pathlib.Path | None):
    """The weights that ship, on NumPy pictures."""
    import dehaze_jax

    del weights
    return dehaze_jax.load("bilateral")


def released(weights: pathlib.Path | None):
    """The published network."""
    import dehaze_jax

    assert weights is not None
    return dehaze_jax.load(weights)


def torch(weights: pathlib.Path | None):
    """The same in PyTorch."""
    torch = importlib.import_module("torch")
    model = load_script("twins/bilateral_released.py").Released()
    model.load_state_dict(torch.load(weights, weights_only=True))
    model.eval()

    def run(picture):
        with torch.inference_mode():
            planes = torch.from_numpy(picture).permute(2, 0, 1)[None]
            return model(planes).clamp(0, 1)[0].permute(1, 2, 0).numpy()

    return run


def write_weights(folder: pathlib.Path) -> dict[str, pathlib.Path]:
    """The same random weights of the published network for each way that reads some."""
    from dehaze_jax import methods, storage

    tensors = random_tensors()
    importing = methods.METHODS["bilateral"].import_published
    assert importing is not None
    imported = importing(tensors, source="random weights")
    files = {"released": folder / "released"}
    config = storage.config_to_dict(imported.config)
    storage.save_weights(files["released"], imported.variables, config, {})
    if importlib.util.find_spec("torch"):
        torch = importlib.import_module("torch")
        files["torch"] = folder / "released.pth"
        torch.save({k: torch.from_numpy(v) for k, v in tensors.items()}, files["torch"])
    return files


def random_tensors() -> dict[str, np.ndarray]:
    """Weights of the published network, by published name, such that results lie in [0, 1]."""
    weights = load_script("methods/released_weights.py")
    tensors = weights.state_dict(weights.shapes(weights.PUBLISHED["width"]))
    # The result is K x - F + 1: F about a half, K small.
    tensors["fusion.2.weight"] *= 0.1
    tensors["fusion.2.bias"][:] = 0.5
    tensors["x_r_fusion.2.weight"] *= 0.1
    return tensors


WAYS = {"slim": slim, "released": released, "torch": torch}


def measure(options: Options) -> dict[str, Any]:
    """Runs one way in this process."""
    name = options.only or ""
    run = WAYS[name](options.weights)
    picture = photograph(*options.size).astype(np.float32) / 255
    results = []

    def once():
        results.clear()
        results.append(run(picture))

    figures = time_alone(once, REPEATS[name])
    if options.keep is not None:
        np.save(options.keep, results[0])
    return {**figures, "picture": 2 * picture.nbytes / 2**20}


def compare() -> list[str]:
    """The table at 3840 x 2160."""
    names = [name for name in WAYS if name != "torch" or importlib.util.find_spec("torch")]
    figures, rows = {}, {}
    with tempfile.TemporaryDirectory() as folder:
        weights = write_weights(pathlib.Path(folder))
        for name in names:
            kept = pathlib.Path(folder) / f"{name}.npy"
            given = ("--weights", str(weights[name])) if name in weights else ()
            figures[name] = run_alone(__file__, "--only", name, "--keep", str(kept), *given)
            rows[name] = np.load(kept)
    lines = [
        "| network | first call s | median s | spread s | peak memory MB |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for name, row in figures.items():
        lines.append(
            f"| {name} | {row['first']:.2f} | {row['median']:.2f} | {row['spread']:.2f} "
            f"| {row['megabytes']:.0f} |"
        )
    if "torch" in figures:
        ours, theirs = figures["released"], figures["torch"]
        difference = np.abs(rows["released"] - rows["torch"]).max()
        inside = np.mean((rows["torch"] > 0) & (rows["torch"] < 1))
        lines += [
            "",
            f"Published network against PyTorch: {theirs['median'] / ours['median']:.2f} times as "
            f"fast, {theirs['megabytes'] / ours['megabytes']:.2f} times less memory, results at "
            f"most {difference:.1e} apart ({100 * inside:.1f} % of the values lie inside (0, 1), "
            f"standard deviation {rows['torch'].std():.2f}).",
        ]
    return lines


def scale(plot: pathlib.Path) -> list[str]:
    """Slim on pictures of many sizes; draws the plot."""
    import matplotlib.pyplot as plt  # here, lest the processes that are measured hold it

    lines = [
        "| slim, picture | megapixels | median s | s a megapixel | peak MB without pictures |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    found = []
    for height, width in SIZES:
        row = run_alone(__file__, "--only", "slim", "--size", str(height), str(width))
        pixels, rest = height * width / 1e6, row["megabytes"] - row["picture"]
        found.append((pixels, row["median"], rest))
        lines.append(
            f"| {width} x {height} | {pixels:.1f} | {row['median']:.2f} "
            f"| {row['median'] / pixels:.3f} | {rest:.0f} |"
        )
    pixels, seconds, rest = zip(*found, strict=True)
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.5), layout="constrained")
    left.plot(pixels, seconds, "o-")
    left.set(xlabel="megapixels", ylabel="seconds", xlim=0, ylim=0)
    right.plot(pixels, rest, "o-")
    right.set(xlabel="megapixels", ylabel="peak memory without pictures, MB", xlim=0, ylim=0)
    for axes in (left, right):
        axes.grid(alpha=0.3)
    plot.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(plot, dpi=120)
    return lines


def main(options: Options) -> None:
    """Measures and prints."""
    if options.only is not None:
        print(json.dumps(measure(options)))
        return
    os.environ["MALLOC_ARENA_MAX"] = "2"  # of the processes started below
    threads = len(os.sched_getaffinity(0))
    text = [machine(threads, ["jax", "jaxlib", "numpy", "torch"]), "", *compare()]
    if options.scaling is not None:
        text += ["", *scale(options.scaling)]
    report("\n".join(text), options.output)


if __name__ == "__main__":
    main(tyro.cli(Options))
