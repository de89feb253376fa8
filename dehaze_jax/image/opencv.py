"""The one call into OpenCV's decoders."""

import cv2
import numpy as np


def decode_opencv(data: bytes) -> np.ndarray:
    """`[h, w, c]` in the order R G B A, of the type that the file holds.

    Raises:
        ValueError: if OpenCV cannot decode it.
    """
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error as error:
        raise ValueError(f"OpenCV cannot decode it ({error.err})") from error
    if pixels is None:
        raise ValueError("the file is damaged or of an unsupported kind")
    if pixels.ndim == 2:
        return pixels[..., None]
    return pixels[..., [2, 1, 0, 3][: pixels.shape[2]]]
