"""What a table, a domain, an image and an interpolation have to be. Needs NumPy only."""

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple, TypeAlias, get_args

import numpy as np

Interpolation: TypeAlias = Literal["trilinear", "tetrahedral"]
Triple: TypeAlias = tuple[float, float, float]
Bound: TypeAlias = float | Sequence[float] | np.ndarray
"""One end of a domain: for all channels, or for each of the three."""

_FLOAT32 = np.finfo(np.float32)


class Domain(NamedTuple):
    """Input values of the first and the last node, red, green and blue."""

    low: Triple
    high: Triple

    def is_empty(self) -> bool:
        """Whether the width of a channel is not positive and finite in float32."""
        with np.errstate(over="ignore", invalid="ignore"):
            width = np.subtract(*(np.asarray(end, np.float32) for end in (self.high, self.low)))
        # Smaller numbers than these are zero to most processors.
        return not np.all((width >= _FLOAT32.tiny) & (width <= _FLOAT32.max))


UNIT = Domain((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))


def triple(values: np.ndarray | Sequence[float]) -> Triple:
    """Three numbers as they are kept in a `Domain`."""
    red, green, blue = map(float, values)
    return red, green, blue


def check_domain(domain: Any) -> Domain:
    """Two bounds, of one number or three each, as a `Domain`.

    Raises:
        ValueError: `domain` is something else, or a channel's width is not positive and finite in
            float32.
    """
    try:
        low, high = (triple(np.broadcast_to(np.asarray(end, float), 3)) for end in domain)
    except (TypeError, ValueError):
        raise ValueError(
            f"a domain is two bounds of one number or three each, not {domain}"
        ) from None
    if (checked := Domain(low, high)).is_empty():
        raise ValueError(f"the domain from {list(low)} to {list(high)} is empty or not finite")
    return checked


def check_table(table: Any, *, batch_axes: int | None = 0) -> None:
    """Refuses what is not a table.

    Args:
        table: array to be looked at, `[*tables, size, size, size, 3]`.
        batch_axes: greatest number of axes in front; none for any.

    Raises:
        ValueError: the values are not floats, the shape is not that of tables, or there are fewer
            than 2 nodes along an axis.
    """
    if not _is_float(table.dtype):
        raise ValueError(f"a look-up table holds floats, not {table.dtype}")
    shape = tuple(table.shape)
    nodes, in_front = set(shape[-4:-1]), len(shape) - 4
    many = batch_axes is not None and in_front > batch_axes
    if in_front < 0 or shape[-1] != 3 or len(nodes) != 1 or many:
        raise ValueError(f"a look-up table has the shape [size, size, size, 3], not {list(shape)}")
    check_size(shape[-2])


def check_size(size: int) -> None:
    """Refuses fewer than 2 nodes along an axis, with a ValueError."""
    if size < 2:
        raise ValueError(f"a look-up table needs at least 2 nodes along each axis, not {size}")


def check_dtype(dtype: Any, name: str) -> None:
    """Refuses what colours are not kept in, with a ValueError."""
    if not (_is_float(dtype) or dtype in (np.uint8, np.uint16)):
        raise ValueError(f"{name}: colours are floats, uint8 or uint16, not {dtype}")


def check_colours(colours: Any, name: str) -> None:
    """Refuses what does not have three channels of floats, uint8 or uint16, with a ValueError."""
    check_dtype(colours.dtype, name)
    if colours.shape[-1:] != (3,):
        raise ValueError(f"{name}: colours have three channels, not shape {list(colours.shape)}")


def check_interpolation(interpolation: str) -> None:
    """Refuses unknown names, with a ValueError."""
    known = get_args(Interpolation)
    if interpolation not in known:
        raise ValueError(f"interpolation is {' or '.join(known)}, not {interpolation!r}")


def _is_float(dtype: Any) -> bool:
    return "float" in dtype.name  # NumPy knows bfloat16 and the like by name only
