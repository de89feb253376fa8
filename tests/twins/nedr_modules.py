"""Writes tests/networks/golden/nedr_modules.npz: modules of NeDR in PyTorch, with gradients.

    python tests/twins/nedr_modules.py

Needs torch; written with torch 2.13.0. Plain code of our own after descriptions of the published
modules; weights are drawn by the names and in the layouts of ours. Computed in float64.
"""

import itertools
import pathlib
import zlib

import numpy as np

GOLDEN = pathlib.Path(__file__).parents[1] / "networks" / "golden" / "nedr_modules.npz"

# Module and its options, size of the input, and arguments of the call.
CASES = {
    "implicit/same grid": ("implicit", {}, (2, 5, 4, 3), {}),
    "implicit/without coordinates": (
        "implicit",
        {"coordinates": "none"},
        (1, 4, 5, 3),
        {"height": 6, "width": 7},
    ),
    "implicit/three times": (
        "implicit",
        {"hidden": (6,)},
        (1, 3, 4, 2),
        {"height": 9, "width": 12},
    ),
    "implicit/uneven": (
        "implicit",
        {"frequencies": 2},
        (2, 6, 5, 2),
        {"height": 10, "width": 13},
    ),
    "implicit/coarser": ("implicit", {}, (1, 9, 11, 1), {"height": 4, "width": 5}),
    "implicit/finer columns": (
        "implicit",
        {"hidden": (7, 6, 5)},
        (1, 3, 5, 2),
        {"width": 8, "cell": (0.7, 1.9)},
    ),
    "implicit/one pixel": ("implicit", {}, (1, 1, 1, 2), {"height": 3, "width": 2}),
    "dense/published kernel": ("dense", {"width": 4, "size": 5}, (2, 7, 6, 3), {}),
    "dense/small kernel": ("dense", {"width": 3, "size": 3}, (1, 5, 8, 4), {}),
    "patches/three levels": ("patches", {"width": 2, "levels": 3}, (1, 26, 33, 3), {}),
    "patches/one level": ("patches", {"width": 3, "levels": 1}, (2, 8, 11, 2), {}),
    "patches/four levels": ("patches", {"width": 1, "levels": 4}, (1, 49, 48, 1), {}),
    "refinement/even": ("refinement", {"width": 1, "blocks": 2}, (2, 12, 8, 3), {}),
    "refinement/odd": ("refinement", {"width": 1, "blocks": 1}, (1, 9, 14, 3), {}),
}


def shapes(case: str) -> dict[str, tuple[int, ...]]:
    """Kernels in the layout of ours, by their names."""
    module, options, size, _ = CASES[case]
    inputs = size[-1]
    if module == "implicit":
        octaves = 4 * options.get("frequencies", 4)
        widths = [9 * inputs + octaves + 4, *options.get("hidden", (6, 5)), 3]
        pairs = itertools.pairwise(widths)
        return {f"layers_{number}": pair for number, pair in enumerate(pairs)}
    if module == "dense":
        width, size = options["width"], options["size"]
        kernels = {"first": (inputs, width), "fuse": (width, width), "last": (width, inputs)}
        for block in ("block1", "block2"):
            for number in (1, 2, 3):
                kernels[f"{block}/conv{number}"] = (number * width, width)
        large = {name: (size, size, *pair) for name, pair in kernels.items()}
        merge = (1, 1, 4 * width, width)
        return {**large, "block1/merge": merge, "block2/merge": merge}
    if module == "patches":
        levels = range(options["levels"] + 1)
        widths = [inputs, *(options["width"] * min(2**level, 8) for level in levels), 1]
        pairs = itertools.pairwise(widths)
        return {f"conv{number}": (4, 4, *pair) for number, pair in enumerate(pairs, start=1)}
    width = options["width"]
    kernels = {
        "first": (3, width),
        "down1/conv": (width, 2 * width),
        "down2/conv": (2 * width, 4 * width),
        "down3/conv": (4 * width, 8 * width),
        "up1/conv": (16 * width, 4 * width),
        "up2": (8 * width, 2 * width),
        "up3": (4 * width, 2 * width),
        "last": (2 * width, 3),
    }
    for number in range(1, options["blocks"] + 1):
        for half in (1, 2):
            kernels[f"block{number}_{half}/conv"] = (8 * width, 8 * width)
    return {name: (3, 3, *pair) for name, pair in kernels.items()}


def weights(case: str) -> dict[str, np.ndarray]:
    """Parameters by the names of ours."""
    tensors = {}
    for name, shape in shapes(case).items():
        rng = np.random.default_rng(zlib.crc32(f"{case}/{name}".encode()))
        tensors[f"{name}/kernel"] = rng.normal(size=shape) / np.sqrt(np.prod(shape[:-1]))
        if CASES[case][0] != "patches":
            tensors[f"{name}/bias"] = 0.3 * rng.normal(size=shape[-1])
        if name.endswith("/conv"):
            norm = name.removesuffix("conv") + "norm"
            tensors[f"{norm}/scale"] = rng.uniform(0.5, 1.5, shape[-1])
            tensors[f"{norm}/bias"] = 0.3 * rng.normal(size=shape[-1])
    return tensors


