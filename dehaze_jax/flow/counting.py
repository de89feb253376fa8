"""Counting what diffrax does not report."""

from typing import Any

import diffrax
import jax.numpy as jnp


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
