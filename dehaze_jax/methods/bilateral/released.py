"""The network that the authors published, layer by layer, and its grid with axes that mean place.

The grid comes from a U-Net on a small copy. The affine models are applied to features: the output
of a second U-Net on another copy, brought to full size and mixed by a 1 x 1 convolution for each
guide. What the three guides slice is fused by convolutions to F, and the result is K x - F + 1,
where K comes from F.

Reference: Zheng et al. (CVPR 2021) and the code that its authors published.
"""

from typing import NamedTuple, TypeAlias

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from dehaze_jax.arrays import Grid, Image
from dehaze_jax.image.bilateral_grid import slice_apply
from dehaze_jax.image.resampling import resize_corners, resize_corners_rows
from dehaze_jax.image.runs import Places
from dehaze_jax.methods.bilateral.config import BilateralConfig
from dehaze_jax.methods.bilateral.guides import Guides, Planes, blank
from dehaze_jax.methods.protocol import Rows
from dehaze_jax.networks.convolutions import TorchConv
from dehaze_jax.networks.precision import FLOAT32, Policy, run
from dehaze_jax.networks.published_unet import PublishedUNet
from dehaze_jax.sharing import beside_rows, spread_copies

Images: TypeAlias = tuple[Image, Image, Image]

_FUSION_HALO = 3  # three 3 x 3 convolutions, one after the other


class Copies(NamedTuple):
    """A picture at the sizes that the two networks read."""

    proxy: Float[Array, "b p p 3"]
    features: Float[Array, "b f f 3"]


class Context(NamedTuple):
    """What the two low-resolution networks say of a picture.

    Attributes:
        grid: bilateral grid of affine models.
        features: small picture that the models are applied to at full size.
    """

    grid: Grid
    features: Float[Array, "b f f 3"]


