"""What all TFDS builders of the package have in common: tasks, features, how pictures are stored.

A builder plans tasks, each of which makes some examples and knows nothing of the others, so that
`writing` can do them in parallel and go on where it was stopped. TFDS's own
`download_and_prepare` does them one after the other and writes the same records.
"""

import abc
import dataclasses
import functools
import io
import pathlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, TypeAlias

import numpy as np
import tensorflow_datasets as tfds
from numpy.typing import DTypeLike
from tensorflow_datasets.proto import tf_example_pb2

from dehaze_jax.data.layouts import Dataset
from dehaze_jax.data.records import encode_picture, encode_transmission
from dehaze_jax.data.tiles import check_tile, encode_tiles
from dehaze_jax.errors import InputError
from dehaze_jax.image.ranges import from_float

Features: TypeAlias = dict[str, Any]
"""One example by feature, as TFDS encodes it."""

_SHARD_BYTES = 2**26
_MOST_SHARDS = 512


@dataclasses.dataclass(frozen=True)
class Task:
    """Work that makes a few examples.

    Attributes:
        id: unique in its split.
        files: what it reads; a change of theirs asks for the work to be done again.
        make: does it; raises `InputError` for a file that cannot be used.
        weight: bytes that go in, by which work is measured.
        examples: how many it makes.
    """

    id: str
    files: tuple[pathlib.Path, ...]
    make: Callable[[], list[Features]]
    weight: int
    examples: int = 1


@dataclasses.dataclass(eq=False, kw_only=True)
class BuilderConfig(tfds.core.BuilderConfig):
    """Options of all builders.

    Attributes:
        tiles: side in pixels of the tiles that pictures are stored in, a multiple of 8; 0 stores
            whole pictures.
        quality: of JPEG, 1 to 100; None stores exactly what was read: whole pictures as they are
            where the file is PNG or JPEG, else as PNG.
        seed: of everything drawn.

    Raises:
        InputError: a value out of range.
    """

    tiles: int = 0
    quality: int | None = None
    seed: int = 0

    def __post_init__(self):
        if self.tiles:
            check_tile(self.tiles)
        rules = {
            "quality": (self.quality is None or 1 <= self.quality <= 100, "must lie in [1, 100]"),
            "seed": (self.seed >= 0, "must not be negative"),
        }
        for field, (holds, rule) in rules.items():
            if not holds:
                raise InputError(field, f"{getattr(self, field)} {rule}")

    def features(self, pictures: Sequence[str], dtype: DTypeLike) -> Features:
        """Features of an example's id and pictures.

        Args:
            pictures: their names, any of `hazy`, `clear` and `transmission`.
            dtype: of all but transmission, which has 16 bits.
        """
        features: Features = {"id": tfds.features.Text()}
        if self.tiles:
            features |= {key: tfds.features.Sequence(tfds.features.Text()) for key in pictures}
            features["tile"] = tfds.features.Scalar(np.int32)
            features["size"] = tfds.features.Tensor(shape=(2,), dtype=np.int32)
            return features
        for key in pictures:
            channels, kind = (1, np.uint16) if key == "transmission" else (3, dtype)
            features[key] = tfds.features.Image(shape=(None, None, channels), dtype=kind)
        return features

    def store(
        self,
        pictures: Mapping[str, np.ndarray],
        *,
        as_read: Mapping[str, bytes | None] | None = None,
    ) -> Features:
        """An example's pictures as `features` has them.

        Args:
            pictures: of one size; `hazy` and `clear` `[h, w, 3]`, uint8 or uint16 (uint8 with a
                quality), `transmission` `[h, w]` float32 in [0, 1].
            as_read: the bytes of some of them as their files have them, where that is exact.
        """
        size = next(iter(pictures.values())).shape[:2]
        if self.tiles:
            tiles = {key: self._tiles(key, pixels) for key, pixels in pictures.items()}
            return tiles | {"tile": self.tiles, "size": np.array(size, np.int32)}
        stored = {}
        for key, pixels in pictures.items():
            if key == "transmission":
                data = encode_transmission(pixels)
            elif self.quality is None and (kept := (as_read or {}).get(key)):
                data = kept
            else:
                data = encode_picture(pixels, quality=self.quality)
            stored[key] = io.BytesIO(data)
        return stored

    def _tiles(self, key: str, pixels: np.ndarray) -> list[bytes]:
        if key == "transmission":
            return encode_tiles(from_float(pixels, np.uint16), tile=self.tiles)
        return encode_tiles(pixels, tile=self.tiles, quality=self.quality)


