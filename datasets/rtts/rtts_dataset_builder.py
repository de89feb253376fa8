"""RTTS: real hazy street scenes."""

from dehaze_jax.data import Dataset, FolderBuilder, Folders, Layout


class Builder(FolderBuilder):
    """RESIDE's real task-driven test set; no clear pictures exist."""

    name = "rtts"
    variants = (
        Dataset(
            name="rtts",
            title="RTTS (RESIDE): real hazy streets, no clear pictures",
            homepage="https://sites.google.com/view/reside-dehaze-datasets",
            terms="No licence is stated; for research, cite the paper, do not redistribute.",
            obtain="manual",
            fetch="fetch RTTS.zip from https://sites.google.com/view/reside-dehaze-datasets and "
            "unpack it, so that the folder holds JPEGImages/",
            layouts=(
                # By its name first: beside URHI, whose pictures lie in a folder of any name.
                Layout({"test": Folders(hazy="rtts/jpegimages")}),
                Layout({"test": Folders(hazy="jpegimages|hazy")}),
                Layout({"test": Folders(hazy=".")}),
            ),
            editions={"RTTS": {"test": 4_322}},
        ),
    )
