"""The maps of one example, which can be had in part: a cut of a tiled picture costs little.

A map is an array `[h, w, c]` or `[h, w]` of the size of the example, or a vector `[n]`, which has
no place and comes with every part.
"""

import contextlib
import dataclasses
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from dehaze_jax.data.records import decode_depth, decode_picture, decode_transmission
from dehaze_jax.data.tiles import Place, decode_depth_tile, decode_region
from dehaze_jax.errors import InputError

PICTURES: Mapping[str, Callable[[bytes], np.ndarray]] = {
    "hazy": decode_picture,
    "clear": decode_picture,
    "transmission": decode_transmission,
}
"""Features that are encoded pictures."""
ARRAYS: Mapping[str, Callable[[Any], np.ndarray]] = {
    "depth": decode_depth,
    "airlight": np.asarray,
    "beta": np.asarray,
}
"""Further features that are maps, as they stand whole."""

_WHOLE: Mapping[str, Callable[[Any], np.ndarray]] = {**PICTURES, **ARRAYS}
_TILE: Mapping[str, Callable[[bytes], np.ndarray]] = {**PICTURES, "depth": decode_depth_tile}


@dataclasses.dataclass(frozen=True)
class DecodedMaps:
    """Maps that are in memory.

    Attributes:
        arrays: by name; one of them at least is no vector, and those that are none have one size.
    """

    arrays: Mapping[str, np.ndarray]

    def __post_init__(self):
        if len({values.shape[:2] for values in self.arrays.values() if values.ndim > 1}) > 1:
            raise ValueError("maps of different sizes")

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return next(values.shape[:2] for values in self.arrays.values() if values.ndim > 1)

    def part(self, place: Place | None = None) -> dict[str, np.ndarray]:
        """All maps at one place, or whole; not copied."""
        return {
            name: values if place is None or values.ndim < 2 else values[place]
            for name, values in self.arrays.items()
        }


@dataclasses.dataclass(frozen=True)
class TiledMaps:
    """Maps that are tiles; each call decodes those that it needs.

    Attributes:
        name: where they stand, for messages.
        size: height and width.
        tile: side of the tiles.
        tiles: those of each map that is tiled, by its name.
        others: the maps that are not.
    """

    name: str
    size: tuple[int, int]
    tile: int
    tiles: Mapping[str, Sequence[bytes]] = dataclasses.field(repr=False)
    others: DecodedMaps = dataclasses.field(repr=False)

    def part(self, place: Place | None = None) -> dict[str, np.ndarray]:
        """All maps at one place, or whole.

        Raises:
            InputError: a tile is damaged.
        """
        region = place or (slice(0, self.size[0]), slice(0, self.size[1]))
        with naming(self.name):
            tiled = {
                key: decode_region(tiles, self.size, self.tile, region, decode=_TILE[key])
                for key, tiles in self.tiles.items()
            }
            return tiled | self.others.part(place)


Maps: TypeAlias = DecodedMaps | TiledMaps
"""Maps by name, and their common size; `part` gives all of them at one place, or whole."""


def record_maps(name: str, record: Mapping[str, Any], keys: Sequence[str]) -> Maps:
    """The maps of a record; whole pictures are decoded here, tiles later.

    Args:
        name: where it stands, for messages.
        record: features as TFDS gives them, with pictures not decoded.
        keys: names of maps; those that the record lacks are left out.

    Raises:
        InputError: it is damaged.
    """
    keys = [key for key in keys if key in record]
    with naming(name):
        if "tile" not in record:
            return DecodedMaps({key: _WHOLE[key](record[key]) for key in keys})
        height, width = map(int, record["size"])
        tiled = [key for key in keys if key in _TILE and not isinstance(record[key], Mapping)]
        tiles = {key: list(record[key]) for key in tiled}
        others = {key: ARRAYS[key](record[key]) for key in keys if key not in tiled}
        if "depth" in others and others["depth"].shape != (height, width):
            raise ValueError("maps of different sizes")
        tile = int(record["tile"])
        return TiledMaps(name, (height, width), tile, tiles, DecodedMaps(others))


@contextlib.contextmanager
def naming(name: str) -> Iterator[None]:
    """Errors that damaged records cause become one that says where."""
    try:
        yield
    except (RuntimeError, ValueError, TypeError, KeyError, zlib.error) as error:
        raise InputError(name, "cannot be read; the record file is damaged") from error
