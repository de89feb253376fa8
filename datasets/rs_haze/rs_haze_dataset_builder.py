"""RS-Haze: haze rendered on satellite pictures."""

from dehaze_jax.data import Dataset, FolderBuilder, Folders, split_layout


class Builder(FolderBuilder):
    """RS-Haze, with its own split."""

    name = "rs_haze"
    variants = (
        Dataset(
            name="rs_haze",
            title="RS-Haze: rendered haze on satellite pictures",
            homepage="https://github.com/IDKiro/DehazeFormer",
            terms="No licence of the pictures is known to us; for research, cite the paper.",
            obtain="manual",
            fetch="fetch RS-Haze from the links of https://github.com/IDKiro/DehazeFormer and "
            "unpack it, so that the folder holds train/ and test/ with hazy/ and GT/ in each",
            layouts=(split_layout(Folders(hazy="hazy", clear="gt|clear", rule="stem")),),
            editions={"RS-Haze": {"train": 51_300, "test": 2_700}},
            fields=("id",),
        ),
    )
