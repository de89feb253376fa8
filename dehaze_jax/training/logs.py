"""Where a run tells of itself: the terminal, JSON lines, TensorBoard."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import jax
import numpy as np
import rich.console
import rich.progress

from dehaze_jax.storage.runs import RunDirectory
from dehaze_jax.training.events import EventFile


class Clock:
    """Time spent on steps; what happens inside `pause` does not count."""

    def __init__(self):
        self.restart(0)

    def restart(self, step: int) -> None:
        """Counts from here, with `step` steps done."""
        self._start, self._step = time.monotonic(), step

    @contextmanager
    def pause(self) -> Iterator[None]:
        """Leaves out the time spent inside."""
        begin = time.monotonic()
        yield
        self._start += time.monotonic() - begin

    def steps_per_second(self, step: int) -> float | None:
        """Speed since the last restart, or None if no step was done since."""
        if step <= self._step:
            return None
        return (step - self._step) / max(time.monotonic() - self._start, 1e-9)


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

    def __exit__(self, *_):
        self._bar.stop()
        if self._events is not None:
            self._events.close()

    def say(self, line: str) -> None:
        """A line for the reader."""
        if self.primary:
            self._console.print(line, highlight=False, markup=False, soft_wrap=True)

    def advance(self, step: int) -> None:
        """Moves the progress bar."""
        self._bar.update(self._task, completed=step)

    def scalars(
        self, step: int, values: Mapping[str, float], *, images_per_second: float | None = None
    ) -> None:
        """Writes one line of metrics.

        Args:
            step: steps done.
            values: what was measured at this step.
            images_per_second: speed; left out where it is not known.
        """
        if self._events is None:
            return
        speed = {} if images_per_second is None else {"images_per_second": images_per_second}
        line = {**values, **speed}
        self._run.append_metrics({"step": step, **line})
        for name, value in line.items():
            self._events.scalar(name, value, step)
        note = "  ".join(
            f"{name} {line[name]:.4g}"
            for name in ("loss", *(n for n in line if "/" in n))
            if name in line
        )
        if speed:
            note += f"  {images_per_second:.1f} images/s"
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
