"""What the study of 4K pictures compares."""

import dataclasses

WAYS = {
    "full size": "the picture as it is",
    "reduced": "reduced, restored, brought up again",
    "tiles": "square tiles, each restored as a picture of its own, blended where they overlap",
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class StudyConfig:
    """Everything that the results depend on but for the weights."""

    weights: tuple[str, ...] = ("dehazeflow", "dehazeflow-tiny", "bilateral", "nedr")
    """Weights that ship, or folders of weights."""
    ways: tuple[str, ...] = tuple(WAYS)
    """Names in `WAYS`."""
    height: int = 2160
    """Rows."""
    width: int = 3840
    """Columns."""
    scenes: int = 4
    """Procedural scenes, whose depth is exact; none is among those that the weights have seen."""
    transmission: tuple[float, ...] = (0.25, 0.5, 0.75)
    """At the median depth of a scene, one after the other: from dense to thin haze."""
    non_homogeneity: float = 0.3
    """Standard deviation of the logarithm of the density over the picture."""
    reduction: int = 4
    """How many times smaller the reduced picture is, along each side."""
    tile: int = 512
    """Side of the tiles."""
    overlap: int = 64
    """Pixels that neighbouring tiles share."""
    repeats: int = 3
    """Times that each picture is restored and timed, after one that compiles."""
    seed: int = 90_000
    """Of scenes and haze."""


VARIANTS = {
    "full": StudyConfig(),
    # A little of everything; its figures mean nothing.
    "smoke": StudyConfig(
        weights=("bilateral",),
        ways=("full size", "tiles"),
        height=96,
        width=128,
        scenes=1,
        tile=64,
        overlap=16,
        repeats=1,
    ),
}
