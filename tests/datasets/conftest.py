import cv2
import numpy as np
import pytest


@pytest.fixture
def picture():
    """Writes a random colour picture; the suffix chooses the format."""

    def write(path, height=24, width=32, seed=0, dtype=np.uint8):
        top = np.iinfo(dtype).max
        pixels = np.random.default_rng(seed).integers(0, top, (height, width, 3), dtype)
        path.parent.mkdir(parents=True, exist_ok=True)
        assert cv2.imwrite(str(path), pixels[..., ::-1])
        return pixels

    return write
