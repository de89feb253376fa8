"""Interrupts as requests that the loop answers between two steps."""

import os
import signal
import threading
from types import FrameType


class StopRequest:
    """A context in which SIGINT and SIGTERM are noted; a second SIGINT interrupts at once.

    Attributes:
        signal: the signal that came, if one did.
    """

    def __init__(self):
        self.signal: int | None = None
        self._before = {}

    def __enter__(self):
        # Only the main thread may set handlers; elsewhere signals do what they did before.
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *_):
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, _: FrameType | None) -> None:
        if self.signal is not None and number == signal.SIGINT:
            raise KeyboardInterrupt
        if self.signal is None:  # the loop may be compiling, for minutes
            os.write(2, b"stopping soon, with a checkpoint; a Ctrl-C from now on ends at once\n")
        self.signal = number
