"""Reading and cutting one example, with another in the place of a damaged one."""

import contextlib
import dataclasses
import logging
from collections.abc import Generator, Mapping, Sequence

import numpy as np

from dehaze_jax.data.augmentation import Cut
from dehaze_jax.data.config import DataConfig
from dehaze_jax.data.sources import Source
from dehaze_jax.errors import InputError

_LOG = logging.getLogger(__name__)
_NOTES = "damaged"
_ATTEMPTS = 100  # where so many in a row are damaged, it is not single files


@dataclasses.dataclass(frozen=True)
class Draw:
    """An example that was drawn, not read.

    Attributes:
        source: where it is.
        index: its number there.
    """

    source: Source
    index: int


@dataclasses.dataclass(frozen=True)
class Draws:
    """The examples of a source, not read."""

    source: Source

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, index: int) -> Draw:
        return Draw(self.source, index)


@dataclasses.dataclass(frozen=True)
class ReadAndCut:
    """From what was drawn to arrays.

    Attributes:
        cut: how it is cut.
        replace: whether another example, drawn from the same source, takes the place of one that is
            damaged; else that is an error.
    """

    cut: Cut
    replace: bool

    def __call__(self, draw: Draw, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Reads and cuts one example.

        Args:
            draw: the example.
            rng: source of every choice; the result depends on nothing else.

        Returns:
            What the cut gives; beside it `damaged` `[1]`, what is wrong with the example that was
            drawn if another one took its place, else an empty string.

        Raises:
            InputError: the example is damaged, or so are a hundred in a row.
        """
        index, note = draw.index, ""
        for _ in range(_ATTEMPTS):
            try:
                return self.cut(draw.source[index], rng) | {_NOTES: np.array([note])}
            except InputError as error:
                if not self.replace:
                    raise
                note = note or str(error)
                index = int(rng.integers(len(draw.source)))
        raise InputError(note, f"and {_ATTEMPTS - 1} others drawn in its place are damaged too")


def name_drawn(draw: Draw, rng: np.random.Generator) -> list[str]:
    """What was drawn, in place of reading it."""
    del rng
    return [draw.source.name(draw.index)]


@dataclasses.dataclass(frozen=True)
class ReadMiddle:
    """From what was drawn to arrays, without chance and without replacement.

    Attributes:
        cut: how the middle is cut.
        count: examples; those of higher places fill a batch.
    """

    cut: Cut
    count: int

    def __call__(self, place: int, draw: Draw) -> dict[str, np.ndarray]:
        """The middle of one example, and `mask`, whether it counts.

        Raises:
            InputError: it is damaged.
        """
        maps = draw.source[draw.index]
        taken = self.cut.take(maps, self.cut.middle(*maps.size))
        return taken | {"mask": np.array(place < self.count)}


def merge_sides(parts: Sequence[Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """One example of what the two sides of unpaired training gave."""
    merged = {key: value for part in parts for key, value in part.items()}
    return merged | {_NOTES: np.concatenate([part[_NOTES] for part in parts])}


def count_damaged(
    batches: Generator[Mapping[str, np.ndarray], None, None],
) -> Generator[dict[str, np.ndarray], None, None]:
    """Takes the notes on damaged examples out of batches; each example is logged once.

    Returns:
        The batches with `bad` `[b]` int32 in place of `damaged`: how many damaged pictures, or
        pairs, were drawn where now another stands.
    """
    told = set()
    with contextlib.closing(batches):
        for batch in batches:
            notes = batch[_NOTES]
            for note in notes[notes != ""].tolist():
                if note not in told:
                    _LOG.warning("%s; another takes its place", note)
                    told.add(note)
            bad = np.count_nonzero(notes != "", axis=1)
            rest = {key: value for key, value in batch.items() if key != _NOTES}
            yield {**rest, "bad": np.asarray(bad, np.int32)}


def check_bad_share(config: DataConfig, *, bad: int, batches: int, size: int) -> None:
    """Ends a run whose data are too bad.

    One pass more than was drawn counts, so that no run ends whose directories have no larger share
    each, whatever the order in which their examples come.

    Args:
        config: `max_bad_share`, `batch_size`, `train` and `clear` are used.
        bad: damaged pictures, or pairs, that were drawn so far.
        batches: batches so far.
        size: see `training_size`.

    Raises:
        InputError: `bad` is more than `max_bad_share` allows.
    """
    drawn = batches * config.batch_size * (2 if config.train and config.clear else 1)
    if bad > config.max_bad_share * (drawn + size):
        raise InputError(
            "DataConfig.max_bad_share",
            f"{bad} of {drawn} examples drawn were damaged, {config.max_bad_share} is allowed; "
            "the log names them",
        )