def state(case: str) -> dict[str, np.ndarray]:
    """What is kept besides parameters: running statistics, singular vectors."""
    kept = {}
    for name, shape in shapes(case).items():
        rng = np.random.default_rng(zlib.crc32(f"{case}/{name}/state".encode()))
        if CASES[case][0] == "patches":
            u, v = rng.normal(size=shape[-1]), rng.normal(size=shape[:-1])
            kept[f"{name}/u"], kept[f"{name}/v"] = (x / np.linalg.norm(x) for x in (u, v))
        if name.endswith("/conv"):
            norm = name.removesuffix("conv") + "norm"
            kept[f"{norm}/mean"] = 0.3 * rng.normal(size=shape[-1])
            kept[f"{norm}/var"] = rng.uniform(0.5, 1.5, shape[-1])
    return kept


def picture(case: str) -> np.ndarray:
    """The input."""
    rng = np.random.default_rng(zlib.crc32(f"{case}/input".encode()))
    return rng.normal(size=CASES[case][2])


def cotangents(case: str, shape: tuple[int, ...]) -> np.ndarray:
    """Factors of the values of the output in the sum whose gradients are compared."""
    rng = np.random.default_rng(zlib.crc32(f"{case}/cotangents".encode()))
    return rng.normal(size=shape)


def conv(given, name, x, stride=1, padding=0):
    """Convolution by a kernel in the layout of ours."""
    import torch.nn.functional as F

    kernel = given[f"{name}/kernel"].permute(3, 2, 0, 1).contiguous()
    return F.conv2d(x, kernel, given[f"{name}/bias"], stride, padding)


def implicit(case, given, kept, x, train):
    """Four members, each with its unfolded features, coordinates and cell, mixed by areas."""
    import torch
    import torch.nn.functional as F

    _, options, _, call = CASES[case]
    batch, channels, rows, columns = x.shape
    height, width = call.get("height", rows), call.get("width", columns)
    cell = call.get("cell", (2 / height * rows, 2 / width * columns))
    unfolded = F.unfold(x, 3, padding=1).view(batch, 9 * channels, rows, columns)

    def centres(*size):
        axes = [-1 + 1 / n + 2 / n * torch.arange(n).double() for n in size]
        return torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1)

    def at(image, place):
        grid = place.flip(-1).expand(batch, -1, -1, -1)
        return F.grid_sample(image, grid, mode="nearest", align_corners=False)

    query = centres(height, width)
    known = centres(rows, columns).permute(2, 0, 1).expand(batch, -1, -1, -1)
    inputs = [query]
    for octave in range(options.get("frequencies", 4)):
        inputs += [torch.sin(2**octave * torch.pi * query), torch.cos(2**octave * torch.pi * query)]
    place = torch.cat(inputs, dim=-1)
    if options.get("coordinates") == "none":
        place = torch.zeros_like(place)
    place = torch.cat([place, torch.tensor(cell).double().expand(height, width, 2)], dim=-1)

    answers, areas = [], []
    for down in (-1, 1):
        for across in (-1, 1):
            shift = torch.tensor([down / rows, across / columns]).double() + 1e-6
            near = (query + shift).clamp(-1 + 1e-6, 1 - 1e-6)
            values = at(unfolded, near).permute(0, 2, 3, 1)
            values = torch.cat([values, place.expand(batch, -1, -1, -1)], dim=-1)
            layers = len(shapes(case))
            for number in range(layers):
                values = values @ given[f"layers_{number}/kernel"] + given[f"layers_{number}/bias"]
                values = values if number == layers - 1 else F.relu(values)
            answers.append(values)
            distance = query - at(known, near).permute(0, 2, 3, 1)
            # No side of length zero: at the last column all four members are on it.
            areas.append((distance.abs() + 1e-9).prod(dim=-1))
    total = sum(areas)
    mixed = sum(
        answer * (area / total)[..., None]
        for answer, area in zip(answers, reversed(areas), strict=True)
    )
    return mixed.permute(0, 3, 1, 2), {}


