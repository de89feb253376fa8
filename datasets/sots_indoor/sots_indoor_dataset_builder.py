"""RESIDE SOTS indoor: the test set of haze rendered indoors."""

from dehaze_jax.data import Dataset, FolderBuilder, Folders, Layout, split_layout


class Builder(FolderBuilder):
    """The indoor half of RESIDE's synthetic objective test set."""

    name = "sots_indoor"
    variants = (
        Dataset(
            name="sots_indoor",
            title="RESIDE SOTS indoor: test set of rendered haze indoors with measured depth",
            homepage="https://sites.google.com/view/reside-dehaze-datasets",
            terms="No licence is stated; for research, cite the paper, do not redistribute.",
            obtain="manual",
            fetch="fetch SOTS.zip from https://sites.google.com/view/reside-dehaze-datasets and "
            "unpack it and what is in it, so that the folder holds indoor/ with hazy/ and gt/",
            # Named folders: both halves lie in one archive, and each would pass for the other.
            layouts=(
                Layout({"test": Folders(hazy="indoor/hazy", clear="indoor/gt|clear")}),
                Layout({"test": Folders(hazy="nyuhaze500/hazy", clear="nyuhaze500/gt|clear")}),
                split_layout(
                    Folders(hazy="hazy", clear="gt|clear"), within="sots-indoor|sots_indoor"
                ),
            ),
            editions={"SOTS indoor": {"test": 500}},
            fields=("id", "index"),
        ),
    )
