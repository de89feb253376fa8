"""RESIDE HSTS: ten rendered pairs, and ten real hazy photographs."""

from dehaze_jax.data import Dataset, FolderBuilder, Folders, Layout


def _part(config: str, *, title: str, folders: Folders) -> Dataset:
    return Dataset(
        name=f"hsts/{config}",
        title=f"RESIDE HSTS: {title}",
        homepage="https://sites.google.com/view/reside-dehaze-datasets",
        terms="No licence is stated; for research, cite the paper, do not redistribute.",
        obtain="manual",
        fetch="fetch HSTS from https://sites.google.com/view/reside-dehaze-datasets and "
        "unpack it, so that the folder holds real-world/ and synthetic/ with original/ and "
        "synthetic/",
        layouts=(Layout({"test": folders}),),
        editions={"HSTS": {"test": 10}},
        fields=("id",),
    )


class Builder(FolderBuilder):
    """Both parts of RESIDE's hybrid subjective test set."""

    name = "hsts"
    variants = (
        _part(
            "synthetic",
            title="ten pairs of rendered haze outdoors",
            folders=Folders(hazy="synthetic/synthetic", clear="synthetic/original", rule="stem"),
        ),
        _part(
            "real_world",
            title="ten real hazy photographs, no clear pictures",
            folders=Folders(hazy="real-world|real_world"),
        ),
    )
