"""A recording of some steps by JAX's profiler."""

import contextlib
import os
from collections.abc import Iterator

import jax

from dehaze_jax.errors import InputError
from dehaze_jax.methods.protocol import Scalars


class Profile:
    """Records a range of steps; a context manager that ends a recording under way.

    Raises `InputError` where it cannot be begun or written.

    Args:
        folder: for TensorBoard's profile plug-in, XProf or Perfetto.
        steps: first and last one; None records nothing.
    """

    def __init__(self, folder: str | os.PathLike[str], steps: tuple[int, int] | None):
        self._folder = os.fspath(folder)
        self._first, self._last = steps or (0, 0)
        self._records = self._any = False

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        # What ended the run is told, not what became of the recording.
        with contextlib.suppress(*() if kind is None else (InputError,)):
            self._stop()

    def before(self, step: int) -> None:
        """Begins to record where this is one of the steps."""
        if not self._records and self._first <= step <= self._last:
            with self._refusals():
                jax.profiler.start_trace(self._folder)
            self._records = self._any = True

    def after(self, step: int, scalars: Scalars) -> None:
        """Ends the recording after the last step, when it is done."""
        if self._records and step == self._last:
            jax.block_until_ready(scalars)
            self._stop()

    @property
    def missed(self) -> bool:
        """Whether steps were asked for and none was recorded."""
        return self._last > 0 and not self._any

    def _stop(self) -> None:
        if self._records:
            self._records = False
            with self._refusals():
                jax.profiler.stop_trace()

    @contextlib.contextmanager
    def _refusals(self) -> Iterator[None]:
        try:
            yield
        except (OSError, RuntimeError) as error:  # JAX's own errors are such too
            raise InputError(self._folder, f"no profile can be written: {error}") from error
