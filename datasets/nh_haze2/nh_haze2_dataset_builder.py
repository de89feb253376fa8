"""NH-HAZE2: the pairs of the NTIRE 2021 challenge on non-homogeneous haze."""

from dehaze_jax.data import ByNumber, Dataset, FolderBuilder, Folders, Layout, split_layout

_CLEAR = "gt|clear|clean"
_SPLIT = ByNumber(train=range(1, 26), validation=range(26, 31), test=range(31, 36))


class Builder(FolderBuilder):
    """NH-HAZE2, with the challenge's own split."""

    name = "nh_haze2"
    variants = (
        Dataset(
            name="nh_haze2",
            title="NH-HAZE2 (NTIRE 2021): real non-homogeneous haze from machines, outdoors",
            homepage="https://competitions.codalab.org/competitions/28032",
            terms="No licence is stated; public for research, cite the paper.",
            obtain="manual",
            fetch="fetch the training pairs of the NTIRE 2021 challenge from "
            "https://competitions.codalab.org/competitions/28032 and unpack them, so that the "
            "folder holds hazy/ and GT/",
            layouts=(
                split_layout(Folders(hazy="hazy|haze", clear=_CLEAR)),
                Layout({"all": Folders(hazy="hazy|haze", clear=_CLEAR)}, _SPLIT),
                Layout(
                    {"all": Folders(hazy="ntire2021_train_hazy", clear="ntire2021_train_hazefree")},
                    _SPLIT,
                ),
                Layout({"all": Folders(hazy=".", clear=".", rule="token")}, _SPLIT),
            ),
            editions={"NH-HAZE2, training pairs of the challenge": {"train": 25}},
        ),
    )
