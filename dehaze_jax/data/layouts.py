"""What is known of a public dataset, as values: where its pictures lie, its splits, its terms.

A pattern names folders below the dataset's top, in any case of letters: `/` between folders, `|`
between spellings of one, `*` for any letters, `.` for the top itself, which then holds pictures.
`**` is the folder that all pictures lie below, wherever they are; it is taken where nothing else
fits.
"""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Literal, TypeAlias

from dehaze_jax.data.pairing import NameField, Rule
from dehaze_jax.data.splits import SPLITS, ByScene, Deal

Obtain: TypeAlias = Literal["direct", "manual", "yours", "made"]

UNDEALT = "all"
"""Key of the folders of a layout whose pictures are dealt out to the splits."""

EVERYTHING = "**"
"""Pattern of the folder that all pictures lie below."""

SPLIT_FOLDERS: Mapping[str, str] = {
    "train": "train",
    "validation": "validation|val",
    "test": "test|eval",
}
"""How the folders of splits are usually called."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Folders:
    """Where the pictures of one split lie.

    Attributes:
        hazy: pattern of the hazy pictures' folders; sub-folders belong to them. None where the
            dataset has no hazy pictures.
        clear: the same of the clear pictures; the pattern of `hazy` where names tell them apart.
        transmission: of maps in [0, 1], which a copy may lack.
        rule: how `match_pairs` pairs them.
    """

    hazy: str | None = None
    clear: str | None = None
    transmission: str | None = None
    rule: Rule = "auto"

    def __str__(self):
        found = (pattern for pattern in (self.hazy, self.clear) if pattern)
        return " and ".join(dict.fromkeys(f"{pattern}/" for pattern in found))


_BY_SCENE = ByScene()


@dataclasses.dataclass(frozen=True)
class Layout:
    """One way in which copies of a dataset lie on disk.

    Attributes:
        folders: by split; a copy may lack some. Those of the key `all` are dealt out.
        deal: how.
    """

    folders: Mapping[str, Folders]
    deal: Deal = _BY_SCENE

    def __post_init__(self):
        unknown = set(self.folders) - {UNDEALT, *SPLITS}
        if unknown:
            raise ValueError(f"no such splits: {', '.join(sorted(unknown))}")

    def __str__(self):
        return ", ".join(map(str, self.folders.values()))

    @property
    def takes_everything(self) -> bool:
        """Whether all pictures belong to it, wherever they lie."""
        return any(EVERYTHING in (f.hazy, f.clear) for f in self.folders.values())


def split_layout(
    folders: Folders, *, within: str = "", names: Mapping[str, str] = SPLIT_FOLDERS
) -> Layout:
    """The layout of copies that have a folder for every split, each with the same folders in it.

    Args:
        folders: those in the folder of a split.
        within: pattern of a folder that holds the splits, where a copy is to be known by it.
        names: patterns of the splits' folders.
    """

    def in_split(name: str) -> Folders:
        top = f"{within}/{name}" if within else name
        kinds = ("hazy", "clear", "transmission")
        patterns = {kind: getattr(folders, kind) for kind in kinds}
        return dataclasses.replace(folders, **{k: f"{top}/{p}" for k, p in patterns.items() if p})

    return Layout({split: in_split(name) for split, name in names.items()})


@dataclasses.dataclass(frozen=True, kw_only=True)
class Archive:
    """A zip file that anybody can fetch.

    Attributes:
        url: where.
        size: bytes, where published.
        sha256: where published.
    """

    url: str
    size: int | None = None
    sha256: str | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Dataset:
    """A public dataset.

    Attributes:
        name: by which it is asked for: that of the builder, or `builder/config`.
        title: one line for listings.
        homepage: where it is described.
        terms: who may use it for what, as far as its authors say.
        obtain: `direct`: from `archives`. `manual`: by hand, as `fetch` tells. `yours`: pictures of
            the user's. `made`: needs nothing.
        fetch: what to fetch from where, and which folder to give.
        archives: zip files.
        layouts: those that its copies have; of several that fit one folder, the first counts.
        editions: pictures by split, of each edition that is about. A copy with other counts is
            prepared as well, with a note.
        fields: what the parts of a hazy file's name between `_` say; empty guesses as
            `name_parameters` does.
    """

    name: str
    title: str
    homepage: str = ""
    terms: str = ""
    obtain: Obtain
    fetch: str = ""
    archives: Sequence[Archive] = ()
    layouts: Sequence[Layout] = ()
    editions: Mapping[str, Mapping[str, int]] = dataclasses.field(default_factory=dict)
    fields: Sequence[NameField] = ()

    def __post_init__(self):
        if bool(self.archives) != (self.obtain == "direct"):
            raise ValueError(f"{self.name}: archives are for what is obtained directly")
        if bool(self.fetch) != (self.obtain == "manual"):
            raise ValueError(f"{self.name}: how to fetch is for what is obtained by hand")

    @property
    def config(self) -> str:
        """The last part of its name."""
        return self.name.rpartition("/")[2]

    @property
    def pictures(self) -> tuple[str, ...]:
        """Which of hazy and clear its examples have."""
        folders = (folder for layout in self.layouts for folder in layout.folders.values())
        kinds = {tuple(k for k in ("hazy", "clear") if getattr(f, k)) for f in folders}
        (pictures,) = kinds or {("hazy", "clear")}
        return pictures


def compare_editions(
    counts: Mapping[str, int], editions: Mapping[str, Mapping[str, int]]
) -> tuple[str, str]:
    """Which edition of a dataset a copy is.

    Args:
        counts: pictures by split that were found.
        editions: pictures by split of the known editions.

    Returns:
        The name of the edition whose counts these are, or the nearest; and a warning, empty where
        the counts agree. Both are empty without editions.
    """
    if not editions:
        return "", ""

    def distance(name: str) -> float:
        known = editions[name]
        splits = {*counts, *known}
        both = ((counts.get(split, 0), known.get(split, 0)) for split in splits)
        return sum(abs(math.log((found + 1) / (expected + 1))) for found, expected in both)

    name = min(editions, key=distance)
    if dict(editions[name]) == dict(counts):
        return name, ""
    return name, f"has {_listed(counts)}; looks like {name}, which has {_listed(editions[name])}"


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {split}" for split, count in counts.items())
