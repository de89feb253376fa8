"""How a loader process is set up. No JAX: it would start its devices there."""

import ctypes
import signal
import sys

import cv2

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # glibc, malloc.h
_LARGE = 2**30  # bytes; no record or frame is larger


def set_up_loader(index: int, count: int) -> None:
    """Makes this process one that reads examples, and nothing else; for grain, once in each.

    OpenCV uses no threads of its own, since there are as many loaders as there are processors for
    them. Memory of records and frames is kept for the next ones: by default glibc gives buffers of
    this size back to the system every time, and getting them again, page by page, costs more than
    reading what they hold.

    Args:
        index: number of the process.
        count: number of processes.
    """
    del index, count  # all are alike
    # Ctrl-C is for the program, which still reads until it has stopped.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    cv2.setNumThreads(1)
    if sys.platform == "linux":
        set_option = getattr(ctypes.CDLL(None), "mallopt", None)  # other C libraries have none
        if set_option is not None:
            set_option(_MMAP_THRESHOLD, _LARGE)
            set_option(_TRIM_THRESHOLD, _LARGE)
