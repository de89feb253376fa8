"""When steps begin and end."""

import numpy as np
from jaxtyping import ArrayLike, Float

from dehaze_jax.errors import InputError

GRIDS = ("uniform", "cosine", "power")


def time_grid(kind: str, num_steps: int, *, exponent: float = 2.0) -> Float[np.ndarray, " times"]:
    """Where steps begin and end, as shares of the way from the start to the end.

    With u = k / num_steps for k = 0 .. num_steps:

    * `uniform`: u.
    * `cosine`: (1 - cos(pi u)) / 2, the Chebyshev-Lobatto points: dense at both ends.
    * `power`: u ** exponent. Above 1 it is dense at the start, below 1 at the end.

    Args:
        kind: one of the above (`GRIDS`).
        num_steps: steps; at least one.
        exponent: of `power`, above 0; the others do without.

    Returns:
        `num_steps + 1` increasing shares; the first is 0 and the last 1.

    Raises:
        InputError: an unknown kind.
        ValueError: no steps, or an exponent that is not positive.
    """
    _check_steps(num_steps)
    share = np.arange(num_steps + 1) / num_steps
    match kind:
        case "uniform":
            return share
        case "cosine":
            return (1 - np.cos(np.pi * share)) / 2
        case "power":
            if not 0 < exponent < np.inf:
                raise ValueError(f"the exponent of a grid is above 0, not {exponent}")
            return share**exponent
    raise InputError(kind, f"no such grid; there are {', '.join(GRIDS)}")


def step_times(
    grid: str | ArrayLike, num_steps: int, t0: float, t1: float
) -> Float[np.ndarray, " times"]:
    """Times at which steps begin and end.

    Args:
        grid: a kind of `time_grid`, or the shares themselves.
        num_steps: steps.
        t0: start.
        t1: end; before `t0` for a solve backwards.

    Returns:
        `num_steps + 1` times; the first is `t0`, the last `t1`.

    Raises:
        InputError: an unknown kind.
        ValueError: no steps, an empty or endless interval, or shares that do not increase from 0
            to 1 in so many steps.
    """
    if t0 == t1 or not np.isfinite([t0, t1]).all():
        raise ValueError(f"no interval to solve on between t0 = {t0} and t1 = {t1}")
    shares = time_grid(grid, num_steps) if isinstance(grid, str) else _checked(grid, num_steps)
    times = t0 + (t1 - t0) * shares
    times[-1] = t1
    return times


def _check_steps(num_steps):
    if num_steps < 1:
        raise ValueError(f"a solve needs at least one step, not {num_steps}")


def _checked(grid, num_steps):
    _check_steps(num_steps)
    shares = np.asarray(grid, np.float64)
    if shares.shape != (num_steps + 1,):
        raise ValueError(
            f"a grid of {num_steps} steps has {num_steps + 1} times, not shape {shares.shape}"
        )
    # In the precision that steps are taken in, so that none is empty; NaN is not above anything.
    if shares[0] != 0 or shares[-1] != 1 or not (np.diff(np.float32(shares)) > 0).all():
        raise ValueError(f"the times of a grid increase from 0 to 1: {shares}")
    return shares
