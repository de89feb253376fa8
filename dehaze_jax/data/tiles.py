"""Pictures as grids of encoded tiles: a part of a picture costs only the tiles that it touches.

In a record a tiled picture stands as a sequence of PNG or JPEG bytes, row by row from the top left;
so may depth. The features `tile` (pixels a side) and `size` (height, width) say how they lie. Tiles
at the right and lower edge are as much smaller as the picture ends there.
"""

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np

from dehaze_jax.data.records import decode_levels, decode_picture, encode_picture
from dehaze_jax.errors import InputError

Place: TypeAlias = tuple[slice, slice]
"""Rows and columns of a part of a picture; both ends given, no steps."""

_BLOCK = 8  # side of a JPEG block


def check_tile(tile: int) -> None:
    """Refuses sides of tiles that are no positive multiple of a JPEG block's, 8.

    Tiles of whole blocks decode to exactly what one JPEG of the whole picture does: no seams.

    Raises:
        InputError: with the value.
    """
    if tile < _BLOCK or tile % _BLOCK:
        raise InputError("tile", f"{tile} is no positive multiple of {_BLOCK}")


def tile_places(height: int, width: int, tile: int) -> list[Place]:
    """Where the tiles of a picture lie, in the order in which they are stored."""
    return [
        (slice(top, min(top + tile, height)), slice(left, min(left + tile, width)))
        for top in range(0, height, tile)
        for left in range(0, width, tile)
    ]


def encode_tiles(pixels: np.ndarray, *, tile: int, quality: int | None = None) -> list[bytes]:
    """Cuts a picture into tiles and encodes each.

    Args:
        pixels: `[h, w, 3]` or `[h, w]`, uint8 or uint16.
        tile: side in pixels, a multiple of 8; may be larger than the picture.
        quality: of JPEG without subsampled colours, 1 to 100, for uint8 only; None is PNG, exact.

    Raises:
        InputError: `tile` is not such a number.
        ValueError: the pixels cannot be encoded so.
    """
    check_tile(tile)
    height, width = pixels.shape[:2]
    places = tile_places(height, width, tile)
    return [encode_picture(pixels[place], quality=quality) for place in places]


def encode_depth_tiles(depth: np.ndarray, *, tile: int) -> list[bytes]:
    """Cuts `[h, w]` into tiles of float16, whose bits stand as the levels of 16-bit grey PNG.

    Raises:
        InputError: `tile` is not a multiple of 8.
    """
    return encode_tiles(depth.astype(np.float16).view(np.uint16), tile=tile)


def decode_depth_tile(data: bytes) -> np.ndarray:
    """`[h, w]` float32 from one of the tiles that `encode_depth_tiles` gives.

    Raises:
        ValueError: the bytes are no such picture.
    """
    return decode_levels(data).view(np.float16).astype(np.float32)


def decode_region(
    tiles: Sequence[bytes],
    size: tuple[int, int],
    tile: int,
    place: Place,
    *,
    decode: Callable[[bytes], np.ndarray] = decode_picture,
) -> np.ndarray:
    """Pixels of a part of a tiled picture; only the tiles that it touches are decoded.

    Args:
        tiles: all tiles of the picture.
        size: its height and width.
        tile: side of the tiles.
        place: the part; not empty, inside the picture.
        decode: from the bytes of a tile to `[h, w, c]` or `[h, w]`.

    Raises:
        ValueError: there are not as many tiles as the size asks for, or one of those touched is
            no picture or has another size or type than it should have.
    """
    height, width = size
    columns = -(-width // tile)
    if len(tiles) != -(-height // tile) * columns:
        raise ValueError(f"{len(tiles)} tiles of {tile} are not a picture of {height} x {width}")
    rows, cols = place
    region: np.ndarray | None = None
    for row in range(rows.start // tile, -(-rows.stop // tile)):
        for column in range(cols.start // tile, -(-cols.stop // tile)):
            top, left = row * tile, column * tile
            part = decode(tiles[row * columns + column])
            if part.shape[:2] != (min(tile, height - top), min(tile, width - left)):
                raise ValueError(f"a tile has {part.shape[:2]} pixels")
            if region is None:
                shape = rows.stop - rows.start, cols.stop - cols.start
                region = np.empty((*shape, *part.shape[2:]), part.dtype)
            elif part.dtype != region.dtype:
                raise ValueError(f"a tile is {part.dtype}, others are {region.dtype}")
            (target, source), (to_columns, from_columns) = (
                _overlap(wanted, start, length)
                for wanted, start, length in zip(place, (top, left), part.shape, strict=False)
            )
            region[target, to_columns] = part[source, from_columns]
    if region is None:
        raise ValueError("the part is empty")
    return region


def _overlap(wanted: slice, start: int, length: int) -> tuple[slice, slice]:
    """Where a tile's pixels from `start` on lie in the part that is wanted, and in the tile."""
    first, last = max(wanted.start, start), min(wanted.stop, start + length)
    return slice(first - wanted.start, last - wanted.start), slice(first - start, last - start)
