"""`.cube` files: colour tables in the dialects of Iridas (Adobe) and of Resolve.

Reading and writing need NumPy only; applying a table needs JAX.
"""

import codecs
import dataclasses
import os
from typing import Any

import numpy as np

from dehaze_jax.errors import InputError
from dehaze_jax.image.atomic import replacing
from dehaze_jax.lut.checks import (
    UNIT,
    Bound,
    Domain,
    Interpolation,
    Triple,
    check_colours,
    check_domain,
    check_interpolation,
    check_table,
    triple,
)
from dehaze_jax.lut.cube_parsing import LARGEST_SIZE, Contents, CubeFault, parse

_LARGEST_FILE = 2**30
_LONGEST_TITLE = 200  # bytes; readers take lines of 250 (Adobe) and 512 (ffmpeg)
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


@dataclasses.dataclass(frozen=True, eq=False)
class Cube:
    """What a `.cube` file holds: a 3D table, curves, or curves and then a table.

    Args:
        table: float32 `[size, size, size, 3]`; `table[r, g, b]` is the output colour. For a file of
            curves alone, a 1D file, it is an identity of two nodes over `domain_min` to
            `domain_max`, and the look is in `curves`.
        domain_min: input values of the table's first node, red, green and blue.
        domain_max: input values of its last node.
        title: as the file has it, or empty.
        curves: float32 `[n, 3]`, one column a channel; applied before the table.
        curves_min: input values of the first row of `curves`.
        curves_max: input values of its last row.
    """

    table: np.ndarray
    domain_min: Triple = UNIT.low
    domain_max: Triple = UNIT.high
    title: str = ""
    curves: np.ndarray | None = None
    curves_min: Triple = UNIT.low
    curves_max: Triple = UNIT.high

    def __call__(self, image: Any, *, interpolation: Interpolation = "trilinear") -> Any:
        """Applies curves, linearly interpolated, and table to an image.

        Args:
            image: `[*batch, height, width, 3]`: any float dtype, or uint8 or uint16, whose largest
                value stands for 1. Clamped to the domains; a NaN gives NaN.
            interpolation: how the table is interpolated, see `lut.apply`.

        Returns:
            A JAX array of the shape and dtype of `image`.

        Raises:
            ValueError: the image has not three channels of these dtypes, or the interpolation is
                unknown.
        """
        import jax.numpy as jnp

        from dehaze_jax.lut.cube_applying import apply_with_curves
        from dehaze_jax.lut.interpolation import apply

        image = jnp.asarray(image)
        check_colours(image, "image")
        check_interpolation(interpolation)
        domain = Domain(self.domain_min, self.domain_max)
        if self.curves is None:
            return apply(self.table, image, interpolation=interpolation, domain=domain)
        # A table that does nothing would still round small values by the width of its domain.
        only_clamps = np.array_equal(self.table, _corners(domain))
        return apply_with_curves(
            image,
            self.curves,
            Domain(self.curves_min, self.curves_max),
            None if only_clamps else self.table,
            domain,
            interpolation=interpolation,
        )


def read_cube(path: str | os.PathLike[str]) -> Cube:
    """Reads a `.cube` file of either dialect: 3D, 1D, or 1D and then 3D.

    Sizes are 2 to 256 (3D) and 2 to 65536 (1D). The text is UTF-8 or, failing that, Latin-1.

    Args:
        path: the file.

    Raises:
        InputError: if the file cannot be read, or its text is faulty: wrong number of rows, NaN or
            infinity, unknown or repeated keywords, an empty domain. It names the line.
    """
    try:
        contents = parse(_text(path))
    except CubeFault as fault:
        raise InputError(path, str(fault)) from None
    return _cube(contents)


