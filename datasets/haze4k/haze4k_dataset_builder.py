"""Haze4K: haze rendered on photographs, with transmission; its name counts pictures, not pixels."""

from dehaze_jax.data import Dataset, FolderBuilder, Folders, Layout, split_layout

_FOLDERS = Folders(hazy="haze|hazy|in", clear="gt|clear", transmission="trans")


class Builder(FolderBuilder):
    """Haze4K, in the authors' folders and as it was repacked."""

    name = "haze4k"
    variants = (
        Dataset(
            name="haze4k",
            title="Haze4K: 4,000 small pictures of rendered haze, with transmission",
            homepage="https://github.com/liuye123321/DMT-Net",
            terms="No licence is known to us; for research, cite the paper.",
            obtain="manual",
            fetch="fetch Haze4K from the link of https://github.com/liuye123321/DMT-Net and unpack "
            "it, so that the folder holds train/ and test/ with haze/, gt/ and trans/ in each",
            layouts=(split_layout(_FOLDERS), Layout({"train": _FOLDERS})),
            editions={"Haze4K": {"train": 3_000, "test": 1_000}},
            fields=("id", "airlight", "beta"),
        ),
    )