class ShardedBuilder(tfds.core.ShardBasedBuilder, skip_registration=True):
    """Base of the builders.

    Attributes:
        variants: what can be prepared with it.
        config_class: of its options.
        dtype: of its hazy and clear pictures, uint8 or uint16.
        edition: which of the dataset's editions the user's copy is, or is nearest to.
        notes: what is to be said of the copy.
        faults: files that are left out, and why.
    """

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES: ClassVar[Mapping[str, str]] = {"1.0.0": "First version."}
    variants: ClassVar[Sequence[Dataset]] = ()
    config_class: ClassVar[type[BuilderConfig]] = BuilderConfig
    dtype = np.dtype(np.uint8)

    def __init__(self, *, config: BuilderConfig, **options: Any):
        self.config = config
        self.dataset = next(v for v in self.variants if v.config == config.name)
        self.edition = ""
        self.notes: list[str] = []
        self.faults: list[InputError] = []
        self.tasks = self.plan()
        super().__init__(config=config, **options)

    @classmethod
    def option_names(cls, dataset: Dataset) -> set[str]:
        """Names of the options that mean something for a dataset."""
        foreign = {field.name for field in dataclasses.fields(tfds.core.BuilderConfig)}
        return {field.name for field in dataclasses.fields(cls.config_class)} - foreign - {"source"}

    @abc.abstractmethod
    def plan(self) -> dict[str, list[Task]]:
        """The tasks of every split, before anything is read but names and sizes of files."""

    @abc.abstractmethod
    def features(self) -> Features:
        """What the examples have."""

    def shards(self) -> dict[str, list[list[Task]]]:
        """The tasks of every record file, by split."""
        return {split: _shards(tasks) for split, tasks in self.tasks.items()}

    def serialize(self, example: Features) -> bytes:
        """The record of an example; the same bytes whenever it is made."""
        features: Any = self.info.features
        # TFDS leaves the order of the features to chance.
        record = tf_example_pb2.Example.FromString(  # pyright: ignore[reportAttributeAccessIssue]
            features.serialize_example(example)
        )
        return record.SerializeToString(deterministic=True)

    def _info(self) -> tfds.core.DatasetInfo:
        features = self.features()
        keys = ("hazy", "clear")
        return self.dataset_info_from_configs(
            features=tfds.features.FeaturesDict(features),
            supervised_keys=keys if all(key in features for key in keys) else None,
            homepage=self.dataset.homepage,
            license=self.dataset.terms,
            disable_shuffling=True,
        )

    def _shard_iterators_per_split(
        self, dl_manager: Any
    ) -> dict[str, list[Callable[[], Iterator[tuple[str, Features]]]]]:
        if self.faults:
            raise self.faults[0]
        return {
            split: [functools.partial(_examples, tasks) for tasks in shards]
            for split, shards in self.shards().items()
        }


def _examples(tasks: Sequence[Task]) -> Iterator[tuple[str, Features]]:
    for task in tasks:
        for example in task.make():
            yield example["id"], example


def _shards(tasks: Sequence[Task]) -> list[list[Task]]:
    """Tasks for record files of some 64 MB, equally many for each: a change moves no others."""
    total = sum(task.weight for task in tasks)
    wanted = max(_SHARD_BYTES, total / _MOST_SHARDS) * len(tasks) / max(total, 1)
    size = 2 ** max(0, int(np.log2(max(wanted, 1))))
    return [list(tasks[start : start + size]) for start in range(0, len(tasks), size)]
