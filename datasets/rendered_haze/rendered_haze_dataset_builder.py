"""Rendered haze: varied density, airlight and homogeneity, every parameter with its example.

Splits share no photograph and no scene.
"""

import dataclasses
import functools
import pathlib
from typing import Any, ClassVar

import jax
import numpy as np
import tensorflow_datasets as tfds

from dehaze_jax import haze
from dehaze_jax.data import (
    BuilderConfig,
    Dataset,
    ShardedBuilder,
    Task,
    density,
    encode_depth_tiles,
    split_scenes,
)
from dehaze_jax.errors import InputError
from dehaze_jax.image import from_float

from . import scenes


@dataclasses.dataclass(eq=False, kw_only=True)
class Config(BuilderConfig):
    """Options of the builder.

    Attributes:
        source: folder of clear pictures.
        size: height and width of landscapes.
        scenes: number of landscapes.
        hazes: hazy pictures of each scene.

    Raises:
        InputError: a number below 1.
    """

    source: str = ""
    size: tuple[int, int] = (384, 512)
    scenes: int = 24
    hazes: int = 4

    def __post_init__(self):
        super().__post_init__()
        if min(*self.size, self.scenes, self.hazes) < 1:
            raise InputError(self.name, "size, scenes and hazes must be at least 1")


class Builder(ShardedBuilder):
    """Haze rendered on clear pictures of known or plausible depth."""

    name = "rendered_haze"
    config: Config
    config_class: ClassVar[type[BuilderConfig]] = Config
    variants = (
        Dataset(
            name="rendered_haze/photographs",
            title="haze on the photographs that scikit-image carries",
            obtain="made",
        ),
        Dataset(
            name="rendered_haze/landscapes",
            title="haze on procedural landscapes with exact depth, at any size",
            obtain="made",
        ),
        Dataset(
            name="rendered_haze/folder",
            title="haze on your clear pictures; depth maps from its depth/ folder, if there",
            obtain="yours",
        ),
    )

    @classmethod
    def option_names(cls, dataset: Dataset) -> set[str]:
        """Only landscapes have a size and a number."""
        theirs = set() if dataset.config == "landscapes" else {"size", "scenes"}
        return super().option_names(dataset) - theirs

    def plan(self) -> dict[str, list[Task]]:
        """A task for each scene; pictures that lack their depth map are faults."""
        return {
            split: [self._task(name, scene) for name, scene in members.items()]
            for split, members in self._scenes().items()
        }

    def features(self) -> dict[str, Any]:
        """Pictures, and all parameters of the haze."""
        whole = tfds.features.Tensor(shape=(None, None), dtype=np.float16, encoding="zlib")
        tiles = tfds.features.Sequence(tfds.features.Text())
        return {
            **self.config.features(("hazy", "clear", "transmission"), np.uint8),
            "depth": tiles if self.config.tiles else whole,
            "beta": tfds.features.Scalar(dtype=np.float32),
            "airlight": tfds.features.Tensor(shape=(3,), dtype=np.float32),
            "non_homogeneity": tfds.features.Scalar(dtype=np.float32),
        }

    def _scenes(self) -> dict[str, dict[str, scenes.Source]]:
        config = self.config
        if config.name == "photographs":
            return scenes.photographs(config.seed)
        if config.name == "landscapes":
            sources = scenes.landscapes(config.seed, config.scenes, *config.size)
        else:
            sources, faults, notes = scenes.folder(pathlib.Path(config.source), config.seed)
            self.faults += faults
            self.notes += notes
        return {
            split: {name: sources[name] for name in names}
            for split, names in split_scenes(sources, seed=config.seed).items()
            if names
        }

    def _task(self, name: str, source: scenes.Source) -> Task:
        return Task(
            id=name,
            files=source.files,
            make=functools.partial(self._make, name, source),
            weight=source.weight * self.config.hazes,
            examples=self.config.hazes,
        )

    def _make(self, name: str, source: scenes.Source) -> list[dict[str, Any]]:
        scene = source.load()
        examples = []
        for number in range(self.config.hazes):
            entropy = [self.config.seed, number, *name.encode()]
            hazy, transmission, known = _render(scene, np.random.default_rng(entropy))
            pictures = {"hazy": hazy, "clear": scene.levels, "transmission": transmission}
            stored = self.config.store(pictures, as_read={"clear": scene.data})
            depth = self._depth(scene.depth)
            examples.append({"id": f"{name}_{number}", **stored, "depth": depth, **known})
        return examples

    def _depth(self, depth: np.ndarray) -> np.ndarray | list[bytes]:
        if self.config.tiles:
            return encode_depth_tiles(depth, tile=self.config.tiles)
        return depth.astype(np.float16)


def _render(
    scene: scenes.Scene, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, dict[str, Any]]:
    """One haze: transmission at the median depth, brightness and tint of the airlight, patches.

    Returns:
        The hazy picture uint8, the transmission `[h, w]`, and the other features.
    """
    median = float(np.median(scene.depth))
    beta = float(-np.log(rng.uniform(0.2, 0.85)) / max(median, 1e-6))
    airlight = rng.uniform(0.7, 1.0) + rng.normal(0, 0.015, size=3)
    airlight = np.clip(airlight, 0, 1).astype(np.float32)
    strength = float(rng.choice([0.0, rng.uniform(0.2, 0.8)]))
    height, width = scene.depth.shape
    field = density(int(rng.integers(2**31)), height, width, strength=strength)
    hazy, transmission = _compose(scene.clear, scene.depth, np.float32(beta) * field, airlight)
    known = {
        "beta": np.float32(beta),
        "airlight": airlight,
        "non_homogeneity": np.float32(strength),
    }
    return from_float(np.asarray(hazy), np.uint8), np.asarray(transmission), known


@jax.jit
def _compose(clear, depth, beta, airlight):
    transmission = haze.transmission(depth, beta=beta)
    return haze.compose(clear, transmission, airlight), transmission
