"""Dense-Haze: scenes with and without real dense haze from machines."""

from dehaze_jax.data import Archive, ByNumber, Dataset, FolderBuilder, Folders, Layout, split_layout

_FOLDERS = Folders(hazy="hazy|haze", clear="gt|clear|clean")


class Builder(FolderBuilder):
    """Dense-Haze, with the split that most papers use."""

    name = "dense_haze"
    variants = (
        Dataset(
            name="dense_haze",
            title="Dense-Haze (NTIRE 2019): real dense haze from machines",
            homepage="https://data.vision.ee.ethz.ch/cvl/ntire19/dense-haze/",
            terms="No licence is stated; public for research, cite the paper.",
            obtain="direct",
            archives=(
                Archive(
                    url="https://data.vision.ee.ethz.ch/cvl/ntire19/dense-haze/files/"
                    "Dense_Haze_NTIRE19.zip"
                ),
            ),
            layouts=(
                split_layout(_FOLDERS),
                Layout({"all": _FOLDERS}, ByNumber(train=range(1, 51), test=range(51, 56))),
            ),
            editions={"Dense-Haze, split 50/5": {"train": 50, "test": 5}},
        ),
    )
