"""URHI: real hazy photographs without labels."""

from dehaze_jax.data import Dataset, FolderBuilder, Folders, Layout


class Builder(FolderBuilder):
    """RESIDE's unannotated real hazy images; no clear pictures exist."""

    name = "urhi"
    variants = (
        Dataset(
            name="urhi",
            title="URHI (RESIDE): real hazy photographs to train on, no clear pictures",
            homepage="https://sites.google.com/view/reside-dehaze-datasets",
            terms="No licence is stated; for research, cite the paper, do not redistribute.",
            obtain="manual",
            fetch="fetch URHI from https://sites.google.com/view/reside-dehaze-datasets and "
            "unpack it, so that the folder holds the pictures",
            layouts=(
                Layout({"train": Folders(hazy="urhi|hazy")}),
                Layout({"train": Folders(hazy=".")}),
            ),
            editions={
                "URHI as its archive has it": {"train": 4_809},
                "URHI as its paper counts it": {"train": 4_807},
            },
        ),
    )
