"""Writes prepared datasets with TFDS alone, as somebody else might: whole pictures or tiles."""

import io
import pathlib

import cv2
import numpy as np
import tensorflow_datasets as tfds

PICTURES = ("hazy", "clear", "transmission")


class _Set(tfds.core.GeneratorBasedBuilder):
    name = "record_set"
    VERSION = tfds.core.Version("1.0.0")

    def __init__(self, *, features, splits, **options):
        self._features, self._splits = features, splits
        super().__init__(**options)
        self._log_download_bytes = self._log_download_done = lambda: None

    def _info(self):
        features = tfds.features.FeaturesDict(self._features)
        return tfds.core.DatasetInfo(builder=self, features=features, disable_shuffling=True)

    def _split_generators(self, dl_manager):
        return {name: self._generate_examples(examples) for name, examples in self._splits.items()}

    def _generate_examples(self, examples):
        for example in examples:
            yield example["id"], example


def write_set(to, examples, *, tile=None, encode=None, split="train"):
    """Writes examples, dictionaries of arrays, as one split.

    `encode` makes bytes of a picture or a tile; PNG by default.
    """
    tfds.disable_progress_bar()
    first = examples[0]
    features = {"id": tfds.features.Text()}
    for key, values in first.items():
        if key in PICTURES:
            shape = (None, None, 1 if values.ndim == 2 else 3)
            feature = tfds.features.Image(shape=shape, dtype=values.dtype)
            features[key] = feature if tile is None else tfds.features.Sequence(feature)
        elif key == "depth":
            features[key] = tfds.features.Tensor(
                shape=(None, None), dtype=np.float16, encoding="zlib"
            )
        elif key != "id":
            features[key] = tfds.features.Tensor(shape=values.shape, dtype=values.dtype)
    if tile is not None:
        features["tile"] = tfds.features.Scalar(dtype=np.int32)
        features["size"] = tfds.features.Tensor(shape=(2,), dtype=np.int32)
    stored = [_stored(example, tile, encode or png) for example in examples]
    folder = pathlib.Path(to)
    builder = _Set(
        data_dir=folder.with_name(f"{folder.name}-build"),
        features=features,
        splits={split: stored},
        file_format="array_record",
    )
    builder.download_and_prepare()
    pathlib.Path(builder.data_dir).rename(folder)
    return folder


def png(pixels):
    """PNG bytes of `[h, w, 3]` R G B or `[h, w]`."""
    ordered = pixels[..., ::-1] if pixels.ndim == 3 else pixels
    return cv2.imencode(".png", np.ascontiguousarray(ordered))[1].tobytes()


def _stored(example, tile, encode):
    stored = dict(example)
    for key in PICTURES:
        if key not in example:
            continue
        pixels = example[key]
        if tile is None:
            stored[key] = io.BytesIO(encode(pixels))
        else:
            height, width = pixels.shape[:2]
            stored[key] = [
                io.BytesIO(encode(pixels[top : top + tile, left : left + tile]))
                for top in range(0, height, tile)
                for left in range(0, width, tile)
            ]
            stored |= {"tile": np.int32(tile), "size": np.array([height, width], np.int32)}
    return stored
