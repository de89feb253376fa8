"""RESIDE OTS: haze rendered on outdoor photographs."""

from dehaze_jax.data import Dataset, FolderBuilder, Folders, Layout


class Builder(FolderBuilder):
    """RESIDE's outdoor training set, in both releases."""

    name = "reside_ots"
    variants = (
        Dataset(
            name="reside_ots",
            title="RESIDE OTS: rendered haze outdoors, 35 hazy pictures of each clear one",
            homepage="https://sites.google.com/view/reside-dehaze-datasets",
            terms="No licence is stated; for research, cite the paper, do not redistribute.",
            obtain="manual",
            fetch="fetch the archives of OTS from "
            "https://sites.google.com/view/reside-dehaze-datasets and unpack them, so that the "
            "folder holds clear/ and haze/, the latter with part1/ to part4/ or without",
            layouts=(
                # By its name first: beside SOTS, whose folders have the same names.
                Layout(
                    {
                        "train": Folders(
                            hazy="ots/haze|hazy",
                            clear="ots/clear|clear_images|gt",
                            rule="prefix",
                        )
                    }
                ),
                Layout(
                    {
                        "train": Folders(
                            hazy="haze|hazy|ots", clear="clear|clear_images|gt", rule="prefix"
                        )
                    }
                ),
            ),
            editions={"OTS": {"train": 72_135}, "OTS, beta release": {"train": 313_950}},
            fields=("id", "airlight", "beta"),
        ),
    )
