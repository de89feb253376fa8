"""Rendered haze: varied density, airlight and homogeneity, every parameter with its example.

Splits share no photograph and no scene.
"""

import dataclasses
import io
import pathlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jax
import numpy as np
import tensorflow_datasets as tfds

from dehaze_jax import haze
from dehaze_jax.data import density, encode_picture, encode_transmission, split_scenes
from dehaze_jax.image import from_float

from . import scenes


@dataclasses.dataclass(eq=False, kw_only=True)
class Config(tfds.core.BuilderConfig):
    """Options of the builder; `name` is photographs, landscapes or folder.

    Attributes:
        source: folder of clear pictures.
        height: of landscapes.
        width: of landscapes.
        scenes: number of landscapes.
        hazes: hazy pictures of each scene.
        seed: of everything drawn.
    """

    source: str = ""
    height: int = 384
    width: int = 512
    scenes: int = 24
    hazes: int = 4
    seed: int = 0


class Builder(tfds.core.GeneratorBasedBuilder):
    """Haze rendered on clear pictures of known or plausible depth."""

    name = "rendered_haze"
    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES: Mapping[str, str] = {"1.0.0": "First version."}
    report: Callable[[int, int], None] | None = None

    def __init__(self, **options: Any):
        self._config: Config = options["config"]
        super().__init__(**options)

    def _info(self) -> tfds.core.DatasetInfo:
        picture = tfds.features.Image(shape=(None, None, 3))
        features = tfds.features.FeaturesDict(
            {
                "id": tfds.features.Text(),
                "hazy": picture,
                "clear": picture,
                "transmission": tfds.features.Image(shape=(None, None, 1), dtype=np.uint16),
                "depth": tfds.features.Tensor(
                    shape=(None, None), dtype=np.float16, encoding="zlib"
                ),
                "beta": tfds.features.Scalar(dtype=np.float32),
                "airlight": tfds.features.Tensor(shape=(3,), dtype=np.float32),
                "non_homogeneity": tfds.features.Scalar(dtype=np.float32),
            }
        )
        return self.dataset_info_from_configs(
            features=features, supervised_keys=("hazy", "clear"), disable_shuffling=True
        )

    def _split_generators(self, dl_manager: Any) -> dict[str, Iterator[tuple[str, dict[str, Any]]]]:
        splits = self._loaders()
        self._done = 0
        self._total = self._config.hazes * sum(map(len, splits.values()))
        return {split: self._generate_examples(loaders) for split, loaders in splits.items()}

    def _loaders(self) -> dict[str, dict[str, scenes.Load]]:
        config = self._config
        if config.name == "photographs":
            return scenes.photographs(config.seed)
        if config.name == "landscapes":
            loaders = scenes.landscapes(config.seed, config.scenes, config.height, config.width)
        else:
            loaders = scenes.folder(pathlib.Path(config.source), config.seed)
        return {
            split: {name: loaders[name] for name in names}
            for split, names in split_scenes(loaders, seed=config.seed).items()
        }

    def _generate_examples(
        self, loaders: Mapping[str, scenes.Load]
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        for name, load in loaders.items():
            scene = load()
            for number in range(self._config.hazes):
                entropy = [self._config.seed, number, *name.encode()]
                example = _render(scene, np.random.default_rng(entropy))
                identity = f"{name}_{number}"
                yield identity, {"id": identity, "clear": io.BytesIO(scene.data), **example}
                self._done += 1
                if self.report:
                    self.report(self._done, self._total)


def _render(scene: scenes.Scene, rng: np.random.Generator) -> dict[str, Any]:
    """One haze: transmission at the median depth, brightness and tint of the airlight, patches."""
    median = float(np.median(scene.depth))
    beta = float(-np.log(rng.uniform(0.2, 0.85)) / max(median, 1e-6))
    airlight = rng.uniform(0.7, 1.0) + rng.normal(0, 0.015, size=3)
    airlight = np.clip(airlight, 0, 1).astype(np.float32)
    strength = float(rng.choice([0.0, rng.uniform(0.2, 0.8)]))
    height, width = scene.depth.shape
    field = density(int(rng.integers(2**31)), height, width, strength=strength)
    hazy, transmission = _compose(scene.clear, scene.depth, np.float32(beta) * field, airlight)
    return {
        "hazy": io.BytesIO(encode_picture(from_float(np.asarray(hazy), np.uint8))),
        "transmission": io.BytesIO(encode_transmission(np.asarray(transmission))),
        "depth": scene.depth.astype(np.float16),
        "beta": np.float32(beta),
        "airlight": airlight,
        "non_homogeneity": np.float32(strength),
    }


@jax.jit
def _compose(clear, depth, beta, airlight):
    transmission = haze.transmission(depth, beta=beta)
    return haze.compose(clear, transmission, airlight), transmission
