"""RESIDE-6K: a small training and test set cut from RESIDE."""

from dehaze_jax.data import Dataset, FolderBuilder, Folders, split_layout


class Builder(FolderBuilder):
    """RESIDE as it was repacked for DehazeFormer, indoors and outdoors together."""

    name = "reside_6k"
    variants = (
        Dataset(
            name="reside_6k",
            title="RESIDE-6K: rendered haze indoors and outdoors, small",
            homepage="https://github.com/IDKiro/DehazeFormer",
            terms="No licence is stated; for research, cite the papers, do not redistribute.",
            obtain="manual",
            fetch="fetch RESIDE-6K from the links of https://github.com/IDKiro/DehazeFormer and "
            "unpack it, so that the folder holds train/ and test/ with hazy/ and GT/ in each",
            layouts=(split_layout(Folders(hazy="hazy", clear="gt|clear")),),
            editions={"RESIDE-6K": {"train": 6_000, "test": 1_000}},
            # Indoor and outdoor names say different things, so that none is told by all.
            fields=("id",),
        ),
    )
