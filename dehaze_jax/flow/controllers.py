"""Where diffrax takes its next step to, and counting what it does not report."""

from typing import Any

import diffrax
import jax.numpy as jnp
from jaxtyping import Array, Float


class StepThrough(diffrax.AbstractStepSizeController):
    """Steps that end at given times.

    diffrax's own `StepTo` checks the times while the solve runs; a solve with such a check cannot
    be exported.

    Attributes:
        times: where steps begin and end, in the order in which they are passed.
    """

    times: Float[Array, " times"]

    def wrap(self, direction) -> "StepThrough":
        """Turns the times into those of diffrax, which always run upwards."""
        # Sorted: a continuous adjoint passes them in the opposite order.
        return StepThrough(jnp.sort(self.times * direction))

    def init(self, terms, t0, *args, **kwargs) -> Any:
        """End of the first step; the state is the index of the next one's."""
        del terms, args, kwargs
        index = jnp.searchsorted(self.times, t0, side="right")
        return self.times[index], index + 1

    def adapt_step_size(self, t0, t1, *args) -> Any:
        """Keeps every step."""
        del t0
        *_, index = args
        # Past the last time, where the solve ends, the index is clamped.
        return True, t1, self.times[index], False, index + 1, diffrax.RESULTS.successful


class CountFirstAttempts(diffrax.AbstractStepSizeController):
    """Another controller, that also counts the attempts up to the first accepted step.

    Until a step is accepted, a solver whose last stage is the first of the next step has no last
    stage to reuse and evaluates its first one anew at every attempt. The count is the second part
    of the controller's state.

    Attributes:
        inner: the controller that chooses the steps.
    """

    inner: diffrax.AbstractStepSizeController

    def wrap(self, direction) -> "CountFirstAttempts":
        """Tells the inner controller the direction of time."""
        return CountFirstAttempts(self.inner.wrap(direction))

    def init(self, *args, **kwargs) -> Any:
        """End of the first step; nothing is counted yet."""
        end, state = self.inner.init(*args, **kwargs)
        return end, (state, jnp.int32(0), jnp.bool_(False))

    def adapt_step_size(self, *args) -> Any:
        """The inner controller's decision, counted."""
        *before, (state, attempts, accepted) = args
        decide: Any = self.inner.adapt_step_size
        keep, *decision, state, result = decide(*before, state)
        attempts = attempts + (~accepted).astype(jnp.int32)
        return keep, *decision, (state, attempts, accepted | keep), result
