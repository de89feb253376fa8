"""Names of the tensors of EfficientNet-lite3 in PyTorch, and where they go here."""

from typing import NamedTuple

from dehaze_jax.methods.importing import KERNEL, Place, batch_norm
from dehaze_jax.networks.efficientnet import STAGES


class Naming(NamedTuple):
    """What the parts of the network are called.

    Attributes:
        stem: the first convolution.
        norm: the normalisation after it.
        stages: each of `STAGES`.
    """

    stem: str
    norm: str
    stages: tuple[str, ...]


TIMM = Naming("conv_stem", "bn1", tuple(f"blocks.{number}" for number in range(len(STAGES))))
"""As timm and the weights learnt on ImageNet name them."""

LAYERS = Naming(
    "layer1.0",
    "layer1.1",
    ("layer1.3", "layer1.4", "layer2.0", "layer3.0", "layer3.1", "layer4.0", "layer4.1"),
)
"""As MiDaS, D4 and NeDR do, which split the network into four; `layer1.2` is an activation."""

_EXPANDED = (
    ("conv_pw", "bn1", "expand"),
    ("conv_dw", "bn2", "depthwise"),
    ("conv_pwl", "bn3", "project"),
)
_PLAIN = (("conv_dw", "bn1", "depthwise"), ("conv_pw", "bn2", "project"))


def places(prefix: str, path: str, *, naming: Naming = TIMM) -> dict[str, Place]:
    """Where each tensor of the encoder belongs, by its name.

    Args:
        prefix: what all names begin with, its dot included.
        path: of our module, such as `"depth/encoder/backbone"`.
        naming: `TIMM` or `LAYERS`.
    """
    found = _layer(prefix + naming.stem, prefix + naming.norm, f"{path}/stem")
    for number, (stage, name) in enumerate(zip(STAGES, naming.stages, strict=True)):
        layers = _PLAIN if stage.expansion == 1 else _EXPANDED
        for block in range(stage.blocks):
            theirs, ours = f"{prefix}{name}.{block}", f"{path}/stage{number}_block{block}"
            for conv, norm, layer in layers:
                found |= _layer(f"{theirs}.{conv}", f"{theirs}.{norm}", f"{ours}/{layer}")
    return found


def _layer(conv: str, norm: str, path: str) -> dict[str, Place]:
    """A convolution without bias, depthwise ones alike, and its normalisation."""
    kernel = {f"{conv}.weight": Place(f"params/{path}/kernel", KERNEL)}
    return kernel | batch_norm(norm, f"{path}_norm")
