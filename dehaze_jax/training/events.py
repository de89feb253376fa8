"""A TensorBoard event file that is written at once.

tensorboardX's own `SummaryWriter` hands events to a thread. When that thread dies, of a full disk
for one, its queue fills and the run stands still without a word.
"""

import pathlib
import time

import numpy as np
from tensorboardX import summary
from tensorboardX.event_file_writer import EventsWriter
from tensorboardX.proto import event_pb2

from dehaze_jax.storage.files import as_input_error

# Generated modules make their names at run time.
_Event = getattr(event_pb2, "Event")  # noqa: B009
_START = getattr(event_pb2, "SessionLog")(status=1)  # noqa: B009


class EventFile:
    """Scalars and pictures for TensorBoard.

    Args:
        folder: where the file goes; made if needed.
        first: events of earlier files from this step on are hidden.

    Raises:
        InputError: from every method: the file cannot be written.
    """

    def __init__(self, folder: pathlib.Path, *, first: int):
        self._folder = folder
        with self._guard():
            folder.mkdir(parents=True, exist_ok=True)
            self._writer = EventsWriter(str(folder / "events"))
        self._write(first, session_log=_START)

    def scalar(self, name: str, value: float, step: int) -> None:
        """Writes one number."""
        self._write(step, summary=summary.scalar(name, value))

    def picture(self, name: str, picture: np.ndarray, step: int) -> None:
        """Writes an 8-bit picture `[h, w, 3]`."""
        self._write(step, summary=summary.image(name, picture, dataformats="HWC"))

    def flush(self) -> None:
        """Puts everything on disk."""
        with self._guard():
            self._writer.flush()

    def close(self) -> None:
        """Ends the file."""
        with self._guard():
            self._writer.close()

    def _guard(self):
        return as_input_error(self._folder, "cannot be written")

    def _write(self, step: int, **content) -> None:
        with self._guard():
            self._writer.write_event(_Event(wall_time=time.time(), step=step, **content))
