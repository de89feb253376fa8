"""UHD-Haze: haze rendered on 4K pictures, as the UHD restoration papers use it."""

from dehaze_jax.data import Dataset, FolderBuilder, Folders, split_layout


class Builder(FolderBuilder):
    """UHD-Haze, with its own split."""

    name = "uhd_haze"
    variants = (
        Dataset(
            name="uhd_haze",
            title="UHD-Haze: rendered haze on about 4K pictures",
            homepage="https://github.com/supersupercong/UHDformer",
            terms="The authors' repository names CC BY-NC-SA 4.0 for the work; cite the paper.",
            obtain="manual",
            fetch="fetch UHD-Haze from the link of https://github.com/supersupercong/UHDformer and "
            "unpack it, so that the folder holds train/ and test/ with input/ and gt/ in each",
            layouts=(
                split_layout(
                    Folders(hazy="input|hazy", clear="gt|clear", rule="stem"),
                    names={
                        "train": "train|training_set",
                        "validation": "validation|val",
                        "test": "test|testing_set|eval",
                    },
                ),
            ),
            editions={
                "UHD-Haze": {"train": 2_290, "test": 231},
                "UHD-Haze as a survey counts it": {"train": 2_290, "test": 230},
            },
            fields=("id",),
        ),
    )
