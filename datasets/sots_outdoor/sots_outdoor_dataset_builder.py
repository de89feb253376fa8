"""RESIDE SOTS outdoor: the test set of haze rendered outdoors."""

from dehaze_jax.data import Dataset, FolderBuilder, Folders, Layout, split_layout


class Builder(FolderBuilder):
    """The outdoor half of RESIDE's synthetic objective test set."""

    name = "sots_outdoor"
    variants = (
        Dataset(
            name="sots_outdoor",
            title="RESIDE SOTS outdoor: test set of rendered haze outdoors",
            homepage="https://sites.google.com/view/reside-dehaze-datasets",
            terms="No licence is stated; for research, cite the paper, do not redistribute.",
            obtain="manual",
            fetch="fetch SOTS.zip from https://sites.google.com/view/reside-dehaze-datasets and "
            "unpack it and what is in it, so that the folder holds outdoor/ with hazy/ and gt/",
            # Named folders: both halves lie in one archive, and each would pass for the other.
            layouts=(
                Layout({"test": Folders(hazy="outdoor/hazy", clear="outdoor/gt|clear")}),
                split_layout(
                    Folders(hazy="hazy", clear="gt|clear"), within="sots-outdoor|sots_outdoor"
                ),
            ),
            editions={"SOTS outdoor": {"test": 500}},
            fields=("id", "airlight", "beta"),
        ),
    )
