"""Where a run tells of itself: the terminal, JSON lines, TensorBoard."""

import contextlib
import time
from collections.abc import Iterator, Mapping

import jax
import numpy as np
import rich.console
import rich.progress

from dehaze_jax.errors import InputError
from dehaze_jax.storage.runs import RunDirectory
from dehaze_jax.training.events import EventFile


class Clock:
    """Time spent on steps; what happens inside `pause` does not count."""

    def __init__(self):
        self.restart(0)

    def restart(self, step: int) -> None:
        """Counts from here, with `step` steps done."""
        self._start, self._step, self._waited = time.monotonic(), step, 0.0

    @contextlib.contextmanager
    def waiting(self) -> Iterator[None]:
        """Counts the time spent inside as waiting for data."""
        begin = time.monotonic()
        yield
        self._waited += time.monotonic() - begin

    @contextlib.contextmanager
    def pause(self) -> Iterator[None]:
        """Leaves out the time spent inside."""
        begin = time.monotonic()
        yield
        self._start += time.monotonic() - begin

    def speeds(self, step: int, *, batch_size: int) -> dict[str, float]:
        """Speed since the last restart; nothing if no step was done since.

        Returns:
            `images_per_second`; `seconds_per_step`, and `data_seconds_per_step`, the part of it in
            which the loop waited for a batch. The rest is the devices'.
        """
        steps = step - self._step
        if steps <= 0:
            return {}
        seconds = max(time.monotonic() - self._start, 1e-9)
        return {
            "images_per_second": steps * batch_size / seconds,
            "seconds_per_step": seconds / steps,
            "data_seconds_per_step": self._waited / steps,
        }


class Logs:
    """The writers of one run; a context manager. Only the first process writes.

    Args:
        run: where the files go.
        first: steps already done.
        total: steps of the whole run.
        console: for progress and lines.
    """

    def __init__(self, run: RunDirectory, *, first: int, total: int, console: rich.console.Console):
        self.primary = jax.process_index() == 0
        self._run = run
        self._total = total
        self._console = console
        self._events = None
        if self.primary:
            # Events past the checkpoint that a killed run left are hidden.
            self._events = EventFile(run.events, first=first + 1)
        self._bar = rich.progress.Progress(
            rich.progress.TextColumn("training"),
            rich.progress.BarColumn(),
            rich.progress.MofNCompleteColumn(),
            rich.progress.TextColumn("{task.fields[note]}"),
            rich.progress.TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not (self.primary and console.is_terminal),
        )
        self._task = self._bar.add_task("training", total=total, completed=first, note="")

    def __enter__(self):
        self._bar.start()
        return self

    def __exit__(self, kind, *_):
        self._bar.stop()
        if self._events is not None:
            # Where something failed before, that is what is to be told.
            with contextlib.suppress(InputError) if kind else contextlib.nullcontext():
                self._events.close()

    def say(self, line: str) -> None:
        """A line for the reader."""
        if self.primary:
            self._console.print(line, highlight=False, markup=False, soft_wrap=True)

    def advance(self, step: int) -> None:
        """Moves the progress bar."""
        self._bar.update(self._task, completed=step)

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Writes one line of metrics.

        Args:
            step: steps done.
            values: what was measured at this step.
        """
        if self._events is None:
            return
        line = dict(values)
        self._run.append_metrics({"step": step, **line})
        for name, value in line.items():
            self._events.scalar(name, value, step)
        note = "  ".join(
            f"{name} {line[name]:.4g}"
            for name in ("loss", *(n for n in line if "/" in n))
            if name in line
        )
        if "images_per_second" in line:
            note += f"  {line['images_per_second']:.1f} images/s"
            self._bar.update(self._task, note=note)
        if not self._console.is_terminal:
            self.say(f"step {step}/{self._total}  {note}")

    def pictures(self, step: int, pictures: Mapping[str, np.ndarray]) -> None:
        """Writes 8-bit pictures `[h, w, 3]` to TensorBoard."""
        if self._events is not None:
            for name, picture in pictures.items():
                self._events.picture(f"validation/{name}", picture, step)

    def flush(self) -> None:
        """Puts TensorBoard events on disk."""
        if self._events is not None:
            self._events.flush()
