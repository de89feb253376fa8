import cv2
import numpy as np
import pytest
import tensorflow_datasets as tfds


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


@pytest.fixture
def copy_of(tmp_path, picture):
    """A folder with tiny pictures of the given names, each of its own pixels; returns both."""

    def make(*names, height=8, width=9):
        pixels = {
            name: picture(tmp_path / "copy" / name, height, width, seed=number)
            for number, name in enumerate(names)
        }
        return tmp_path / "copy", pixels

    return make


@pytest.fixture
def ids_of():
    """Ids of the examples of a prepared directory by split, as TFDS itself reads them."""

    def read(path):
        splits = tfds.builder_from_directory(path).as_data_source()
        return {split: [record["id"].decode() for record in splits[split]] for split in splits}

    return read
