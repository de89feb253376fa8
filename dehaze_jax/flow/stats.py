"""What a solve did, and whether it reached its end."""

from typing import NamedTuple

import numpy as np
from jax import export
from jaxtyping import Array, Bool, Float, Int


class FlowStats(NamedTuple):
    """What a solve did; look at it with `check_solved`, nothing is raised inside `jit`.

    One value for the whole batch, or with `per_sample=True` one an image.

    Attributes:
        ok: the solve reached the end within its limit of steps. If not, the state is worthless.
            With fixed steps it always does; values that overflowed are not looked for, because
            looking at all of a sharded state makes its devices wait for each other. With tolerances
            a velocity that is not finite uses up the steps.
        steps: steps attempted.
        accepted: steps taken.
        rejected: steps undone because their error was too large.
        nfe: evaluations of the velocity.
        straightness: of each image's trajectory, the mean over its pixels of
            S = ∫ |v - (x1 - x0) / (t1 - t0)|² dt, 0 for a straight line at constant speed; None if
            it was not asked for.

    Reference: Liu et al., Flow Straight and Fast: Learning to Generate and Transfer Data with
        Rectified Flow (2022), section 3.
    """

    ok: Bool[Array, "*images"]
    steps: Int[Array, "*images"]
    accepted: Int[Array, "*images"]
    rejected: Int[Array, "*images"]
    nfe: Int[Array, "*images"]
    straightness: Float[Array, " batch"] | None = None


# A solve whose result is exported as it is can be loaded where this module is imported.
export.register_namedtuple_serialization(FlowStats, serialized_name="dehaze_jax.flow.FlowStats")


def check_solved(stats: FlowStats) -> None:
    """Raises an error if a solve did not reach its end; for use on the host, not inside `jit`.

    Args:
        stats: of `integrate`.

    Raises:
        RuntimeError: says how many steps were attempted and rejected, and which images of a batch
            are concerned if each had its own steps.
    """
    ok, steps, rejected = (np.asarray(value) for value in (stats.ok, stats.steps, stats.rejected))
    if ok.all():
        return
    whose = ""
    if ok.ndim:
        failed = np.flatnonzero(~ok)
        whose = f"images {', '.join(map(str, failed))} of {ok.size}: "
        steps, rejected = steps[failed[0]], rejected[failed[0]]
    raise RuntimeError(
        f"{whose}the solve gave up after {steps} steps, {rejected} of them rejected; raise"
        " max_steps, loosen the tolerances, or look for values that are not finite"
    )
