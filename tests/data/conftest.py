import cv2
import numpy as np
import pytest


@pytest.fixture
def picture():
    """Writes a smooth random colour picture; the suffix chooses the format."""

    def write(path, height=40, width=56, seed=0, dtype=np.uint8):
        rng = np.random.default_rng(seed)
        small = rng.random((6, 8, 3)).astype(np.float32)
        smooth = np.clip(cv2.resize(small, (width, height)), 0, 1)
        pixels = np.round(smooth * np.iinfo(dtype).max).astype(dtype)
        path.parent.mkdir(parents=True, exist_ok=True)
        done, data = cv2.imencode(path.suffix.lower(), pixels[..., ::-1])
        assert done
        path.write_bytes(data.tobytes())
        return pixels

    return write


@pytest.fixture
def pairs_folder(tmp_path, picture):
    """Makes a folder of `count` pairs, hazy/ and clear/."""

    def make(name="pairs", count=6, height=40, width=56, suffix=".png"):
        for number in range(count):
            for side, folder in enumerate(("hazy", "clear")):
                path = tmp_path / name / folder / f"{number:02d}{suffix}"
                picture(path, height, width, seed=2 * number + side)
        return tmp_path / name

    return make
