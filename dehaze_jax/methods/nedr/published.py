"""Weights that the authors of NeDR and of D4 published, and of an encoder alone, for ours."""

import functools
import os
from collections.abc import Iterable, Mapping
from types import MappingProxyType

import jax
import numpy as np

from dehaze_jax.arrays import Key
from dehaze_jax.methods.importing import (
    COUNTER,
    KERNEL,
    MATRIX,
    VECTOR,
    Imported,
    Layout,
    Place,
    batch_norm,
    convolution,
    take,
)
from dehaze_jax.methods.nedr import efficientnet_names
from dehaze_jax.methods.nedr.config import D4, PUBLISHED, RELEASED, NedrConfig
from dehaze_jax.methods.nedr.networks import initial_variables, widths
from dehaze_jax.storage.trees import flatten, unflatten

NETWORKS: Mapping[str, str] = MappingProxyType(
    {
        "net_h2c": "scene",
        "net_c2h": "haze",
        "net_depth": "depth",
        "discriminator_h2c": "clear_critic",
        "discriminator_c2h": "hazy_critic",
    }
)
"""What the networks are called in the files of the authors' code, and here."""

REASONS = {
    COUNTER: "counts training steps, no weight",
    "net_h2c.mcc": "published, but used nowhere",
    "net_h2c.scratch.refinenet4.resConfUnit1": "refines a skip, which the coarsest scale lacks",
    "net_depth.scratch.refinenet4.resConfUnit1": "refines a skip, which the coarsest scale lacks",
    **{
        f"{layer}.{part}": "published, but used nowhere"
        for layer in (
            f"net_h2c.cid_{features}.channel_dependent.fc{number}"
            for features in widths(RELEASED).levels
            for number in (1, 2)
        )
        for part in ("weight", "bias")
    },
    **dict.fromkeys(("conv_head", "bn2", "classifier"), "of the classifier, not of the encoder"),
}
"""Why tensors of a published checkpoint are left over."""

_POINTWISE = Layout(lambda value: value[:, :, 0, 0].T, lambda shape: (*shape[::-1], 1, 1))
_SPLINES = Layout(lambda value: value.transpose(1, 2, 0), lambda s: (s[2], s[0], s[1]))
_INPUTS = Layout(
    lambda value: value.reshape(-1, 4, 4).transpose(1, 2, 0), lambda shape: (int(np.prod(shape)),)
)

_STEM = "conv_stem.weight"  # every checkpoint of the encoder alone has it, and no other has


def places(config: NedrConfig, networks: Iterable[str] = NETWORKS) -> dict[str, Place]:
    """Where each published tensor belongs, by its name.

    Args:
        config: `RELEASED` or `D4`.
        networks: those wanted, by their names in `NETWORKS`.
    """
    found: dict[str, Place] = {}
    for name in networks:
        path = NETWORKS[name]
        if path == "scene":
            found |= _decoder(name, path) | _scene(name, path, config)
        elif path == "depth":
            found |= _decoder(name, path)
        elif path == "haze":
            found |= _haze(name, path)
        else:
            found |= _critic(name, path)
    return found


def import_published(
    tensors: Mapping[str, np.ndarray], *, source: str | os.PathLike[str]
) -> Imported:
    """Makes our variables of a checkpoint of NeDR, of D4 or of EfficientNet-lite3.

    The network that restores has to be there; the other four start at initial values, always the
    same ones, where they are missing. An encoder alone becomes that of both networks that have one,
    for training; the rest of them and the other networks start at initial values.

    Args:
        tensors: the checkpoint, by published name, before which stands that of the network.
        source: where it came from; named in errors.

    Raises:
        InputError: a tensor is missing, has another shape or values that are not finite.
    """
    present = {name.partition(".")[0] for name in tensors} & NETWORKS.keys()
    if _STEM in tensors and not present:
        return _import_encoder(tensors, source)
    new = ("net_h2c.cid_", "net_h2c.nrn.")
    config = RELEASED if any(name.startswith(new) for name in tensors) else D4
    wanted = [name for name in NETWORKS if name in present or name == "net_h2c"]
    imported = take(
        tensors,
        places(config, wanted),
        _shapes(config),
        config=config,
        reasons=REASONS,
        source=source,
    )
    initial = tuple(path for name, path in NETWORKS.items() if name not in wanted)
    return _complete(imported, initial)


def _import_encoder(tensors: Mapping[str, np.ndarray], source: str | os.PathLike[str]) -> Imported:
    first, second = (
        take(
            tensors,
            efficientnet_names.places("", f"{network}/encoder/backbone"),
            _shapes(PUBLISHED),
            config=PUBLISHED,
            reasons=REASONS,
            source=source,
        )
        for network in ("scene", "depth")
    )
    imported = first._replace(
        variables=unflatten(flatten(first.variables) | flatten(second.variables)),
        used=first.used + second.used,
    )
    others = (path for path in NETWORKS.values() if path not in ("scene", "depth"))
    return _complete(imported, ("scene but its encoder", "depth but its encoder", *others))


