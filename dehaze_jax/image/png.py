"""PNG where the libraries stop: 16 bits with every channel count, profile and checksums.

Pillow reads 16-bit colour as 8-bit; OpenCV reads it, but prints libpng's complaints about damaged
files, and neither writes a 16-bit grey picture with alpha.
"""

import struct
import zlib
from collections.abc import Iterator

import numpy as np

from dehaze_jax.image.atomic import Stream

SIGNATURE = b"\x89PNG\r\n\x1a\n"

_COLOUR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}
_FILTER_SUB = 1
# Level 3 makes photographs 2 to 9 % smaller and takes nearly twice as long, level 6 some percent
# more and several times as long: writing is to stay behind restoring.
_LEVEL = 1


def chunks(data: bytes) -> Iterator[tuple[bytes, memoryview]]:
    """The chunks of a PNG file up to and with IEND, their checksums verified.

    Args:
        data: the whole file.

    Yields:
        `(type, content)`.

    Raises:
        ValueError: if the file is cut off or a checksum is wrong.
    """
    view = memoryview(data)
    position, kind = len(SIGNATURE), b""
    while kind != b"IEND":
        if position + 12 > len(view):
            raise ValueError("the file is cut off")
        (length,) = struct.unpack_from(">I", view, position)
        end = position + 8 + length
        if end + 4 > len(view):
            raise ValueError("the file is cut off")
        kind = bytes(view[position + 4 : position + 8])
        (checksum,) = struct.unpack_from(">I", view, end)
        if zlib.crc32(view[position + 4 : end]) != checksum:
            raise ValueError("the file is damaged (wrong checksum)")
        yield kind, view[position + 8 : end]
        position = end + 4


def verify(data: bytes) -> None:
    """Reads all chunks.

    Raises:
        ValueError: if the file is cut off or a checksum is wrong.
    """
    for _ in chunks(data):
        pass


def depth_and_grey(data: bytes) -> tuple[int, bool]:
    """Bits per sample and whether the picture is grey.

    Args:
        data: the file, or its first 26 bytes at least.

    Raises:
        ValueError: if the header is cut off.
    """
    if len(data) < 26:
        raise ValueError("the file is cut off")
    bits, colour_type = data[24], data[25]
    return bits, colour_type in (0, 4)


def encode(stream: Stream, samples: np.ndarray, icc: bytes | None) -> None:
    """Writes a PNG file of 8 or 16 bits.

    Args:
        stream: where to.
        samples: `[h, w, c]`, uint8 or uint16; c = 1 grey, 2 grey and alpha, 3 colour, 4 colour and
            alpha.
        icc: colour profile.
    """
    height, width, channels = samples.shape
    bits = 8 * samples.dtype.itemsize
    shape = struct.pack(">IIBBBBB", width, height, bits, _COLOUR_TYPES[channels], 0, 0, 0)
    stream.write(SIGNATURE)
    _write_chunk(stream, b"IHDR", shape)
    if icc is not None:
        _write_chunk(stream, b"iCCP", b"ICC profile\0\0" + zlib.compress(icc))
    rows = samples.astype(samples.dtype.newbyteorder(">"), copy=False).view(np.uint8)
    rows = rows.reshape(height, -1)
    step = channels * samples.dtype.itemsize
    lines = np.empty((height, rows.shape[1] + 1), np.uint8)
    lines[:, 0] = _FILTER_SUB
    lines[:, 1 : 1 + step] = rows[:, :step]
    np.subtract(rows[:, step:], rows[:, :-step], out=lines[:, 1 + step :])
    compressor = zlib.compressobj(_LEVEL)
    for line in np.array_split(lines, -(-lines.nbytes // 2**24)):
        _write_chunk(stream, b"IDAT", compressor.compress(line.tobytes()))
    _write_chunk(stream, b"IDAT", compressor.flush())
    _write_chunk(stream, b"IEND", b"")


def _write_chunk(stream: Stream, kind: bytes, content: bytes) -> None:
    stream.write(struct.pack(">I", len(content)) + kind)
    stream.write(content)
    stream.write(struct.pack(">I", zlib.crc32(content, zlib.crc32(kind))))
