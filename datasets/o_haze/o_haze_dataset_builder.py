"""O-HAZE: outdoor scenes with and without real haze from machines."""

from dehaze_jax.data import Archive, ByNumber, Dataset, FolderBuilder, Folders, Layout, split_layout

_FOLDERS = Folders(hazy="hazy|haze", clear="gt|clear|clean")


class Builder(FolderBuilder):
    """O-HAZE, with the split that most papers use."""

    name = "o_haze"
    variants = (
        Dataset(
            name="o_haze",
            title="O-HAZE (NTIRE 2018): real haze from machines, outdoors",
            homepage="https://data.vision.ee.ethz.ch/cvl/ntire18/o-haze/",
            terms="No licence is stated; public for research, cite the paper.",
            obtain="direct",
            archives=(Archive(url="https://data.vision.ee.ethz.ch/cvl/ntire18/o-haze/O-HAZE.zip"),),
            layouts=(
                split_layout(_FOLDERS),
                Layout({"all": _FOLDERS}, ByNumber(train=range(1, 41), test=range(41, 46))),
            ),
            editions={"O-HAZE, split 40/5": {"train": 40, "test": 5}},
        ),
    )
