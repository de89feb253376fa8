"""One example of a dataset, and how its pictures stand in a record.

Pictures in a record are PNG or JPEG bytes, R G B, 8 or 16 bits. Transmission is a 16-bit grey PNG
over [0, 1]; depth is a compressed float16 array.
"""

import dataclasses
import pathlib
import zlib
from collections.abc import Iterator, Mapping
from typing import Any, Protocol, runtime_checkable

import cv2
import numpy as np

from dehaze_jax.image.picture import Picture

_STORED = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")  # how PNG and JPEG files begin
_COLOUR = cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH | cv2.IMREAD_IGNORE_ORIENTATION


@dataclasses.dataclass(frozen=True, kw_only=True)
class Example:
    """A hazy picture, its clear partner, and what is known of the haze between them.

    Attributes:
        id: name of the example, unique in its split.
        hazy: `[h, w, 3]`, uint8, uint16 or float32.
        clear: same shape; aligned to the pixel.
        extras: where known `transmission` `[h, w, 1]` float32 in [0, 1], `depth` `[h, w]` float32
            in the unit of its source, `airlight` `[3]` float32, `beta` float32 per unit of depth.
    """

    id: str
    hazy: np.ndarray
    clear: np.ndarray
    extras: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict)


@runtime_checkable
class Examples(Protocol):
    """What folders and prepared datasets have in common: a sequence of examples."""

    @property
    def fingerprint(self) -> str:
        """Depends on the content alone."""
        ...

    def __len__(self) -> int: ...
    def __getitem__(self, index: int, /) -> Example: ...
    def __iter__(self) -> Iterator[Example]: ...


def encode_picture(pixels: np.ndarray, *, quality: int | None = None) -> bytes:
    """Bytes of `[h, w, 3]` or `[h, w]`, uint8 or uint16, as PNG, or as JPEG of a quality.

    Args:
        pixels: the picture.
        quality: of JPEG with colours at full resolution, 1 to 100, for uint8 only; None is PNG.

    Raises:
        ValueError: pixels that the format has no place for.
    """
    suffix, options = ".png", []
    if quality is not None:
        suffix = ".jpg"
        options = [cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_OPTIMIZE, 1]
        options += [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
    if pixels.dtype not in ((np.uint8, np.uint16) if quality is None else (np.uint8,)):
        raise ValueError(f"pixels of {pixels.dtype} cannot be encoded as {suffix}")
    ordered = pixels[..., ::-1] if pixels.ndim == 3 else pixels
    done, data = cv2.imencode(suffix, np.ascontiguousarray(ordered), options)
    if not done:
        raise ValueError(f"cannot encode an array {pixels.shape} of {pixels.dtype} as {suffix}")
    return data.tobytes()


def decode_picture(data: bytes) -> np.ndarray:
    """`[h, w, 3]` R G B with the stored depth; ValueError where the bytes are no picture."""
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), _COLOUR)
    except cv2.error as error:
        raise ValueError("not a picture") from error
    if pixels is None:
        raise ValueError("not a picture")
    return cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)


def exact_bytes(path: pathlib.Path, picture: Picture, pixels: np.ndarray) -> bytes | None:
    """The bytes of a PNG or JPEG file where they decode to exactly `pixels`, else None.

    Not so for pictures that are cropped or widened, grey, with alpha or an orientation to apply.

    Args:
        path: the file.
        picture: what `image.read` made of it.
        pixels: what of `picture.pixels` is to be stored.
    """
    if picture.grey or picture.alpha is not None or pixels.dtype != picture.pixels.dtype:
        return None
    data = path.read_bytes()
    if data.startswith(_STORED) and np.array_equal(decode_picture(data), pixels):
        return data
    return None


def encode_transmission(transmission: np.ndarray) -> bytes:
    """PNG bytes of `[h, w]` in [0, 1]."""
    return encode_picture(np.round(np.clip(transmission, 0, 1) * 65535).astype(np.uint16))


def decode_levels(data: bytes) -> np.ndarray:
    """`[h, w]` uint16 of a 16-bit grey PNG; ValueError where the bytes are none."""
    try:
        levels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error as error:
        raise ValueError("not a picture") from error
    if levels is None or levels.dtype != np.uint16 or levels.ndim != 2:
        raise ValueError("not a picture of 16-bit grey levels")
    return levels


def decode_transmission(data: bytes) -> np.ndarray:
    """`[h, w, 1]` float32 in [0, 1]; ValueError where the bytes are no picture."""
    return decode_levels(data)[..., None].astype(np.float32) / np.float32(65535)


def decode_depth(stored: Mapping[str, Any]) -> np.ndarray:
    """`[h, w]` float32 from the compressed tensor as TFDS stores it."""
    values = np.frombuffer(zlib.decompress(stored["value"]), np.float16)
    return values.reshape(stored["shape"]).astype(np.float32)
