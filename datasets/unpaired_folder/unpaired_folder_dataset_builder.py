"""The user's hazy pictures, or clear ones, without partners, as two prepared datasets."""

from collections.abc import Callable

from dehaze_jax.data import Dataset, FolderBuilder, Folders, Layout, split_layout


def _of(key: str, names: str, folders: Callable[[str], Folders]) -> Dataset:
    return Dataset(
        name=f"unpaired_folder/{key}",
        title=f"your {key} pictures without partners: {key}/, or train/, val/ and test/ with it",
        obtain="yours",
        layouts=(
            split_layout(folders(names)),
            Layout({"train": folders(names)}),
            Layout({"train": folders("**")}),
        ),
    )


class Builder(FolderBuilder):
    """Hazy pictures, or clear ones, that have no partners."""

    name = "unpaired_folder"
    variants = (
        _of("hazy", "hazy|haze|input", lambda pattern: Folders(hazy=pattern)),
        _of("clear", "clear|gt|target", lambda pattern: Folders(clear=pattern)),
    )
