"""A KAN layer at image size: ours and the efficient form in PyTorch.

    python experiments/bench/kan.py [--output kan.md]

One layer from 64 to 64 channels on 128 x 128 pixels, with cubic splines on five intervals; the
peer is the layer of `tests/twins/kan.py`. Every line is a process of its own; a first call compiles
and is not counted. Both have the same weights and inputs, and the results are compared. Memory is
the peak of a process, and that above its peak when libraries, weights and inputs were in place (for
JAX this includes compiling).
"""

import dataclasses
import importlib
import importlib.util
import json
import os
import pathlib
import sys
import tempfile
from typing import Any, Literal

import numpy as np
import tyro
from measuring import machine, peak_megabytes, report, run_alone, time_alone

SIDE, CHANNELS, ORDER = 128, 64, 3
REPEATS = 15
TASKS = ("forward", "forward and gradient")
# The twin is a script of the tests.
sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "tests"))
load_script = importlib.import_module("scripts").load_script


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options:
    """Measure a KAN layer against PyTorch."""

    output: pathlib.Path | None = None
    """Also write the table to this Markdown file."""
    only: Literal["ours", "torch"] | None = None
    """Measure this one in this process and print JSON."""
    task: Literal["forward", "forward and gradient"] = "forward"
    """With `only`, what is measured."""
    keep: pathlib.Path | None = None
    """With `only`, write the results to this file."""


def given() -> dict[str, np.ndarray]:
    """Inputs and cotangents `[pixels, channels]`, and weights in PyTorch's layout."""
    rng = np.random.default_rng(0)
    size = CHANNELS**-0.5
    shapes = {"base": (CHANNELS, CHANNELS), "scale": (CHANNELS, CHANNELS)}
    arrays = {k: rng.uniform(-size, size, s).astype(np.float32) for k, s in shapes.items()}
    weight = (CHANNELS, CHANNELS, 5 + ORDER)
    return arrays | {
        "weight": rng.normal(size=weight).astype(np.float32),
        "x": rng.normal(size=(SIDE**2, CHANNELS)).astype(np.float32),
        "cotangents": rng.normal(size=(SIDE**2, CHANNELS)).astype(np.float32),
    }


def ours(task: str):
    """A function without arguments that returns arrays, gradients in PyTorch's layout."""
    import jax
    import jax.numpy as jnp

    from dehaze_jax import networks

    arrays = {name: jnp.asarray(array) for name, array in given().items()}
    layer = networks.KANLinear(CHANNELS)
    knots = networks.uniform_knots(-1.0, 1.0, 5, ORDER)
    grids = {"knots": jnp.tile(knots, (CHANNELS, 1))}
    params = {name: arrays[name].T for name in ("base", "scale")}
    params["weight"] = arrays["weight"].transpose(1, 2, 0)
    x, cotangents = (arrays[name].reshape(1, SIDE, SIDE, CHANNELS) for name in ("x", "cotangents"))

    def apply(params, x):
        return layer.apply({"params": params, "grids": grids}, x)

    @jax.jit
    def both(params, x, cotangents):
        out, pull = jax.vjp(apply, params, x)
        return out, pull(cotangents)

    forward = jax.jit(apply)

    def run():
        if task == "forward":
            return [np.asarray(forward(params, x)).reshape(-1, CHANNELS)]
        out, (d_params, d_x) = jax.block_until_ready(both(params, x, cotangents))
        d_weight = np.asarray(d_params["weight"]).transpose(2, 0, 1)
        rows = [np.asarray(array).reshape(-1, CHANNELS) for array in (out, d_x)]
        return [*rows, np.asarray(d_params["base"]).T, np.asarray(d_params["scale"]).T, d_weight]

    return run


def torch(task: str):
    """The same in PyTorch."""
    torch = importlib.import_module("torch")
    twin = load_script("twins/kan.py")
    arrays = {name: torch.from_numpy(array) for name, array in given().items()}
    knots = twin.knots_from(-1, 1, 5, ORDER, inputs=CHANNELS).astype(np.float32)
    layer = twin.KANLinear(CHANNELS, CHANNELS, torch.from_numpy(knots), ORDER)
    weights = {name: arrays[name] for name in ("base", "scale", "weight")}
    layer.load_state_dict({**weights, "knots": layer.knots})
    x = arrays["x"].requires_grad_()
    parameters = [getattr(layer, name) for name in weights]

    def run():
        if task == "forward":
            with torch.inference_mode():
                return [layer(x).numpy()]
        out = layer(x)
        gradients = torch.autograd.grad(out, (x, *parameters), arrays["cotangents"])
        return [out.detach().numpy(), *(gradient.numpy() for gradient in gradients)]

    return run


WAYS = {"ours": ours, "torch": torch}


def measure(options: Options) -> dict[str, Any]:
    """Runs one way in this process."""
    run = WAYS[options.only or ""](options.task)
    before = peak_megabytes()
    results: list[np.ndarray] = []

    def once():
        results[:] = []
        results[:] = run()

    figures = time_alone(once, REPEATS)
    if options.keep is not None:
        np.savez(options.keep, *results)
    return {**figures, "above": figures["megabytes"] - before}


def compare() -> list[str]:
    """The table and what it says."""
    lines = [
        "| task | layer | first call s | median ms | spread ms | peak MB | above libraries MB |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    remarks = []
    names = [name for name in WAYS if name != "torch" or importlib.util.find_spec("torch")]
    for task in TASKS:
        figures, arrays = {}, {}
        with tempfile.TemporaryDirectory() as folder:
            for name in names:
                kept = pathlib.Path(folder) / f"{name}.npz"
                row = run_alone(__file__, "--only", name, "--task", task, "--keep", str(kept))
                with np.load(kept) as found:
                    arrays[name] = [found[key] for key in found]
                figures[name] = row
                lines.append(
                    f"| {task} | {name} | {row['first']:.2f} | {1e3 * row['median']:.0f} "
                    f"| {1e3 * row['spread']:.0f} | {row['megabytes']:.0f} | {row['above']:.0f} |"
                )
        if "torch" in figures:
            a, b = figures["ours"], figures["torch"]
            apart = max(
                np.abs(x - y).max() / np.abs(y).max()
                for x, y in zip(arrays["ours"], arrays["torch"], strict=True)
            )
            remarks.append(
                f"{task.capitalize()}: {b['median'] / a['median']:.1f} times as fast as PyTorch, "
                f"{b['megabytes'] / a['megabytes']:.1f} times less memory "
                f"({b['above'] / a['above']:.1f} times above the libraries), results at most "
                f"{apart:.1e} of the greatest value apart."
            )
    return [*lines, "", *remarks]


def main(options: Options) -> None:
    """Measures and prints."""
    if options.only is not None:
        print(json.dumps(measure(options)))
        return
    threads = len(os.sched_getaffinity(0))
    text = [
        "`python experiments/bench/kan.py`: a KAN layer, 64 to 64 channels at 128 x 128 pixels.",
        "",
        machine(threads, ["jax", "jaxlib", "numpy", "torch"]),
        "",
        *compare(),
    ]
    report("\n".join(text), options.output)


if __name__ == "__main__":
    main(tyro.cli(Options))
