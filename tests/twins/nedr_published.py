"""Writes tests/methods/golden/nedr_published.npz: the networks of D4 and NeDR in PyTorch.

    python tests/twins/nedr_published.py

Needs torch; written with torch 2.13.0. Put together of the twins of their parts, with tensors of
the published names; what there is of the residual enhancement in the published code is random, and
left out. Golden arrays are computed in float64.
"""

import importlib
import pathlib
import sys

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

TWINS = pathlib.Path(__file__).parent
METHODS = TWINS.parent / "methods"
GOLDEN = METHODS / "golden" / "nedr_published.npz"
for folder in (TWINS.parent, METHODS, TWINS):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))

given = importlib.import_module("nedr_weights")
efficientnet = importlib.import_module("efficientnet_lite3")
kan = importlib.import_module("kan")
decoder = given.decoder


def part(tensors, prefix):
    """Tensors whose names begin with a prefix, by the rest of their names."""
    return {
        name.removeprefix(f"{prefix}."): value
        for name, value in tensors.items()
        if name.startswith(f"{prefix}.")
    }


def reader(tensors):
    """Encoder and decoder."""
    encoder = efficientnet.Encoder()
    encoder.layers().load_state_dict(part(tensors, "pretrained"))
    way_up = decoder.model(*decoder.PUBLISHED)
    way_up.load_state_dict(part(tensors, "scratch"))
    return encoder.double().eval(), way_up.double()


def mixer(tensors, features):
    """KAN-CID."""
    block = kan.ChannelKAN(features, torch.empty(features, 12), 3, 7)
    names = {"base": "base_weight", "scale": "spline_scaler", "weight": "spline_weight"}
    state = {
        f"depthwise.{name}": tensors[f"channel_independent.dconv.{name}"]
        for name in ("weight", "bias")
    }
    for number in (1, 2):
        layer = f"channel_dependent.fc{number}"
        state |= {f"kan{number}.{a}": tensors[f"{layer}.{b}"] for a, b in names.items()}
        state[f"kan{number}.knots"] = tensors[f"{layer}.grid"]
    block.load_state_dict(state)
    return block.double()


def implicit(tensors, x):
    """Layers at each pixel on what is around it, on zeros for the coordinates, and on cells."""
    rows, columns = x.shape[2:]
    around = F.unfold(x, 3, padding=1).movedim(1, -1)
    zeros, cells = (
        around.new_zeros(*around.shape[:2], 18),
        around.new_full((*around.shape[:2], 2), 2),
    )
    y = torch.cat([around, zeros, cells], dim=-1)
    for number in (0, 2, 4, 6):
        layer = f"layers.{number}"
        y = F.linear(y, tensors[f"{layer}.weight"], tensors[f"{layer}.bias"])
        y = F.relu(y) if number < 6 else y
    return y.movedim(-1, 1).unflatten(2, (rows, columns))


def between(x, low, high):
    return low + (high - low) * (torch.tanh(x) + 1) / 2


def scene(method, tensors, x):
    """Transmission and density."""
    encoder, way_up = reader(tensors)
    taps = encoder(x)
    if method == "nedr":
        for level, features in enumerate(given.LEVELS, 1):
            block = mixer(part(tensors, f"cid_{features}"), features)
            mapper = way_up.get_submodule(f"layer{level}_rn")
            mapper.register_forward_hook(lambda _, x, y, block=block: block(y))
        layers = part(tensors, "nrn.imnet")
        way_up.output_conv.register_forward_pre_hook(lambda _, x: implicit(layers, *x))
    transmission = between(way_up(taps), 0, 1).clamp(0.05, 0.95)
    means = torch.cat([tap.mean(dim=(2, 3), keepdim=True) for tap in taps], dim=1)
    for number in (1, 2):
        layer = part(tensors, f"final_conv_beta_{number}.0")
        means = F.conv2d(means, layer["weight"], layer["bias"])
    return transmission, between(means, 0.6, 1.8)


def depth(tensors, x):
    encoder, way_up = reader(tensors)
    return between(way_up(encoder(x)), 0.2, 5)


def haze(tensors, clear, far, density):
    """The scattering model and what the network adds."""

    def conv(x, name, place=1, stride=1, last=False):
        layer, after = part(tensors, f"{name}.{place}"), part(tensors, f"{name}.{place + 1}")
        x = F.pad(x, (1, 1, 1, 1), mode="reflect")
        x = F.conv2d(x, layer["weight"], layer["bias"], stride)
        if after:
            running = (after["running_mean"], after["running_var"])
            x = F.batch_norm(x, *running, after["weight"], after["bias"])
        return x if last else F.leaky_relu(x, 0.2)

    def double(*x):
        return F.interpolate(
            torch.cat(x, dim=1), scale_factor=2, mode="bilinear", align_corners=True
        )

    airlight = clear.amax(dim=(2, 3), keepdim=True)
    share = torch.exp(-density * far)
    rendered = share * clear + (1 - share) * airlight
    whole = conv(conv(rendered, "enc_conv0"), "enc_conv1")
    half = conv(whole, "enc_conv2", stride=2)
    quarter = x = conv(half, "enc_conv3", stride=2)
    for block in ("bottleneck1.res", "bottleneck2.res", "bottleneck3.res", "bottleneck4.res"):
        x = x + conv(conv(x, block), block, place=5, last=True)
    x = conv(double(x, quarter), "dec_conv1")
    x = conv(torch.cat([conv(double(x, half), "dec_conv2"), whole], dim=1), "dec_conv_last")
    found = 2 * rendered - 1 + torch.tanh(conv(x, "dec_conv_last_2"))
    return (found.clamp(-1, 1) + 1) / 2


def critic(tensors, x):
    """PyTorch's own spectral normalisation."""
    for number in range(1, 6):
        layer = part(tensors, f"conv{number}.0")
        out, features = layer["weight_orig"].shape[:2]
        conv = nn.Conv2d(features, out, 4, 2 if number < 4 else 1, 1, bias=False)
        conv = nn.utils.spectral_norm(conv)
        conv.load_state_dict(layer)
        x = conv.double().eval()(x)
        x = torch.sigmoid(x) if number == 5 else F.leaky_relu(x, 0.2)
    return x


def solve(method):
    """What the networks of a method make of the picture."""
    tensors = {
        name: torch.from_numpy(value).double() if value.ndim else torch.from_numpy(value)
        for name, value in given.state_dict(method).items()
    }
    x = torch.from_numpy(given.picture()).double().movedim(-1, 1)
    with torch.no_grad():
        transmission, density = scene(method, part(tensors, "net_h2c"), x)
        found = {"transmission": transmission, "density": density}
        if method == "nedr":
            far = depth(part(tensors, "net_depth"), x)
            found["depth"] = far
            found["hazy"] = haze(part(tensors, "net_c2h"), x, far, given.DENSITY)
            for kind, name in (("clear", "h2c"), ("hazy", "c2h")):
                found[f"{kind}_critic"] = critic(part(tensors, f"discriminator_{name}"), x)
    return {
        f"{method}/{name}": given.summary(tensor.movedim(1, -1)) for name, tensor in found.items()
    }


if __name__ == "__main__":
    GOLDEN.parent.mkdir(exist_ok=True)
    results = {name: array for method in given.METHODS for name, array in solve(method).items()}
    np.savez_compressed(GOLDEN, allow_pickle=False, **results)
