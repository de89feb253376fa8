"""4KID: haze rendered on 4K frames of street videos."""

from dehaze_jax.data import Dataset, FolderBuilder, Folders, Layout, split_layout

_FOLDERS = Folders(hazy="haze|hazy|input", clear="gt|clear")


class Builder(FolderBuilder):
    """4KID, in its own folders or cut into splits."""

    name = "uhd_4kid"
    variants = (
        Dataset(
            name="uhd_4kid",
            title="4KID: rendered haze on 3840 x 2160 frames of street videos",
            homepage="https://github.com/zzr-idam/4KDehazing",
            terms="No licence is stated; for research, cite the paper, do not redistribute.",
            obtain="manual",
            fetch="fetch the daytime pictures from the links of "
            "https://github.com/zzr-idam/4KDehazing and unpack them, so that the folder holds "
            "haze/ and gt/, or train/ and test/ with both in each",
            layouts=(split_layout(_FOLDERS), Layout({"all": _FOLDERS})),
            editions={
                "4KID": {"train": 8_000, "test": 200},
                "4KID, updated": {"train": 10_400, "test": 200},
            },
            fields=("id",),
        ),
    )