def dense(case, given, kept, x, train):
    """Residual dense blocks."""
    import torch
    import torch.nn.functional as F

    margin = CASES[case][1]["size"] // 2

    def block(name, x):
        first = F.relu(conv(given, f"{name}/conv1", x, padding=margin))
        two = torch.cat([x, first], dim=1)
        second = F.relu(conv(given, f"{name}/conv2", two, padding=margin))
        three = torch.cat([two, second], dim=1)
        third = F.relu(conv(given, f"{name}/conv3", three, padding=margin))
        return F.relu(conv(given, f"{name}/merge", torch.cat([three, third], dim=1)) + x)

    first = conv(given, "first", x, padding=margin)
    one = block("block1", first)
    fused = conv(given, "fuse", first + one + block("block2", one), padding=margin)
    return x - conv(given, "last", F.relu(fused), padding=margin), {}


def patches(case, given, kept, x, train):
    """PyTorch's own spectral normalisation."""
    import torch
    import torch.nn.functional as F
    from torch.nn.utils import spectral_norm

    new = {}
    names = list(shapes(case))
    for name in names:
        kernel = given[f"{name}/kernel"]
        outputs, inputs = kernel.shape[3], kernel.shape[2]
        stride = 2 if int(name.removeprefix("conv")) <= CASES[case][1]["levels"] else 1
        layer = torch.nn.Conv2d(inputs, outputs, 4, stride, 1, bias=False, dtype=torch.float64)
        layer = spectral_norm(layer).train(train)
        del layer.weight_orig
        layer.weight_orig = kernel.permute(3, 2, 0, 1).contiguous()
        layer.weight_u = kept[f"{name}/u"].clone()
        layer.weight_v = kept[f"{name}/v"].permute(2, 0, 1).flatten()
        x = layer(x)
        x = torch.sigmoid(x) if name == names[-1] else F.leaky_relu(x, 0.2)
        new[f"{name}/u"] = layer.weight_u
        new[f"{name}/v"] = layer.weight_v.view(inputs, 4, 4).permute(1, 2, 0)
    return x, new


def refinement(case, given, kept, x, train):
    """With reflection around, and twice the size upwards."""
    import torch
    import torch.nn.functional as F

    new = {name: value.clone() for name, value in kept.items()}

    def mirrored(name, x, stride=1):
        return conv(given, name, F.pad(x, (1, 1, 1, 1), mode="reflect"), stride)

    def normal(name, x, stride=1):
        x = mirrored(f"{name}/conv", x, stride)
        running = (new[f"{name}/norm/{kind}"] for kind in ("mean", "var"))
        affine = (given[f"{name}/norm/{kind}"] for kind in ("scale", "bias"))
        return F.batch_norm(x, *running, *affine, training=train)

    def enlarged(x, like):
        even = not any(n % 2 for n in like.shape[2:])
        size = {"scale_factor": 2} if even else {"size": like.shape[2:]}
        return F.interpolate(x, **size, mode="bilinear", align_corners=True)

    def leaky(x):
        return F.leaky_relu(x, 0.2)

    whole = leaky(normal("down1", leaky(mirrored("first", x))))
    half = leaky(normal("down2", whole, 2))
    quarter = leaky(normal("down3", half, 2))
    x = quarter
    for number in range(1, CASES[case][1]["blocks"] + 1):
        x = x + normal(f"block{number}_2", leaky(normal(f"block{number}_1", x)))
    x = leaky(normal("up1", enlarged(torch.cat([x, quarter], dim=1), half)))
    x = leaky(mirrored("up2", enlarged(torch.cat([x, half], dim=1), whole)))
    x = leaky(mirrored("up3", torch.cat([x, whole], dim=1)))
    return torch.tanh(leaky(mirrored("last", x))), new


def solve(case: str, train: bool) -> dict[str, np.ndarray]:
    """The output, and in training what is kept after it and the gradients."""
    import torch

    given, kept = (
        {name: torch.tensor(value, requires_grad=learnt) for name, value in tensors.items()}
        for tensors, learnt in ((weights(case), True), (state(case), False))
    )
    x = torch.tensor(picture(case), requires_grad=True)
    modules = {"implicit": implicit, "dense": dense, "patches": patches, "refinement": refinement}
    module = modules[CASES[case][0]]
    y, new = module(case, given, kept, x.movedim(-1, 1), train)
    y = y.movedim(1, -1)
    results = {"out": y}
    if train:
        results |= {f"new/{name}": value for name, value in new.items()}
        total = (y * torch.tensor(cotangents(case, tuple(y.shape)))).sum()
        gradients = torch.autograd.grad(total, [x, *given.values()])
        names = ["d_x", *(f"d/{name}" for name in given)]
        results |= dict(zip(names, gradients, strict=True))
    return {name: value.detach().numpy() for name, value in results.items()}


def save() -> None:
    """Writes the golden arrays, in float32."""
    results = {
        f"{case}/{train}/{name}": array.astype(np.float32)
        for case in CASES
        for train in (False, True)
        for name, array in solve(case, train).items()
    }
    GOLDEN.parent.mkdir(exist_ok=True)
    np.savez_compressed(GOLDEN, allow_pickle=False, **results)


if __name__ == "__main__":
    save()