def write_cube(
    path: str | os.PathLike[str],
    table: Any,
    *,
    title: str = "",
    domain: tuple[Bound, Bound] = (0.0, 1.0),
) -> None:
    """Writes a 3D table as a `.cube` file, which `read_cube` gives back to the bit.

    Title and domain are written only if they differ from the defaults: Resolve's dialect has
    neither. Of a domain ffmpeg heeds only an upper end of 1 or more, with 0 as the lower end.
    OpenColorIO reads up to 129 nodes along an axis.

    Args:
        path: the file to create or replace.
        table: float `[size, size, size, 3]`, array or nested lists, rounded to float32; `size` is 2
            to 256.
        title: printable, without double quotes, up to 200 bytes in UTF-8.
        domain: input values of the first and the last node, each one number or three.

    Raises:
        InputError: one of these does not hold, or the file cannot be written.
    """
    try:
        values = _checked_table(table)
        ends = check_domain(domain)
    except ValueError as error:
        raise InputError(path, str(error)) from None
    if not title.isprintable() or '"' in title:
        raise InputError(path, f"title {title!r} holds a double quote or a control character")
    if len(title.encode()) > _LONGEST_TITLE:
        raise InputError(path, f"the title is longer than {_LONGEST_TITLE} bytes")
    header = [f'TITLE "{title}"'] if title else []
    header.append(f"LUT_3D_SIZE {len(values)}")
    if ends != UNIT:
        # After the size: ffmpeg looks for them only there.
        header.append("DOMAIN_MIN " + " ".join(map(repr, ends.low)))
        header.append("DOMAIN_MAX " + " ".join(map(repr, ends.high)))
    with replacing(path) as stream:
        stream.write("".join(f"{line}\n" for line in header).encode())
        # Red runs fastest. Nine digits are enough for every float32.
        np.savetxt(stream, values.transpose(2, 1, 0, 3).reshape(-1, 3), fmt="%.9g")


def _text(path: str | os.PathLike[str]) -> str:
    try:
        with open(path, "rb") as stream:
            data = stream.read(_LARGEST_FILE + 1)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        reason = error.strerror if isinstance(error, OSError) else error
        raise InputError(path, f"cannot be read: {reason or error}") from error
    data = data.removeprefix(codecs.BOM_UTF8)
    if not data.strip():
        raise InputError(path, "is empty")
    if len(data) > _LARGEST_FILE:
        raise InputError(path, "is larger than any .cube file")
    if data.startswith(_UTF16):
        raise InputError(path, "is UTF-16 text; save it as UTF-8")
    if b"\0" in data:
        raise InputError(path, "holds zero bytes: not a text file")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _cube(contents: Contents) -> Cube:
    given = {}
    if contents.curves is not None:
        low, high = contents.curves.domain
        given = {"curves": contents.curves.rows, "curves_min": low, "curves_max": high}
    if contents.table is None:
        assert contents.curves is not None, "a parsed file has one table at least"
        domain = _span(contents.curves.rows)
        table = _corners(domain)
    else:
        domain = contents.table.domain
        size = round(len(contents.table.rows) ** (1 / 3))
        table = contents.table.rows.reshape(size, size, size, 3).transpose(2, 1, 0, 3)
        table = np.ascontiguousarray(table)
    return Cube(table, domain.low, domain.high, contents.title, **given)


def _span(curves: np.ndarray) -> Domain:
    """From the least to the greatest value of each curve; wider where a curve is constant."""
    low, high = curves.min(axis=0), curves.max(axis=0)
    constant = low == high
    low = np.where(constant, np.minimum(low, 0), low)
    high = np.where(constant, np.maximum(high, 1), high)
    return Domain(triple(low), triple(high))


def _corners(domain: Domain) -> np.ndarray:
    """The table of two nodes that returns its input."""
    ends = zip(domain.low, domain.high, strict=True)
    return np.stack(np.meshgrid(*ends, indexing="ij"), axis=-1).astype(np.float32)


def _checked_table(table: Any) -> np.ndarray:
    values = np.asarray(table)
    check_table(values)
    largest = LARGEST_SIZE["LUT_3D_SIZE"]
    if len(values) > largest:
        raise ValueError(f"a file holds up to {largest} nodes along each axis, not {len(values)}")
    with np.errstate(over="ignore"):
        values = values.astype(np.float32)
    if not np.isfinite(values).all():
        raise ValueError("the table holds NaN or infinity")
    return values
