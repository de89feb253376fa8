"""What the scalars of finished steps tell: damaged examples, and losses that are not finite."""

import collections
from collections.abc import Callable
from typing import TypeAlias

import jax
import numpy as np

from dehaze_jax import data
from dehaze_jax.errors import InputError
from dehaze_jax.methods.protocol import Scalars
from dehaze_jax.storage.runs import RunDirectory
from dehaze_jax.training.config import TrainConfig
from dehaze_jax.training.step import BAD, FINITE

Pending: TypeAlias = collections.deque[tuple[int, Scalars]]
"""Steps that were started, with what they will say."""

_IN_A_ROW = 10


class Watch:
    """Counts over a run what its steps complain of.

    Args:
        run: for messages.
        config: of the run.
        size: see `data.training_size`.
        counts: of the steps before a resume, see `counts`.
    """

    def __init__(
        self, run: RunDirectory, config: TrainConfig, *, size: int, counts: dict[str, int]
    ):
        self._run, self._config, self._size = run, config, size
        self._bad, self._skipped = counts["bad_examples"], counts["skipped_steps"]
        self._in_a_row = 0
        self._values: dict[str, float] = {}

    @property
    def counts(self) -> dict[str, int]:
        """Damaged examples that were drawn, and steps that were skipped."""
        return {"bad_examples": self._bad, "skipped_steps": self._skipped}

    def look(self, pending: Pending, say: Callable[[str], None]) -> dict[str, float]:
        """Looks at all steps that are pending, and waits for them.

        Args:
            pending: is emptied.
            say: where skipped steps are told.

        Returns:
            Scalars of the newest step that was finite, and the counts.

        Raises:
            InputError: a step is not finite, and `config.not_finite` or ten such steps in a row
                end the run; or more examples are damaged than may be.
        """
        steps = [step for step, _ in pending]
        fetched = jax.device_get([scalars for _, scalars in pending])
        pending.clear()
        for step, scalars in zip(steps, fetched, strict=True):
            self._bad += int(scalars.pop(BAD))
            if not scalars.pop(FINITE):
                wrong = [f"{name} is {x}" for name, x in scalars.items() if not np.isfinite(x)]
                said = ", ".join(wrong) or "a gradient is not finite"
                self._complain(step, f"{said} at step {step}", say)
            else:
                self._in_a_row = 0
                self._values = {name: float(value) for name, value in scalars.items()}
            data.check_bad_share(self._config.data, bad=self._bad, batches=step, size=self._size)
        return {**self._values, **{name: float(count) for name, count in self.counts.items()}}

    def _complain(self, step: int, what: str, say: Callable[[str], None]) -> None:
        names = data.batch_names(self._config.data, seed=self._config.seed, step=step - 1)
        batch = f"its batch: {', '.join(names)}"
        if self._config.not_finite == "stop":
            reason = f"{what}; checkpoints are of before, try a lower learning rate; {batch}"
            raise InputError(self._run.path, reason)
        self._skipped += 1
        self._in_a_row += 1
        say(f"{self._run.path}: {what}, skipped; {batch}")
        if self._in_a_row == _IN_A_ROW:
            reason = f"{what}, and {_IN_A_ROW - 1} before it; try a lower learning rate; {batch}"
            raise InputError(self._run.path, reason)
