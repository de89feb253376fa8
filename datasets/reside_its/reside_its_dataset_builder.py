"""RESIDE ITS: haze rendered on indoor scenes with measured depth."""

from dehaze_jax.data import Dataset, FolderBuilder, Folders, Layout


class Builder(FolderBuilder):
    """RESIDE's indoor training set, in both editions."""

    name = "reside_its"
    variants = (
        Dataset(
            name="reside_its",
            title="RESIDE ITS: rendered haze indoors, with transmission",
            homepage="https://sites.google.com/view/reside-dehaze-datasets",
            terms="No licence is stated; for research, cite the paper, do not redistribute.",
            obtain="manual",
            fetch="fetch ITS_v2.zip (RESIDE-V0) or ITS.zip with its parts (RESIDE-Standard) from "
            "https://sites.google.com/view/reside-dehaze-datasets and unpack it, so that the "
            "folder holds clear/, hazy/ and trans/, or train/ and val/ with those",
            layouts=(
                # By its name first: beside SOTS, whose folders have the same names.
                Layout(
                    {
                        "train": Folders(
                            hazy="its|its_v2/hazy|haze",
                            clear="its|its_v2/clear|gt",
                            transmission="its|its_v2/trans",
                            rule="prefix",
                        )
                    }
                ),
                Layout(
                    {
                        "train": Folders(
                            hazy="train/its_haze|haze|hazy",
                            clear="train/its_clear|clear|gt",
                            transmission="train/its_trans|trans",
                            rule="prefix",
                        ),
                        "validation": Folders(
                            hazy="val/its_haze|haze|hazy",
                            clear="val/its_clear|clear|gt",
                            transmission="val/its_trans|trans",
                            rule="prefix",
                        ),
                    }
                ),
                Layout(
                    {
                        "train": Folders(
                            hazy="hazy|haze", clear="clear|gt", transmission="trans", rule="prefix"
                        )
                    }
                ),
            ),
            editions={
                "RESIDE-V0 (ITS_v2)": {"train": 13_990},
                "RESIDE-Standard": {"train": 100_000, "validation": 10_000},
            },
            fields=("id", "index", "airlight"),
        ),
    )
