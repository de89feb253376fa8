"""The networks of NeDR: what a hazy picture shows, how far a clear one is, and haze onto it."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from dehaze_jax.arrays import Image, Key, Params, PerImage, Plane
from dehaze_jax.haze.airlight import estimate_airlight
from dehaze_jax.haze.scattering import compose
from dehaze_jax.haze.scattering import transmission as thin
from dehaze_jax.image.resampling import box_reduce
from dehaze_jax.methods.nedr.config import NedrConfig
from dehaze_jax.networks.channel_mixing import ChannelKAN
from dehaze_jax.networks.convolutions import TorchConv
from dehaze_jax.networks.dense_residual import DenseResidualEnhancement
from dehaze_jax.networks.efficientnet import EfficientNetLite3
from dehaze_jax.networks.fusion_decoder import ChannelMapper, MapHead, Refine
from dehaze_jax.networks.implicit import LocalImplicitFunction
from dehaze_jax.networks.patch_discriminator import PatchDiscriminator
from dehaze_jax.networks.refinement import RefinementCNN
from dehaze_jax.networks.slim_encoder import SlimEncoder

STRIDE = 32
"""Pictures that the networks read have sides that are multiples of this."""

_REDUCED = 4  # the slim network corrects rendered haze at a quarter of the size

_BRIGHTEST = 220 / 255  # airlight found by the dark channel is held below, as published


class Widths(NamedTuple):
    """Channels of the parts of a network.

    Attributes:
        levels: of the decoder, from fine to coarse.
        head: of the last convolutions.
        implicit: of the implicit function's hidden layers.
        enhancement: of the dense residual enhancement.
        enhancement_size: side of its kernels.
        density: of the density head's hidden layer.
        refinement: of the first level of the network that makes rendered haze look real.
        refinement_blocks: residual blocks of it.
        critic: of the first level of the critics.
    """

    levels: tuple[int, int, int, int]
    head: int
    implicit: tuple[int, ...]
    enhancement: int
    enhancement_size: int
    density: int
    refinement: int
    refinement_blocks: int
    critic: int


def widths(config: NedrConfig) -> Widths:
    """Channels of a configured size."""
    if config.size == "published":
        return Widths((32, 64, 128, 256), 32, (256, 256, 256), 64, 5, 64, 16, 4, 64)
    w = config.width
    return Widths((w, w, 2 * w, 4 * w), w, (2 * w, 2 * w), w // 2, 3, 2 * w, w // 2, 2, w)


class Scene(NamedTuple):
    """What a hazy picture shows.

    Attributes:
        transmission: share of light that reaches the camera.
        density: scattering coefficient.
        excess: mean square of what the transmission's logits have beyond the ends of its range.
    """

    transmission: Plane
    density: PerImage
    excess: PerImage


class Pyramid(nn.Module):
    """Encoder of one size.

    Attributes:
        config: size and width.
    """

    config: NedrConfig

    @nn.compact
    def __call__(self, image: Float[Array, "b h w 3"], *, train: bool) -> tuple[Array, ...]:
        """Features at 1/4, 1/8, 1/16 and 1/32 of the size."""
        if self.config.size == "published":
            return EfficientNetLite3(name="backbone")(image, train=train)
        return SlimEncoder(self.config.width, name="backbone")(image, train=train)


def _ascend(
    config: NedrConfig, taps: Sequence[Float[Array, "b _ _ _"]], *, mix: bool, train: bool
) -> Float[Array, "b h w c"]:
    """The way up from the coarsest scale, as layers of the module that calls; mixes channels."""
    levels = widths(config).levels

    def skip(level: int) -> Array:
        features = levels[level]
        mapped = ChannelMapper(features, name=f"map{level + 1}")(taps[level], train=train)
        if not mix:
            return mapped
        return ChannelKAN(features, outside=config.outside, name=f"mix{level + 1}")(mapped)

    top = len(levels) - 1
    path = Refine(levels[top - 1], name=f"refine{top + 1}")(skip(top), train=train)
    for level in reversed(range(top)):
        refine = Refine(levels[max(level - 1, 0)], name=f"refine{level + 1}")
        path = refine(path, skip(level), train=train)
    return path


class SceneNetwork(nn.Module):
    """Transmission and density of a hazy picture.

    Attributes:
        config: sizes and variant.
    """

    config: NedrConfig

    @nn.compact
    def __call__(self, hazy: Float[Array, "b h w 3"], *, train: bool) -> Scene:
        """Reads pictures whose sides are multiples of `STRIDE`."""
        config, size = self.config, widths(self.config)
        taps = Pyramid(config, name="encoder")(hazy, train=train)
        path = _ascend(config, taps, mix=config.variant != "d4", train=train)
        if config.variant != "d4":
            path = self._represent(path, train=train)
        logits = MapHead(size.head, name="head")(path, train=train)[..., 0]
        # Far outside, where tanh is flat, nothing could bring the map back.
        low, high = (float(np.arctanh(2 * end - 1)) for end in config.transmission)
        excess = jnp.mean((logits - jnp.clip(logits, low, high)) ** 2, axis=(1, 2))
        free = (jnp.tanh(logits) + 1) / 2
        bound = hold if config.variant == "paper" else jnp.clip
        transmission = bound(free, *config.transmission)
        means = [jnp.mean(tap, axis=(1, 2)) for tap in taps]
        # As published, the density teaches the features nothing.
        x = jax.lax.stop_gradient(jnp.concatenate(means, axis=-1))
        x = nn.Dense(1, name="density2")(nn.Dense(size.density, name="density1")(x))[:, 0]
        return Scene(transmission, _between(x, config.density), excess)

    def _represent(self, path: Float[Array, "b h w c"], *, train: bool) -> Float[Array, "b h w c"]:
        """The implicit representation of the haze, and its enhancement."""
        config, size = self.config, widths(self.config)
        features = path.shape[-1]
        sees = config.variant == "paper" and config.coordinates
        implicit = LocalImplicitFunction(
            features,
            hidden=size.implicit,
            coordinates="absolute" if sees else "none",
            name="implicit",
        )(path)
        if config.variant == "paper":
            both = jnp.concatenate([path, implicit], axis=-1)
            joined = TorchConv(features, 1, name="join")(both, train=train)
            enhance = DenseResidualEnhancement(
                size.enhancement, size.enhancement_size, name="enhance"
            )
            return enhance(joined, train=train)
        if not train:
            return implicit
        enhance = DenseResidualEnhancement(size.enhancement, size.enhancement_size, parent=None)
        drawn = enhance.init(self.make_rng("enhance"), implicit, train=train)
        enhanced: Any = enhance.apply(drawn, implicit, train=train)
        return enhanced


class DepthNetwork(nn.Module):
    """Depth of a clear picture.

    Attributes:
        config: size, width and range.
    """

    config: NedrConfig

    @nn.compact
    def __call__(self, clear: Float[Array, "b h w 3"], *, train: bool) -> Plane:
        """Reads pictures whose sides are multiples of `STRIDE`."""
        size = widths(self.config)
        taps = Pyramid(self.config, name="encoder")(clear, train=train)
        path = _ascend(self.config, taps, mix=False, train=train)
        logits = MapHead(size.head, name="head")(path, train=train)[..., 0]
        return _between(logits, self.config.depth)


class Networks(nn.Module):
    """All networks of the method; what they are called in the variables.

    Attributes:
        config: sizes and variant.
    """

    config: NedrConfig

    def setup(self):
        """Makes the parts."""
        size = widths(self.config)
        self.scene = SceneNetwork(self.config)
        self.haze = RefinementCNN(size.refinement, size.refinement_blocks)
        self.depth = DepthNetwork(self.config)
        self.clear_critic = PatchDiscriminator(size.critic)
        self.hazy_critic = PatchDiscriminator(size.critic)

    def __call__(self, picture: Float[Array, "b h w 3"]) -> None:
        """Runs everything once, for the shapes."""
        self.scene(picture, train=False)
        self.haze(picture, train=False)
        self.depth(picture, train=False)
        self.clear_critic(picture, train=False)
        self.hazy_critic(picture, train=False)

    def find_scene(self, hazy: Float[Array, "b h w 3"], *, train: bool) -> Scene:
        """Transmission and density of hazy pictures."""
        return self.scene(hazy, train=train)

    def find_depth(self, clear: Float[Array, "b h w 3"], *, train: bool) -> Plane:
        """Depth of clear pictures."""
        return self.depth(clear, train=train)

    def add_haze(
        self,
        clear: Float[Array, "b h w 3"],
        depth: Plane,
        density: PerImage,
        *,
        train: bool,
    ) -> Image:
        """Renders haze by the scattering model and makes it look real."""
        airlight = jnp.max(clear, axis=(1, 2))
        rendered = compose(clear, thin(depth, beta=density), airlight)
        return finish_haze(rendered, self.correct_haze(rendered, train=train))

    def correct_haze(self, rendered: Float[Array, "b h w 3"], *, train: bool) -> Image:
        """What is to be added to rendered haze, see `finish_haze`."""
        if self.config.size == "published":
            return self.haze(rendered, train=train)
        # Haze is smooth, and at full size this network would take half of the time of all.
        small = self.haze(box_reduce(rendered, _REDUCED), train=train)
        return jax.image.resize(small, rendered.shape, "linear")


def finish_haze(rendered: Image, correction: Image) -> Image:
    """Adds the correction, which lies in (-1, 1) and is of pictures in [-1, 1], and clips."""
    return jnp.clip(rendered + correction / 2, 0, 1)


def hold(values: Float[Array, "..."], low: float, high: float) -> Float[Array, "..."]:
    """Clips values but not their gradient: a map that has left its range could never return."""
    return values + jax.lax.stop_gradient(jnp.clip(values, low, high) - values)


def find_airlight(config: NedrConfig, hazy: Image) -> Float[Array, "*batch 3"]:
    """Colour of the haze, which nothing is learnt through."""
    if config.airlight == "maximum":
        found = jnp.max(hazy, axis=(-3, -2))
    else:
        found = jnp.minimum(estimate_airlight(hazy, pick="largest"), _BRIGHTEST)
    return jax.lax.stop_gradient(found)


def _between(logits: Float[Array, "..."], ends: tuple[float, float]) -> Float[Array, "..."]:
    low, high = ends
    return low + (high - low) * (jnp.tanh(logits) + 1) / 2


def initial_variables(config: NedrConfig, key: Key) -> Params:
    """Random values of all networks.

    There are hundreds of arrays to draw, and XLA on CPUs compiles JAX's default generator for
    minutes: another one is used.
    """
    quick = jax.random.wrap_key_data(jnp.resize(jax.random.key_data(key), (4,)), impl="rbg")
    return Networks(config).init(quick, jnp.zeros((1, 64, 64, 3), jnp.float32))
