"""Weights and cases of the released bilateral network, without PyTorch; the twin takes the same."""

import zlib

import numpy as np

# What the published network and the tiny ones are made of.
PUBLISHED = {
    "width": 64,
    "proxy_size": 256,
    "feature_size": 320,
    "grid_size": 16,
    "grid_depth": 16,
}
TINY = {"width": 4, "proxy_size": 16, "feature_size": 20, "grid_size": 4, "grid_depth": 4}
# As in the published one, only rows are pooled. Odd sizes on the way down make the second U-Net
# pad on its way up.
POOLED = {"width": 4, "proxy_size": 36, "feature_size": 44, "grid_size": 6, "grid_depth": 3}

# Dimensions and shape of the pictures. The last is smaller than its grid and than the proxy.
CASES = {
    "odd": (TINY, (1, 21, 34, 3)),
    "batch": (POOLED, (2, 23, 17, 3)),
    "small": (POOLED, (1, 5, 7, 3)),
}
TRAINED = "batch"  # batch statistics need more than one value a channel

# Of the trained case, by published name: what every part learns from.
GRADIENTS = (
    "u_net.inc.double_conv.0.weight",
    "u_net.down2.maxpool_conv.1.double_conv.1.weight",
    "u_net.up1.conv.double_conv.0.weight",
    "u_net.pre.bias",
    "u_net_mini.inc.double_conv.1.bias",
    "u_net_mini.down4.maxpool_conv.1.double_conv.4.weight",
    "u_net_mini.up4.conv.double_conv.3.weight",
    "u_net_mini.pre.weight",
    "guide_r.conv1.conv.weight",
    "guide_r.conv1.activation.weight",
    "guide_g.conv2.bn.bias",
    "guide_g.conv2.bn.weight",
    "guide_b.conv2.activation.weight",
    "guide_b.conv3.conv.weight",
    "fusion.0.weight",
    "fusion.1.weight",
    "fusion.2.bias",
    "fusion.3.weight",
    "x_r_fusion.0.bias",
    "x_r_fusion.1.weight",
    "x_r_fusion.2.weight",
    "x_r_fusion.3.weight",
    "p.weight",
    "r_point.weight",
    "g_point.bias",
    "b_point.weight",
)
RUNNING = tuple(
    f"{norm}.{statistic}"
    for norm in (
        "u_net.inc.double_conv.1",
        "u_net.up2.conv.double_conv.4",
        "u_net_mini.down4.maxpool_conv.1.double_conv.1",
        "guide_r.conv1.bn",
        "guide_b.conv2.bn",
    )
    for statistic in ("running_mean", "running_var")
)


def shapes(width: int) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the published tensors, whatever the other dimensions are."""
    found: dict[str, tuple[int, ...]] = {}

    def conv(name, size, features, out):
        found[f"{name}.weight"] = (out, features, size, size)
        found[f"{name}.bias"] = (out,)

    def norm(name, features):
        for part in ("weight", "bias", "running_mean", "running_var"):
            found[f"{name}.{part}"] = (features,)
        found[f"{name}.num_batches_tracked"] = ()

    def double_conv(name, features, middle, out):
        conv(f"{name}.0", 3, features, middle)
        norm(f"{name}.1", middle)
        conv(f"{name}.3", 3, middle, out)
        norm(f"{name}.4", out)

    for net in ("u_net", "u_net_mini"):
        w = width
        double_conv(f"{net}.inc.double_conv", 3, w, w)
        levels = ((w, 2 * w), (2 * w, 4 * w), (4 * w, 8 * w), (8 * w, 8 * w))
        for level, (features, out) in enumerate(levels, 1):
            double_conv(f"{net}.down{level}.maxpool_conv.1.double_conv", features, out, out)
        levels = ((16 * w, 4 * w), (8 * w, 2 * w), (4 * w, w), (2 * w, w))
        for level, (features, out) in enumerate(levels, 1):
            double_conv(f"{net}.up{level}.conv.double_conv", features, features // 2, out)
        conv(f"{net}.pre", 3, w, 3)
    for guide in ("guide_r", "guide_g", "guide_b"):
        for layer, features in (("conv1", 1), ("conv2", 16)):
            conv(f"{guide}.{layer}.conv", 3, features, 16)
            norm(f"{guide}.{layer}.bn", 16)
            found[f"{guide}.{layer}.activation.weight"] = (1,)
        conv(f"{guide}.conv3.conv", 1, 16, 1)
    for name, (middle, size, features) in {"fusion": (16, 1, 9), "x_r_fusion": (8, 3, 3)}.items():
        conv(f"{name}.0", 3, features, middle)
        conv(f"{name}.2", size, middle, 3)
        found[f"{name}.1.weight"] = found[f"{name}.3.weight"] = (1,)
    for point in ("r_point", "g_point", "b_point"):
        conv(point, 1, 3, 3)
    found["p.weight"] = found["smooth.weight"] = (1,)
    return found


def tensor(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """One tensor, by its name alone.

    The 5 and the sizes are such that in no network any part is dead or saturated.
    """
    rng = np.random.default_rng(zlib.crc32(f"5{name}".encode()))
    if name.endswith("num_batches_tracked"):
        return np.array(7, np.int64)
    if len(shape) == 4:
        value = rng.normal(0, np.sqrt(2.4 / np.prod(shape[1:])), shape)
    elif name.endswith(("bias", "running_mean")):
        value = rng.normal(0, 0.1, shape)
    elif shape == (1,):  # a slope
        value = rng.uniform(0.1, 0.4, shape)
    else:  # a scale or a variance
        value = rng.uniform(0.5, 1.5, shape)
    return value.astype(np.float32)


def state_dict(shapes: dict[str, tuple[int, ...]]) -> dict[str, np.ndarray]:
    """Tensors of these names and shapes."""
    return {name: tensor(name, shape) for name, shape in shapes.items()}


def pictures(case: str) -> tuple[np.ndarray, np.ndarray]:
    """Hazy pictures of a case, and weights of the sum over the restored ones, `[b, h, w, 3]`."""
    _, shape = CASES[case]
    rng = np.random.default_rng(zlib.crc32(case.encode()))
    hazy = rng.uniform(0, 1, shape).astype(np.float32)
    return hazy, rng.normal(0, 1, shape).astype(np.float32)
