"""8KDehaze: haze of four strengths rendered on 8K aerial pictures."""

from dehaze_jax.data import Dataset, FolderBuilder, Folders, Layout


class Builder(FolderBuilder):
    """8KDehaze and its small edition, dealt out by clear picture."""

    name = "eight_k_dehaze"
    variants = (
        Dataset(
            name="eight_k_dehaze",
            title="8KDehaze: rendered haze on 8192 x 8192 aerial pictures, four strengths each",
            homepage="https://github.com/CastleChen339/DehazeXL",
            terms="No licence is known to us: see the homepage; cite the paper.",
            obtain="manual",
            fetch="fetch 8KDehaze (931 GB) or 8KDehaze_mini (11 GB) from the links of "
            "https://github.com/CastleChen339/DehazeXL and unpack it, so that the folder holds "
            "clear/ and cloud_L1/ to cloud_L4/",
            layouts=(Layout({"all": Folders(hazy="cloud_l*", clear="clear", rule="path")}),),
            fields=("id",),
        ),
    )
