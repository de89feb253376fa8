"""The user's hazy and clear pictures as a prepared dataset."""

from dehaze_jax.data import Dataset, FolderBuilder, Folders, Layout, split_layout

_FOLDERS = Folders(hazy="hazy|haze|input", clear="clear|gt|target")


class Builder(FolderBuilder):
    """Hazy and clear pictures by file name."""

    name = "paired_folder"
    variants = (
        Dataset(
            name="paired_folder",
            title="your hazy/ and clear/ folders, or train/, val/ and test/ with both in each",
            obtain="yours",
            layouts=(
                split_layout(_FOLDERS),
                Layout({"all": _FOLDERS}),
            ),
        ),
    )
