"""Named protocols: frozen records that say exactly how a score is made.

Protocols of published code differ by up to 2 dB and 0.15 SSIM on one pair of pictures, so a score
without the id of its protocol cannot be compared.
"""

import dataclasses
import functools
from collections.abc import Iterable
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np

from dehaze_jax.arrays import Image, PerImage
from dehaze_jax.errors import InputError
from dehaze_jax.metrics.colour_difference import ciede2000
from dehaze_jax.metrics.fidelity import psnr
from dehaze_jax.metrics.precision import as_score_dtype
from dehaze_jax.metrics.structure import Padding, Window, ssim


@dataclasses.dataclass(frozen=True, kw_only=True)
class Protocol:
    """How a restored image is compared with the clear one. Images are clipped to [0, 1] first.

    Steps run in the order of the fields.
    """

    id: str
    """Goes with every score."""
    scores: tuple[Literal["psnr", "ssim", "ciede2000"], ...] = ("psnr", "ssim", "ciede2000")
    """What is reported."""
    rounding: bool
    """Round to 8 bit, as if the image had been written to a file."""
    channels: Literal["rgb", "y"] = "rgb"
    """"y" is the luma of BT.601 in studio range (16 to 235 of 255), not rounded again."""
    border: int = 0
    """Pixels cut off on each side."""
    ssim_pooling: bool = False
    """For SSIM only: adaptive average pooling to (h // r, w // r), r = max(1, round(min / 256))."""
    ssim_window: Window = "gaussian"
    ssim_padding: Padding = "valid"

    def __post_init__(self):
        if "ciede2000" in self.scores and self.channels != "rgb":
            raise InputError(self.id, "CIEDE2000 needs RGB")


PROTOCOLS: dict[str, Protocol] = {
    protocol.id: protocol
    for protocol in (
        # Full size, what a person gets from files; the default.
        Protocol(id="rgb-full", rounding=True),
        # DehazeFormer, ConvIR, gUNet.
        Protocol(id="rgb-ssim256", scores=("psnr", "ssim"), rounding=False, ssim_pooling=True),
        # UHDformer, UHDDIP.
        Protocol(
            id="y-full",
            scores=("psnr", "ssim"),
            rounding=True,
            channels="y",
            ssim_padding="replicate",
        ),
        # FFA-Net, DEA-Net.
        Protocol(id="rgb-zero", scores=("psnr", "ssim"), rounding=False, ssim_padding="zero"),
    )
}


def score(protocol: Protocol | str, restored: Image, clear: Image) -> dict[str, PerImage]:
    """Scores of images under one protocol, by name.

    Args:
        protocol: a record, or an id of `PROTOCOLS`.
        restored: images to score, `[*, h, w, 3]`.
        clear: references, same shape.

    Raises:
        InputError: no protocol has this id, or the border takes the whole image.
    """
    protocol = _resolve(protocol)
    if min(restored.shape[-3:-1]) <= 2 * protocol.border:
        raise InputError(protocol.id, f"cuts off {protocol.border} pixels: the image is too small")
    return _score(protocol, restored, clear)


def score_all(
    restored: Image, clear: Image, *, protocols: Iterable[Protocol | str] = tuple(PROTOCOLS)
) -> dict[str, dict[str, PerImage]]:
    """Scores under several protocols: `scores[protocol id][score name]`."""
    resolved = [_resolve(protocol) for protocol in protocols]
    return {protocol.id: score(protocol, restored, clear) for protocol in resolved}


def _resolve(protocol: Protocol | str) -> Protocol:
    if isinstance(protocol, Protocol):
        return protocol
    if protocol not in PROTOCOLS:
        raise InputError(protocol, f"no such protocol; there are {', '.join(PROTOCOLS)}")
    return PROTOCOLS[protocol]


@functools.partial(jax.jit, static_argnums=0)
def _score(protocol: Protocol, restored: Image, clear: Image) -> dict[str, PerImage]:
    restored, clear = (_prepare(protocol, image) for image in as_score_dtype(restored, clear))
    white = _white(protocol)
    scores = {}
    if "psnr" in protocol.scores:
        scores["psnr"] = psnr(restored, clear, data_range=white)
    if "ssim" in protocol.scores:
        small = [_pool(image) if protocol.ssim_pooling else image for image in (restored, clear)]
        scores["ssim"] = ssim(
            *small, window=protocol.ssim_window, padding=protocol.ssim_padding, data_range=white
        )
    if "ciede2000" in protocol.scores:
        scores["ciede2000"] = ciede2000(restored / white, clear / white)
    return scores


def _white(protocol: Protocol) -> float:
    """Value of white in what is scored."""
    # Rounded values stay whole numbers: divided by 255 inside a compiled program, equal pictures
    # would differ by rounding errors.
    return 255.0 if protocol.rounding else 1.0


def _prepare(protocol: Protocol, image: jax.Array) -> jax.Array:
    white = _white(protocol)
    image = jnp.clip(image, 0, 1) * white
    if protocol.rounding:
        image = jnp.round(image)
    if protocol.channels == "y":
        red, green, blue = jnp.moveaxis(image / white, -1, 0)
        luma = 65.481 * red + 128.553 * green + 24.966 * blue + 16
        image = (luma * (white / 255))[..., None]
    if protocol.border:
        inner = slice(protocol.border, -protocol.border)
        image = image[..., inner, inner, :]
    return image


def _pool(image: jax.Array) -> jax.Array:
    height, width = image.shape[-3:-1]
    ratio = max(1, round(min(height, width) / 256))
    if ratio == 1:
        return image
    rows, columns = (jnp.asarray(_bins(n, n // ratio), image.dtype) for n in (height, width))
    return jnp.einsum("ih,...hwc,jw->...ijc", rows, image, columns, precision="highest")


def _bins(size: int, parts: int) -> np.ndarray:
    """Averaging matrix `[parts, size]`; neighbouring parts overlap where they do not divide."""
    part, pixel = np.arange(parts)[:, None], np.arange(size)[None]
    inside = (pixel >= part * size // parts) & (pixel < -(-(part + 1) * size // parts))
    return inside / inside.sum(axis=1, keepdims=True)
