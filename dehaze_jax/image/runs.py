"""The columns of a picture cut into runs between the cells of a grid.

Planes are `[*batch, rows, runs, run]`, cut such that no run crosses the place of a cell: within a
run an interpolated coefficient is a linear function of the column, whose two numbers the compiler
holds in registers while it walks along the run. At 3840 x 2160 this makes a slice cost little more
than reading and writing the picture.
"""

from typing import Any, Literal, TypeAlias

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from dehaze_jax.arrays import Plane

RunPlane: TypeAlias = Float[Array, "*batch height runs run"]
RunPlanes: TypeAlias = tuple[RunPlane, RunPlane, RunPlane]
Places: TypeAlias = Literal["centres", "corners"]
"""Where the cells of a grid lie in the picture."""


class Runs:
    """How the columns of a picture are cut so that no run crosses the place of a cell.

    All positions are exact integers until the last division, so that a width that is known only
    when the program runs gives the same cut as one that is known when it is compiled.

    Attributes:
        cells: columns of the grid.
        count: number of runs.
        length: columns in a run; places that a run does not fill hold some other column.
        fraction: how far each place lies from the grid column to its left to the one to its
            right, `[runs, run]`.

    Args:
        width: columns of the picture; may be traced.
        cells: columns of the grid.
        columns: columns of the arrays, if the picture is padded on its right.
        places: where the cells lie.
    """

    def __init__(
        self,
        width: Any,
        cells: int,
        columns: int | None = None,
        *,
        places: Places = "centres",
    ):
        known = isinstance(width, int)
        xp = np if known else jnp
        columns = int(width) if columns is None else columns
        left = self.ends(cells, places)[0]
        self.cells = cells
        self.count = count = len(left)
        run, every = xp.arange(count), xp.arange(columns)
        if places == "centres":
            # Column x belongs to run floor((x + 1/2) count / width).
            self.length = -(-columns // count)
            starts = -((count - 2 * run * width) // (2 * count))
            of_run = xp.minimum(((2 * every + 1) * count) // (2 * width), count - 1)
        else:
            # Column x belongs to run floor(x count / (width - 1)), the last one to the run before.
            self.length = -(-(columns - 1) // count) + 1
            starts = -((-run * (width - 1)) // count)
            of_run = xp.minimum((every * count) // xp.maximum(width - 1, 1), count - 1)
        self._reshape = known and width == columns and width == count * self.length
        column = starts[:, None] + xp.arange(self.length)[None, :]
        self._columns = xp.clip(column, 0, width - 1)
        inside = of_run * self.length + every - starts[of_run]
        self._places = xp.minimum(inside, count * self.length - 1)
        if places == "centres":
            ahead = (2 * column + 1) * cells - (2 * left[:, None] + 1) * width
            self.fraction = xp.clip(ahead / (2 * width), 0, 1)
        else:
            ahead = column * (cells - 1) - left[:, None] * (width - 1)
            self.fraction = xp.clip(ahead / xp.maximum(width - 1, 1), 0, 1)

    @staticmethod
    def ends(cells: int, places: Places = "centres") -> tuple[np.ndarray, np.ndarray]:
        """Grid columns to the left and to the right of each run."""
        if places == "centres":
            run = np.arange(2 * cells)
            left, right = (run - 1) // 2, (run + 1) // 2
        else:
            left = np.arange(max(cells - 1, 1))
            right = left + 1
        return np.clip(left, 0, cells - 1), np.clip(right, 0, cells - 1)

    def split(self, image: Float[Array, "*batch height columns 3"]) -> RunPlanes:
        """Cuts the three colour planes of an image into runs."""
        red, green, blue = (self.split_plane(image[..., channel]) for channel in range(3))
        return red, green, blue

    def split_plane(self, plane: Plane) -> RunPlane:
        """Cuts one plane into runs."""
        if not self._reshape:
            plane = jnp.take(plane, self._columns.reshape(-1), axis=-1)
        return plane.reshape(*plane.shape[:-1], self.count, self.length)

    def join(self, planes: RunPlanes) -> Float[Array, "*batch height columns 3"]:
        """Puts three planes together again; the inverse of `split`, but for padding."""
        flat = [plane.reshape(*plane.shape[:-2], -1) for plane in planes]
        if self._reshape:
            return jnp.stack(flat, axis=-1)
        # One gather for all channels: putting three together afterwards takes three times as long.
        every = self._places[:, None] + flat[0].shape[-1] * np.arange(3)[None, :]
        joined = jnp.take(jnp.concatenate(flat, axis=-1), every.reshape(-1), axis=-1)
        return joined.reshape(*joined.shape[:-1], -1, 3)
