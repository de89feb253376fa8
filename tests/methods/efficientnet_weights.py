"""Tensors and pictures for EfficientNet-lite3, without PyTorch; the twin takes the same."""

import zlib

import numpy as np

# Channels, blocks, side of the kernel, stride and expansion of each stage.
STAGES = (
    (24, 1, 3, 1, 1),
    (32, 3, 3, 2, 6),
    (48, 3, 5, 2, 6),
    (96, 5, 3, 2, 6),
    (136, 5, 5, 1, 6),
    (232, 6, 5, 2, 6),
    (384, 1, 3, 1, 6),
)
TAPS = (1, 2, 4, 6)  # stages after which features are taken

# Shape of the pictures, and whether statistics of the batch are used. Odd and even sizes have
# other zeros around.
CASES = {"eval": ((2, 77, 50, 3), False), "train": ((2, 64, 96, 3), True)}
RUNNING = ("bn1", "blocks.0.0.bn2", "blocks.3.2.bn2", "blocks.6.0.bn3")


def shapes() -> dict[str, tuple[int, ...]]:
    """Names and shapes as in timm, without the classifier."""
    found: dict[str, tuple[int, ...]] = {}

    def layer(conv, norm, out, features, size):
        found[f"{conv}.weight"] = (out, features, size, size)
        for part in ("weight", "bias", "running_mean", "running_var"):
            found[f"{norm}.{part}"] = (out,)
        found[f"{norm}.num_batches_tracked"] = ()

    layer("conv_stem", "bn1", 32, 3, 3)
    features = 32
    for number, (out, blocks, size, _, expansion) in enumerate(STAGES):
        for block in range(blocks):
            name, middle = f"blocks.{number}.{block}", expansion * features
            norms = iter(f"{name}.bn{count}" for count in (1, 2, 3))
            if expansion > 1:
                layer(f"{name}.conv_pw", next(norms), middle, features, 1)
            layer(f"{name}.conv_dw", next(norms), middle, 1, size)
            last = "conv_pwl" if expansion > 1 else "conv_pw"
            layer(f"{name}.{last}", next(norms), out, middle, 1)
            features = out
    return found


def tensor(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """One tensor, by its name alone; of a size that leaves no part dead or saturated."""
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    if name.endswith("num_batches_tracked"):
        return np.array(7, np.int64)
    if len(shape) == 4:
        value = rng.normal(0, np.sqrt(2 / np.prod(shape[1:])), shape)
    elif name.endswith(("bias", "running_mean")):
        value = rng.normal(0, 0.2, shape)
    else:  # a scale or a variance
        value = rng.uniform(0.5, 1.5, shape)
    return value.astype(np.float32)


def state_dict() -> dict[str, np.ndarray]:
    """All tensors."""
    return {name: tensor(name, shape) for name, shape in shapes().items()}


def pictures(case: str) -> np.ndarray:
    """Pictures of a case."""
    shape, _ = CASES[case]
    rng = np.random.default_rng(zlib.crc32(case.encode()))
    return rng.uniform(0, 1, shape).astype(np.float32)


def summary(features) -> np.ndarray:
    """Mean, deviation, and some 300 values spread over places and channels `[b, h, w, c]`."""
    flat = np.ravel(np.asarray(features))
    some = flat[:: max(flat.size // 300, 1) | 1]
    return np.concatenate([[flat.mean(), flat.std()], some]).astype(np.float32)
