"""REVIDE: frames of indoor videos with and without real haze from machines."""

from dehaze_jax.data import Dataset, FolderBuilder, Folders, split_layout


class Builder(FolderBuilder):
    """REVIDE's indoor videos as single pictures, with their own split."""

    name = "revide"
    variants = (
        Dataset(
            name="revide",
            title="REVIDE: frames of real hazy videos from machines, indoors, 2708 x 1800",
            homepage="http://xinyizhang.tech/revide/",
            terms="No licence is known to us; for research, cite the paper.",
            obtain="manual",
            fetch="fetch REVIDE_indoor from the links of http://xinyizhang.tech/revide/ and unpack "
            "it, so that the folder holds Train/ and Test/ with hazy/ and gt/ in each",
            # Frames of every video have the same names.
            layouts=(split_layout(Folders(hazy="hazy", clear="gt|clear", rule="path")),),
            fields=("id",),
        ),
    )
