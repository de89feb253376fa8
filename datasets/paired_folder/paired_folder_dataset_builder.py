"""The user's hazy and clear pictures as a prepared dataset."""

from dehaze_jax.data import Dataset, FolderBuilder, Folders, Layout

_HAZY = "hazy|haze|input"
_CLEAR = "clear|gt|target"
_SPLITS = {"train": "train", "validation": "validation|val", "test": "test|eval"}


class Builder(FolderBuilder):
    """Hazy and clear pictures by file name."""

    name = "paired_folder"
    variants = (
        Dataset(
            name="paired_folder",
            title="your hazy/ and clear/ folders, or train/, val/ and test/ with both in each",
            obtain="yours",
            layouts=(
                Layout(
                    {
                        split: Folders(hazy=f"{folder}/{_HAZY}", clear=f"{folder}/{_CLEAR}")
                        for split, folder in _SPLITS.items()
                    }
                ),
                Layout({"all": Folders(hazy=_HAZY, clear=_CLEAR)}),
            ),
        ),
    )