class ReleasedNetwork(nn.Module):
    """The published network.

    Attributes:
        config: of size `released`.
        policy: types that the two U-Nets work in.
    """

    config: BilateralConfig
    policy: Policy = FLOAT32

    def setup(self):
        """Makes the parts."""
        config = self.config
        spatial = config.grid_layout == "spatial"
        channels = 12 * config.grid_depth if spatial else 3
        self.grid_network = PublishedUNet(channels, config.width)
        self.feature_network = PublishedUNet(3, config.width)
        self.guides = Guides(config.guides)
        self.point_r = TorchConv(3, 1)
        self.point_g = TorchConv(3, 1)
        self.point_b = TorchConv(3, 1)
        self.prelu = nn.PReLU(negative_slope_init=0.25)
        self.fusion = Convolutions((16, 3), (3, 1))
        self.refine = Convolutions((8, 3), (3, 3))

    @property
    def halo(self) -> int:
        """Rows above and below that a restored one depends on."""
        return _FUSION_HALO + Guides(self.config.guides).halo

    @property
    def places(self) -> Places:
        """Where the cells of the grid lie."""
        return "corners" if self.config.grid_layout == "released" else "centres"

    def __call__(self, hazy: Float[Array, "b h w 3"], *, train: bool = False) -> Image:
        """Restores whole pictures; the result is not clipped."""
        context = beside_rows(self.predict(self.shrink(hazy), train=train))
        height, width = hazy.shape[1], hazy.shape[2]
        where = Rows(0, height, width)
        features = self.spread(context.features, height, width, where, train=train)
        guides = self.find_guides(hazy, train=train)
        return self.fuse(self.slice(context.grid, features, guides, where), hazy, train=train)

    @nn.nowrap
    def shrink(self, hazy: Float[Array, "b h w 3"]) -> Copies:
        """The square copies that the U-Nets read."""
        proxy, features = (
            spread_copies(resize_corners(hazy, size, size))
            for size in (self.config.proxy_size, self.config.feature_size)
        )
        return Copies(proxy, features)

    def predict(self, copies: Copies, *, train: bool = False) -> Context:
        """Runs the U-Nets."""
        features = self.predict_features(copies.features, train=train)
        return Context(self.predict_grid(copies.proxy, train=train), features)

    def predict_features(
        self, copy: Float[Array, "b f f 3"], *, train: bool = False
    ) -> Float[Array, "b f f 3"]:
        """What the models are applied to."""
        return nn.sigmoid(run(self.feature_network, copy, policy=self.policy, train=train))

    def predict_grid(self, copy: Float[Array, "b p p 3"], *, train: bool = False) -> Grid:
        """The bilateral grid of affine models."""
        config = self.config
        predicted = run(self.grid_network, copy, policy=self.policy, train=train)
        if config.coefficients == "positive":
            predicted = nn.sigmoid(predicted)
        cells, depth = config.grid_size, config.grid_depth
        if config.grid_layout == "spatial":
            pooled = _pool(predicted, cells, cells)
            return pooled.reshape(*pooled.shape[:3], depth, 12)
        # Published: a plain reshape of [b, 3, 4 depth, cells^2] to [b, 12, depth, cells, cells].
        pooled = _pool(predicted, 4 * depth, cells**2)
        axes = pooled.reshape(-1, 4, depth, cells, cells, 3)  # column, z, y, x, output colour
        grid = axes.transpose(0, 3, 4, 2, 5, 1)
        return grid.reshape(*grid.shape[:4], 12)

    def spread(
        self,
        features: Float[Array, "b f f 3"],
        count: int,
        columns: int,
        where: Rows,
        *,
        train: bool = False,
    ) -> Images:
        """For each guide the colours that its models are applied to, `[b, count, columns, 3]`."""
        large = resize_corners_rows(
            features, where.start, count, where.height, where.width, columns
        )
        points = self.point_r, self.point_g, self.point_b
        red, green, blue = (self.prelu(point(large, train=train)) for point in points)
        return red, green, blue

    def find_guides(
        self,
        rows: Float[Array, "b s w 3"],
        *,
        train: bool = False,
        inside: Bool[Array, "s w"] | None = None,
    ) -> Planes:
        """Where each pixel looks."""
        planes = rows[..., 0], rows[..., 1], rows[..., 2]
        return self.guides(planes, train=train, inside=inside)

    @nn.nowrap
    def slice(
        self, grid: Grid, features: Images, guides: Planes, where: Rows
    ) -> Float[Array, "b s w 9"]:
        """Applies to each guide's features what it slices."""
        sliced = [
            slice_apply(
                grid,
                colours,
                guide,
                start=where.start,
                height=where.height,
                width=where.width,
                places=self.places,
            )
            for colours, guide in zip(features, guides, strict=True)
        ]
        return jnp.concatenate(sliced, axis=-1)

    def fuse(
        self,
        sliced: Float[Array, "b s w 9"],
        rows: Float[Array, "b s w 3"],
        *,
        train: bool = False,
        inside: Bool[Array, "s w"] | None = None,
    ) -> Float[Array, "b s w 3"]:
        """The restored picture from what was sliced."""
        fused = self.fusion(sliced, train=train, inside=inside)
        factor = self.refine(fused, train=train, inside=inside)
        return self.prelu(factor * rows - fused + 1)


class Convolutions(nn.Module):
    """Convolutions, each followed by a PReLU of its own.

    Attributes:
        features: channels of each.
        sizes: side of each kernel.
    """

    features: tuple[int, ...]
    sizes: tuple[int, ...]

    @nn.compact
    def __call__(
        self, x: Float[Array, "b h w c"], *, train: bool, inside: Bool[Array, "h w"] | None
    ) -> Float[Array, "b h w k"]:
        """Convolves; pixels that are not `inside` count as zeros in every layer."""
        for number, (features, size) in enumerate(
            zip(self.features, self.sizes, strict=True), start=1
        ):
            x = TorchConv(features, size, name=f"conv{number}")(blank(x, inside), train=train)
            x = nn.PReLU(negative_slope_init=0.25, name=f"prelu{number}")(x)
        return x


def _pool(x: Float[Array, "b h w c"], rows: int, columns: int) -> Float[Array, "b rows columns c"]:
    """Means over equal parts."""
    b, h, w, c = x.shape
    return x.reshape(b, rows, h // rows, columns, w // columns, c).mean(axis=(2, 4))
