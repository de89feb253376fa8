"""Time and memory of restoring a 16384 x 16384 TIFF with the command, from file to file.

    python experiments/bench/large.py [--side 16384] [--weights dehazeflow bilateral] [--keep DIR]

The picture is made up strip by strip: noise of many octaves that lies in haze, thicker towards the
top. The command runs in a process of its own for each of the weights, compiling
included; memory is the peak of that process.
"""

import argparse
import json
import os
import pathlib
import tempfile
import time
from collections.abc import Iterator

import cv2
import numpy as np
from measuring import machine, peak_megabytes, report, run_alone

ROWS = 256


def noise_in_haze(side: int) -> Iterator[np.ndarray]:
    """Bands of rows of a hazy picture, uint8 `[rows, side, 3]`.

    Each octave is a small noise picture that is made larger; only the rows of a band are. A little
    grain lies over them.
    """
    rng = np.random.default_rng(0)
    octaves = [rng.random((n + 1, n + 1, 3), np.float32) for n in (4, 16, 64, 256, 1024)]
    columns = np.arange(side, dtype=np.float32)
    for start in range(0, side, ROWS):
        rows = np.arange(start, min(start + ROWS, side), dtype=np.float32)
        clear = np.zeros((len(rows), side, 3), np.float32)
        for number, octave in enumerate(octaves):
            scale = (len(octave) - 1) / side
            places = np.meshgrid(columns * scale, rows * scale)
            clear += cv2.remap(octave, *places, cv2.INTER_LINEAR) / 2 ** (number + 1)
        transmission = (0.35 + 0.5 * rows / side)[:, None, None]
        hazy = clear * transmission + 0.85 * (1 - transmission)
        hazy += 0.01 * rng.standard_normal(hazy.shape, np.float32)
        yield np.rint(255 * np.clip(hazy, 0, 1)).astype(np.uint8)


def restore(arguments: list[str]) -> dict:
    """Runs the command in this process."""
    from dehaze_jax.cli import main

    start = time.perf_counter()
    code = main.main(["restore", *arguments])
    if code:
        raise SystemExit(code)
    return {"seconds": time.perf_counter() - start, "megabytes": peak_megabytes()}


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description="Time and memory of restoring a large TIFF.")
    parser.add_argument("--side", type=int, default=16384, help="rows and columns")
    parser.add_argument("--weights", nargs="+", default=["dehazeflow", "bilateral"])
    parser.add_argument("--keep", type=pathlib.Path, help="folder that keeps the pictures")
    parser.add_argument("--output", type=pathlib.Path, help="writes the table to this file too")
    parser.add_argument("--only", nargs=argparse.REMAINDER, help="what `restore` is called with")
    options = parser.parse_args()
    if options.only:
        print(json.dumps(restore(options.only)))
        return

    from dehaze_jax import image

    with tempfile.TemporaryDirectory() as scratch:
        folder = options.keep or pathlib.Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        hazy, side = folder / "hazy.tif", options.side
        layout = {"height": side, "width": side, "channels": 3, "dtype": np.dtype(np.uint8)}
        image.write_rows(hazy, noise_in_haze(side), **layout)
        lines = [
            machine(len(os.sched_getaffinity(0)), ["jax", "jaxlib", "numpy", "tifffile"]),
            "",
            f"{side} x {side}, uint8, tiled TIFF of {hazy.stat().st_size / 1e6:.0f} MB",
            "",
            "| weights | seconds | megapixels a second | peak MB |",
            "| --- | ---: | ---: | ---: |",
        ]
        for weights in options.weights:
            target = str(folder / f"{weights}.tif")
            row = run_alone(__file__, "--only", str(hazy), target, "--weights", weights)
            speed = side**2 / 1e6 / row["seconds"]
            lines.append(
                f"| {weights} | {row['seconds']:.1f} | {speed:.1f} | {row['megabytes']:.0f} |"
            )
        report("\n".join(lines), options.output)


if __name__ == "__main__":
    main()
