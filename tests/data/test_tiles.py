import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dehaze_jax.data import (
    decode_region,
    encode_depth_tiles,
    encode_picture,
    encode_tiles,
    tile_places,
)
from dehaze_jax.data.records import decode_picture
from dehaze_jax.data.tiles import decode_depth_tile
from dehaze_jax.errors import InputError


def _noise(height, width, dtype=np.uint8):
    rng = np.random.default_rng(0)
    return rng.integers(0, np.iinfo(dtype).max, (height, width, 3), dtype, endpoint=True)


def _smooth(height, width):
    rows, columns = np.meshgrid(np.linspace(0, 9, height), np.linspace(0, 7, width), indexing="ij")
    waves = [np.sin(rows + columns), np.cos(2 * rows), np.sin(rows * columns / 9)]
    return np.round(127.5 * (1 + np.stack(waves, axis=-1))).astype(np.uint8)


def _whole(pixels):
    return slice(0, pixels.shape[0]), slice(0, pixels.shape[1])


@given(height=st.integers(1, 60), width=st.integers(1, 60), tile=st.sampled_from([8, 16, 24]))
@settings(deadline=None, max_examples=30)
def test_tiles_cover_every_pixel_once_row_by_row(height, width, tile):
    seen = np.zeros((height, width), int)
    places = tile_places(height, width, tile)
    for place in places:
        seen[place] += 1
    assert (seen == 1).all()
    corners = [(rows.start, columns.start) for rows, columns in places]
    assert corners == sorted(corners)
    assert all(max(s.stop - s.start for s in place) <= tile for place in places)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@given(data=st.data())
@settings(deadline=None, max_examples=20)
def test_any_part_comes_back_exactly_from_the_tiles_it_touches(dtype, data):
    height, width = data.draw(st.integers(1, 50)), data.draw(st.integers(1, 50))
    top, left = data.draw(st.integers(0, height - 1)), data.draw(st.integers(0, width - 1))
    rows = slice(top, data.draw(st.integers(top + 1, height)))
    columns = slice(left, data.draw(st.integers(left + 1, width)))
    pixels = _noise(height, width, dtype)
    tiles = encode_tiles(pixels, tile=16)
    decoded = []

    def decode(data):
        decoded.append(data)
        return decode_picture(data)

    part = decode_region(tiles, (height, width), 16, (rows, columns), decode=decode)
    np.testing.assert_array_equal(part, pixels[rows, columns])
    assert part.dtype == dtype
    touched = [
        tile
        for tile, (r, c) in zip(tiles, tile_places(height, width, 16), strict=True)
        if max(r.start, top) < min(r.stop, rows.stop)
        and max(c.start, left) < min(c.stop, columns.stop)
    ]
    assert decoded == touched


@pytest.mark.parametrize("quality", [60, 95])
def test_jpeg_tiles_have_no_seams(quality):
    """They decode to what one JPEG of the whole picture does, in whatever tiles it is cut."""
    pixels = _smooth(60, 75)
    whole = decode_picture(encode_picture(pixels, quality=quality))
    assert np.abs(whole.astype(int) - pixels).max() > 0
    for tile in (8, 32, 128):
        tiles = encode_tiles(pixels, tile=tile, quality=quality)
        assert all(data[:2] == b"\xff\xd8" for data in tiles)
        np.testing.assert_array_equal(decode_region(tiles, (60, 75), tile, _whole(pixels)), whole)


def test_colours_of_a_jpeg_are_not_subsampled():
    pixels = np.zeros((16, 16, 3), np.uint8)
    pixels[:, ::2, 0] = pixels[:, 1::2, 2] = 255  # red and blue columns in turn
    decoded = decode_picture(encode_picture(pixels, quality=100))
    assert np.abs(decoded.astype(int) - pixels).max() < 10


@pytest.mark.parametrize("tile", [0, -8, 4, 12, 100])
def test_other_tiles_than_of_whole_blocks_are_refused(tile):
    with pytest.raises(InputError, match=f"tile: {tile} is no positive multiple of 8"):
        encode_tiles(_noise(8, 8), tile=tile)


def test_tiles_of_depth_hold_float16_exactly():
    depth = np.random.default_rng(0).gamma(2, 10, (20, 30)).astype(np.float16)
    depth[3, 4:8] = 0, 65504, 6e-8, np.inf
    tiles = encode_depth_tiles(depth.astype(np.float32), tile=16)
    place = slice(2, 19), slice(1, 30)
    part = decode_region(tiles, (20, 30), 16, place, decode=decode_depth_tile)
    assert part.dtype == np.float32
    np.testing.assert_array_equal(part, depth[place].astype(np.float32))
    for data in (b"", encode_picture(_noise(8, 8)), encode_picture(_noise(8, 8)[..., 0])):
        with pytest.raises(ValueError, match="not a picture"):
            decode_depth_tile(data)


def test_what_a_format_cannot_hold_is_refused():
    for pixels, quality in ((_noise(8, 8, np.uint16), 90), (_noise(8, 8) / 255, None)):
        with pytest.raises(ValueError, match="cannot be encoded as"):
            encode_tiles(pixels, tile=8, quality=quality)


def test_tiles_that_do_not_fit_are_refused():
    pixels = _noise(20, 20)
    tiles = encode_tiles(pixels, tile=16)
    place = _whole(pixels)
    with pytest.raises(ValueError, match="4 tiles of 16 are not a picture of 20 x 40"):
        decode_region(tiles, (20, 40), 16, place)
    with pytest.raises(ValueError, match=r"a tile has \(16, 4\) pixels"):
        decode_region([tiles[0], tiles[1], *tiles[1:3]], (20, 20), 16, place)
    with pytest.raises(ValueError, match="not a picture"):
        decode_region([*tiles[:3], b"no picture"], (20, 20), 16, place)
    deep = encode_tiles(pixels.astype(np.uint16), tile=16)
    with pytest.raises(ValueError, match="a tile is uint16, others are uint8"):
        decode_region([*tiles[:3], deep[3]], (20, 20), 16, place)
    # A damaged tile is no matter where it is not touched.
    part = decode_region([*tiles[:3], b""], (20, 20), 16, (slice(0, 16), slice(0, 20)))
    np.testing.assert_array_equal(part, pixels[:16])
