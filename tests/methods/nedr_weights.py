"""Tensors as the files of D4 and NeDR have them, without PyTorch; the twin takes the same."""

import itertools
import zlib

import efficientnet_weights
import numpy as np
from scripts import load_script

decoder = load_script("twins/nedr_decoder.py")
summary = efficientnet_weights.summary

METHODS = ("d4", "nedr")
SHAPE = (1, 128, 128, 3)  # PyTorch does not mirror seven pixels around less at 1/32 of the size
DENSITY = 0.3
LEVELS = (32, 64, 128, 256)

# Of MiDaS: where the parts of an encoder are.
LAYERS = {
    "conv_stem": "layer1.0",
    "bn1": "layer1.1",
    "blocks.0": "layer1.3",
    "blocks.1": "layer1.4",
    "blocks.2": "layer2.0",
    "blocks.3": "layer3.0",
    "blocks.4": "layer3.1",
    "blocks.5": "layer4.0",
    "blocks.6": "layer4.1",
}

Shapes = dict[str, tuple[int, ...]]


def shapes(method: str) -> dict[str, Shapes]:
    """Names and shapes of each network of a method. Of `mcc`, which is not called, only some."""
    scene = _reader() | {
        "final_conv_beta_1.0.weight": (64, 600, 1, 1),
        "final_conv_beta_1.0.bias": (64,),
        "final_conv_beta_2.0.weight": (1, 64, 1, 1),
        "final_conv_beta_2.0.bias": (1,),
    }
    if method == "nedr":
        scene |= _added()
    critic = _critic()
    return {
        "net_h2c": scene,
        "net_c2h": _haze(),
        "net_depth": _reader(),
        "discriminator_h2c": critic,
        "discriminator_c2h": critic,
    }


def _reader() -> Shapes:
    found = {}
    for name, shape in efficientnet_weights.shapes().items():
        part = next(part for part in LAYERS if name.startswith(f"{part}."))
        found[f"pretrained.{LAYERS[part]}{name.removeprefix(part)}"] = shape
    names = decoder.shapes(*decoder.PUBLISHED)
    return found | {f"scratch.{name}": shape for name, shape in names.items()}


def _added() -> Shapes:
    found: Shapes = {}
    for n in LEVELS:
        name = f"cid_{n}"
        found[f"{name}.channel_independent.dconv.weight"] = (n, 1, 7, 7)
        found[f"{name}.channel_independent.dconv.bias"] = (n,)
        for layer in (f"{name}.channel_dependent.fc1", f"{name}.channel_dependent.fc2"):
            for part in ("weight", "base_weight", "spline_scaler"):
                found[f"{layer}.{part}"] = (n, n)
            found[f"{layer}.bias"] = (n,)
            found[f"{layer}.grid"] = (n, 12)
            found[f"{layer}.spline_weight"] = (n, n, 8)
    widths = (308, 256, 256, 256, 32)
    for number, (features, out) in enumerate(itertools.pairwise(widths)):
        found[f"nrn.imnet.layers.{2 * number}.weight"] = (out, features)
        found[f"nrn.imnet.layers.{2 * number}.bias"] = (out,)
    found["mcc.temperature"] = (8, 1, 1)
    found["mcc.color_space_detector.fc.weight"] = (3, 256)
    return found


def _haze() -> Shapes:
    found: Shapes = {}

    def conv(name, place, features, out, norm):
        found[f"{name}.{place}.weight"] = (out, features, 3, 3)
        found[f"{name}.{place}.bias"] = (out,)
        if norm:
            for part in ("weight", "bias", "running_mean", "running_var"):
                found[f"{name}.{place + 1}.{part}"] = (out,)
            found[f"{name}.{place + 1}.num_batches_tracked"] = ()

    conv("enc_conv0", 1, 3, 16, norm=False)
    conv("enc_conv1", 1, 16, 32, norm=True)
    conv("enc_conv2", 1, 32, 64, norm=True)
    conv("enc_conv3", 1, 64, 128, norm=True)
    for block in (1, 2, 3, 4):
        for place in (1, 5):
            conv(f"bottleneck{block}.res", place, 128, 128, norm=True)
    conv("dec_conv1", 1, 256, 64, norm=True)
    conv("dec_conv2", 1, 128, 32, norm=False)
    conv("dec_conv_last", 1, 64, 32, norm=False)
    conv("dec_conv_last_2", 1, 32, 3, norm=False)
    return found


def _critic() -> Shapes:
    found: Shapes = {}
    widths = (3, 64, 128, 256, 512, 1)
    for number, (features, out) in enumerate(itertools.pairwise(widths), start=1):
        found[f"conv{number}.0.weight_orig"] = (out, features, 4, 4)
        found[f"conv{number}.0.weight_u"] = (out,)
        found[f"conv{number}.0.weight_v"] = (features * 16,)
    return found


def tensor(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """One tensor, by its name alone; of a size that leaves no part dead or saturated."""
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    if name.endswith("num_batches_tracked"):
        return np.array(7, np.int64)
    value = rng.standard_normal(shape, np.float32)
    last = name.rpartition(".")[2]
    if last == "grid":
        step = 0.4
        return (step * (np.arange(12) - 5.5) + 0.05 * np.tanh(value)).astype(np.float32)
    if last in ("bias", "running_mean"):
        return 0.1 * value
    if len(shape) == 1:  # a scale, a variance, a singular vector
        return 1 + 0.2 * np.tanh(value)
    if last == "spline_weight":
        return 0.5 * value
    gain = 0.5 if ".scratch." in name else 2.0
    if "final_conv_beta" in name or "dec_conv_last" in name:
        gain = 0.05  # what is squashed
    return np.float32(np.sqrt(gain / np.prod(shape[1:]))) * value


def state_dict(method: str) -> dict[str, np.ndarray]:
    """The tensors of a method under the names that both files give them."""
    found = {
        f"{network}.{name}": tensor(f"{network}.{name}", shape)
        for network, named in shapes(method).items()
        for name, shape in named.items()
    }
    for name in found:
        if name.endswith("weight_orig"):
            layer = name.removesuffix("orig")
            found[f"{layer}u"], found[f"{layer}v"] = _singular(found[name], found[f"{layer}u"])
    return found


def _singular(kernel: np.ndarray, u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Vectors that are about the first singular ones of a kernel."""
    matrix = kernel.reshape(len(kernel), -1)
    for _ in range(3):
        v = matrix.T @ u
        v /= np.linalg.norm(v)
        u = matrix @ v
        u /= np.linalg.norm(u)
    return u, v


def picture() -> np.ndarray:
    """A picture `[1, h, w, 3]`."""
    return np.random.default_rng(0).uniform(0, 1, SHAPE).astype(np.float32)
