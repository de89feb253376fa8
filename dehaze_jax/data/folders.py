"""Two folders of pictures as a sequence of examples, without preparing anything."""

import contextlib
import hashlib
import os
from collections.abc import Iterator, Sequence

import numpy as np

from dehaze_jax.data.pairing import Pair, Rule, find_pairs, match_sizes, name_parameters
from dehaze_jax.data.records import Example
from dehaze_jax.image.files import read


class FolderPairs:
    """Pairs of files as a sequence of examples, read when asked for.

    Args:
        pairs: what `find_pairs` found.
    """

    def __init__(self, pairs: Sequence[Pair]):
        self.pairs = tuple(pairs)

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: int) -> Example:
        pair = self.pairs[index]
        hazy, clear = match_sizes(
            read(pair.hazy).pixels, read(pair.clear).pixels, subject=pair.hazy
        )
        known = name_parameters(pair.hazy.stem)
        extras: dict[str, np.ndarray] = {}
        if "airlight" in known:
            extras["airlight"] = np.full(3, known["airlight"], np.float32)
        if "beta" in known:
            extras["beta"] = np.asarray(known["beta"], np.float32)
        return Example(id=pair.id, hazy=hazy, clear=clear, extras=extras)

    def __iter__(self) -> Iterator[Example]:
        return (self[index] for index in range(len(self)))

    @property
    def fingerprint(self) -> str:
        """SHA-256 over names and contents of all files, read at every call.

        A file that cannot be read counts by its name alone.
        """
        total = hashlib.sha256()
        for pair in self.pairs:
            for path in (pair.hazy, pair.clear):
                with contextlib.suppress(OSError), path.open("rb") as file:
                    total.update(hashlib.file_digest(file, "sha256").digest())
            total.update(pair.id.encode())
        return total.hexdigest()


def pair_folders(
    hazy: str | os.PathLike[str], clear: str | os.PathLike[str], *, rule: Rule = "auto"
) -> FolderPairs:
    """A folder of hazy and a folder of clear pictures as a sequence of examples.

    Names are matched now (see `find_pairs`), pictures are read when asked for: reading raises
    `InputError` for a file that cannot be read and for sizes that differ by more than
    `LARGEST_CROP` pixels.

    Raises:
        InputError: see `find_pairs`.
    """
    return FolderPairs(find_pairs(hazy, clear, rule=rule))
