"""Runs restorers over the pairs of a dataset and scores them."""

import os
import pathlib
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np

from dehaze_jax.arrays import Image, PerImage
from dehaze_jax.data.records import Example, Examples
from dehaze_jax.errors import InputError
from dehaze_jax.evaluation.baselines import BASELINES
from dehaze_jax.evaluation.page import render_page
from dehaze_jax.evaluation.perceptual import digest
from dehaze_jax.evaluation.report import LPIPS, Report, Row, as_csv, as_record
from dehaze_jax.image.files import write
from dehaze_jax.image.ranges import to_float
from dehaze_jax.metrics import perceptual
from dehaze_jax.metrics.perceptual import LpipsParams
from dehaze_jax.metrics.protocols import PROTOCOLS, score_all
from dehaze_jax.restoring.comparing import thumbnail, to_bytes
from dehaze_jax.storage.files import as_input_error, write_atomically, write_json

DEFAULT_PROTOCOLS = ("rgb-full", "rgb-ssim256", "y-full")

_THUMBNAIL = 640
_PICTURES = "pictures"


def evaluate(
    pairs: Examples,
    restorers: Mapping[str, Callable[[np.ndarray], np.ndarray]],
    *,
    output: str | os.PathLike[str],
    dataset: str,
    protocols: Iterable[str] = DEFAULT_PROTOCOLS,
    lpips: LpipsParams | None = None,
    limit: int | None = None,
    full_pictures: bool = False,
    about: Mapping[str, Any] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Report:
    """Scores restorers and the baselines on every pair and writes a report.

    `output` receives `scores.csv` (a line per picture and method), `summary.json`, `index.html` and
    `pictures/`; they take the place of an earlier report only once all are done. A pair that
    cannot be read or restored by every method is left out, and listed.

    Args:
        pairs: one dataset, such as `data.pair_folders` or `data.open_prepared` give.
        restorers: name -> picture to picture, NumPy, of the same shape and type. The page is about
            the first.
        output: folder of the report; made if its parent exists.
        dataset: name that stands on the report.
        protocols: ids of `metrics.PROTOCOLS`; the first ranks the pictures and needs PSNR.
        lpips: from `load_lpips`; LPIPS is reported beside the protocols then.
        limit: score the first so many pairs only.
        full_pictures: also keep the pictures at full size, as PNG.
        about: facts on the restorers, such as the card of the weights; written as it is (JSON).
        progress: called with pairs done and pairs in all.

    Raises:
        InputError: no or an unknown protocol, a restorer with a baseline's name, a limit below 1,
            an output folder that cannot be written or has a `pictures/` of other origin, or no
            pair that could be scored.
    """
    protocols = tuple(protocols)
    for name in protocols:
        if name not in PROTOCOLS:
            raise InputError(name, f"no such protocol; there are {', '.join(PROTOCOLS)}")
    if not protocols:
        raise InputError("protocols", "at least one is needed")
    for name in restorers:
        if name in BASELINES:
            raise InputError(name, "is the name of a baseline")
    if limit is not None and limit < 1:
        raise InputError("limit", f"must be at least 1, not {limit}")
    count = len(pairs) if limit is None else min(limit, len(pairs))
    methods = {**BASELINES, **restorers}
    output = pathlib.Path(output)
    if (output / _PICTURES).exists() and not (output / "summary.json").is_file():
        raise InputError(output / _PICTURES, "belongs to no earlier report, so it is not replaced")
    rows: list[Row] = []
    skipped: list[InputError] = []
    pictures: dict[str, dict[str, str]] = {}
    made = not output.exists()
    with as_input_error(output, "cannot be written"):
        output.mkdir(exist_ok=True)
        partial = pathlib.Path(tempfile.mkdtemp(prefix=".report-", dir=output))
    try:
        (partial / _PICTURES).mkdir()
        for index in range(count):
            try:
                example = pairs[index]
                if example.id in pictures:
                    raise InputError(example.id, "this id stands twice in the dataset")
                scored, restored = _score(example, methods, protocols, lpips)
            except InputError as error:
                skipped.append(error)
            else:
                rows += scored
                shown = {**restored, "clear": example.clear}
                stem = f"{index + 1:04d}-{_slug(example.id)}"
                pictures[example.id] = {
                    name: _keep(partial, f"{stem}-{_slug(name)}", image, full=full_pictures)
                    for name, image in shown.items()
                }
            if progress is not None:
                progress(index + 1, count)
        if not rows:
            reason = f"; the first: {skipped[0]}" if skipped else ""
            raise InputError(dataset, f"none of {count} pairs could be scored{reason}")
        report = Report(
            dataset=dataset,
            fingerprint=pairs.fingerprint,
            protocols=protocols if lpips is None else (*protocols, LPIPS),
            methods=tuple(methods),
            rows=tuple(rows),
            skipped=tuple(skipped),
            about={**(about or {}), **({LPIPS: {"weights": digest(lpips)}} if lpips else {})},
        )
        page = render_page(report, pictures, full_pictures=full_pictures)
        write_atomically(partial / "scores.csv", as_csv(report).encode())
        write_json(partial / "summary.json", as_record(report))
        write_atomically(partial / "index.html", page.encode())
        with as_input_error(output, "cannot be written"):  # from here on nothing needs space
            shutil.rmtree(output / _PICTURES, ignore_errors=True)
            for part in partial.iterdir():
                os.replace(part, output / part.name)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
        if made and not any(output.iterdir()):
            output.rmdir()
    return report


def _score(
    example: Example,
    methods: Mapping[str, Callable[[np.ndarray], np.ndarray]],
    protocols: tuple[str, ...],
    lpips: LpipsParams | None,
) -> tuple[list[Row], dict[str, np.ndarray]]:
    if example.hazy.shape != example.clear.shape:
        raise InputError(
            example.id, f"hazy is {example.hazy.shape}, clear is {example.clear.shape}"
        )
    clear = jnp.asarray(to_float(example.clear))
    rows, pictures = [], {}
    for name, restore in methods.items():
        start = time.perf_counter()
        try:
            restored = restore(example.hazy)
        except InputError as error:
            raise InputError(example.id, f"{name}: {error.reason}") from error
        seconds = time.perf_counter() - start
        unit = jnp.asarray(to_float(restored))
        scores = score_all(unit, clear, protocols=protocols)
        if lpips is not None:
            scores[LPIPS] = {"lpips": _lpips(example.id, lpips, unit, clear)}
        rows.append(
            Row(
                id=example.id,
                method=name,
                seconds=seconds,
                scores={
                    protocol: {score: float(value) for score, value in values.items()}
                    for protocol, values in scores.items()
                },
            )
        )
        pictures[name] = restored
    return rows, pictures


def _lpips(id: str, params: LpipsParams, restored: Image, clear: Image) -> PerImage:
    try:
        return perceptual.lpips(params, restored, clear)
    except InputError as error:
        raise InputError(id, f"{error.subject} {error.reason}") from error


def _keep(folder: pathlib.Path, stem: str, image: np.ndarray, *, full: bool) -> str:
    """Writes a small JPEG, and the picture itself if asked; returns the path without suffix."""
    path = f"{_PICTURES}/{stem}"
    write(folder / f"{path}.jpg", thumbnail(image, _THUMBNAIL))
    if full:
        write(folder / f"{path}.png", to_bytes(image))
    return path


def _slug(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text)[:80]