def _complete(imported: Imported, initial: tuple[str, ...]) -> Imported:
    """Adds initial values of what is missing."""
    have = flatten(imported.variables)
    paths = list(_shapes(imported.config))
    missing = [path for path in paths if path not in have]

    def draw(key: Key) -> dict[str, jax.Array]:
        values = flatten(initial_variables(imported.config, key))
        return {path: values[path] for path in missing}

    if missing:
        # Compiled, so that what the values do not depend on is not run.
        have |= jax.tree.map(np.asarray, jax.jit(draw)(jax.random.key(0)))
    variables = unflatten({path: have[path] for path in paths})
    return imported._replace(variables=variables, initial=initial)


@functools.cache
def _shapes(config: NedrConfig) -> dict[str, jax.ShapeDtypeStruct]:
    return flatten(jax.eval_shape(functools.partial(initial_variables, config), jax.random.key(0)))


def _decoder(name: str, path: str) -> dict[str, Place]:
    """What the networks of hazy and of clear pictures share: the encoder and the way up."""
    found = efficientnet_names.places(
        f"{name}.pretrained.", f"{path}/encoder/backbone", naming=efficientnet_names.LAYERS
    )
    name = f"{name}.scratch"
    for level in (1, 2, 3, 4):
        kernel = Place(f"params/{path}/map{level}/conv/kernel", KERNEL)
        found[f"{name}.layer{level}_rn.1.weight"] = kernel
        theirs, ours = f"{name}.refinenet{level}", f"{path}/refine{level}"
        for unit in (1, 2) if level < 4 else (2,):
            for number in (1, 2):
                found |= convolution(
                    f"{theirs}.resConfUnit{unit}.conv{number}", f"{ours}/unit{unit}/conv{number}"
                )
        found |= convolution(f"{theirs}.out_conv", f"{ours}/out")
    for number, index in ((1, 1), (2, 4), (3, 6)):
        found |= convolution(f"{name}.output_conv.{index}", f"{path}/head/conv{number}")
    return found


def _scene(name: str, path: str, config: NedrConfig) -> dict[str, Place]:
    """The density, and what NeDR adds to D4."""
    found: dict[str, Place] = {}
    for number in (1, 2):
        found |= convolution(
            f"{name}.final_conv_beta_{number}.0", f"{path}/density{number}", _POINTWISE
        )
    if config.variant == "d4":
        return found
    for level, features in enumerate(widths(config).levels, start=1):
        theirs, ours = f"{name}.cid_{features}", f"{path}/mix{level}"
        found |= convolution(f"{theirs}.channel_independent.dconv", f"{ours}/depthwise")
        for number in (1, 2):
            found |= _kan(f"{theirs}.channel_dependent.fc{number}", f"{ours}/kan{number}")
    # The rows of the coordinates are multiplied by zeros there and here; their order is left alone.
    for number in range(len(widths(config).implicit) + 1):
        found |= convolution(
            f"{name}.nrn.imnet.layers.{2 * number}", f"{path}/implicit/layers_{number}", MATRIX
        )
    return found


def _kan(name: str, path: str) -> dict[str, Place]:
    return {
        f"{name}.base_weight": Place(f"params/{path}/base", MATRIX),
        f"{name}.spline_scaler": Place(f"params/{path}/scale", MATRIX),
        f"{name}.spline_weight": Place(f"params/{path}/weight", _SPLINES),
        f"{name}.grid": Place(f"grids/{path}/knots", VECTOR),
    }


def _haze(name: str, path: str) -> dict[str, Place]:
    found: dict[str, Place] = {}
    plain = {
        "enc_conv0": "first",
        "dec_conv2": "up2",
        "dec_conv_last": "up3",
        "dec_conv_last_2": "last",
    }
    for theirs, ours in plain.items():
        found |= convolution(f"{name}.{theirs}.1", f"{path}/{ours}")
    normal = {"enc_conv1": "down1", "enc_conv2": "down2", "enc_conv3": "down3", "dec_conv1": "up1"}
    for theirs, ours in normal.items():
        found |= _norm_conv(f"{name}.{theirs}", 1, f"{path}/{ours}")
    for block in range(1, widths(RELEASED).refinement_blocks + 1):
        for half in (1, 2):
            theirs, ours = f"{name}.bottleneck{block}.res", f"{path}/block{block}_{half}"
            found |= _norm_conv(theirs, 4 * half - 3, ours)
    return found


def _norm_conv(name: str, index: int, path: str) -> dict[str, Place]:
    """A convolution at a place of a sequence, and the normalisation after it."""
    return convolution(f"{name}.{index}", f"{path}/conv") | batch_norm(
        f"{name}.{index + 1}", f"{path}/norm"
    )


def _critic(name: str, path: str) -> dict[str, Place]:
    found: dict[str, Place] = {}
    for number in range(1, 6):
        theirs, ours = f"{name}.conv{number}.0", f"{path}/conv{number}"
        found[f"{theirs}.weight_orig"] = Place(f"params/{ours}/kernel", KERNEL)
        found[f"{theirs}.weight_u"] = Place(f"spectral/{ours}/u", VECTOR)
        found[f"{theirs}.weight_v"] = Place(f"spectral/{ours}/v", _INPUTS)
    return found
