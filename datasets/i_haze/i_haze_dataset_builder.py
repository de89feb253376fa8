"""I-HAZE: indoor scenes with and without real haze from machines."""

from dehaze_jax.data import Archive, ByNumber, Dataset, FolderBuilder, Folders, Layout, split_layout

_FOLDERS = Folders(hazy="hazy|haze", clear="gt|clear|clean")


class Builder(FolderBuilder):
    """I-HAZE, with the split that the gap in its numbers suggests."""

    name = "i_haze"
    variants = (
        Dataset(
            name="i_haze",
            title="I-HAZE (NTIRE 2018): real haze from machines, indoors",
            homepage="https://data.vision.ee.ethz.ch/cvl/ntire18/i-haze/",
            terms="No licence is stated; public for research, cite the paper.",
            obtain="direct",
            archives=(Archive(url="https://data.vision.ee.ethz.ch/cvl/ntire18/i-haze/I-HAZE.zip"),),
            layouts=(
                split_layout(_FOLDERS),
                Layout(
                    {"all": _FOLDERS},
                    ByNumber(train=range(1, 26), validation=range(26, 31), test=range(31, 36)),
                ),
            ),
            editions={
                "I-HAZE as its archive has it": {"train": 25, "test": 5},
                "I-HAZE as its paper has it": {"train": 25, "validation": 5, "test": 5},
            },
        ),
    )
