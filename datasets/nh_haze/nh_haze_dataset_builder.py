"""NH-HAZE: outdoor scenes with and without real non-homogeneous haze."""

from dehaze_jax.data import Archive, ByNumber, Dataset, FolderBuilder, Folders, Layout, split_layout

_FOLDERS = Folders(hazy="hazy|haze", clear="gt|clear|clean")
_SPLIT = ByNumber(train=range(1, 51), test=range(51, 56))


class Builder(FolderBuilder):
    """NH-HAZE, with the split that most papers use."""

    name = "nh_haze"
    variants = (
        Dataset(
            name="nh_haze",
            title="NH-HAZE (NTIRE 2020): real non-homogeneous haze from machines, outdoors",
            homepage="https://data.vision.ee.ethz.ch/cvl/ntire20/nh-haze/",
            terms="No licence is stated; public for research, cite the paper.",
            obtain="direct",
            archives=(
                Archive(url="https://data.vision.ee.ethz.ch/cvl/ntire20/nh-haze/files/NH-HAZE.zip"),
            ),
            layouts=(
                split_layout(_FOLDERS),
                Layout({"all": _FOLDERS}, _SPLIT),
                Layout({"all": Folders(hazy=".", clear=".", rule="token")}, _SPLIT),
            ),
            editions={"NH-HAZE, split 50/5": {"train": 50, "test": 5}},
        ),
    )
