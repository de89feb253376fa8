"""Multi-guided bilateral learning that is real-time at 4K; ours.

One small backbone reads a square copy of the picture and predicts the bilateral grid, and for each
cell how much each guide counts there. The affine models are applied to the picture itself:

    restored = sum over guides g of share_g(place) A(place, guide_g(colour)) [colour; 1]

Fusion is the shares: linear, so that all guides share one pass over the models of the grid.
"""

from typing import NamedTuple

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from dehaze_jax.arrays import Grid, Image
from dehaze_jax.image.bilateral_grid import apply_rows, interpolate_rows, spread_shares
from dehaze_jax.image.resampling import square_copy
from dehaze_jax.image.runs import RunPlane, RunPlanes, Runs
from dehaze_jax.methods.bilateral.config import BilateralConfig
from dehaze_jax.methods.bilateral.guides import GUIDES, Guides
from dehaze_jax.methods.protocol import Rows
from dehaze_jax.networks.cells import cell_features
from dehaze_jax.networks.precision import FLOAT32, Policy
from dehaze_jax.sharing import beside_rows


class Context(NamedTuple):
    """What the backbone says of a picture.

    Attributes:
        grid: bilateral grid of affine models.
        shares: weight of each guide in each cell; they sum to 1.
    """

    grid: Grid
    shares: Float[Array, "b rows columns 3"]


class Cut(NamedTuple):
    """A strip, cut into runs; see `image.bilateral_grid`.

    Attributes:
        planes: red, green and blue.
        guides: where each pixel looks; None if that is computed from the planes.
        fraction: of each run.
    """

    planes: RunPlanes
    guides: tuple[RunPlane, ...] | None
    fraction: Float[Array, "runs run"]


class SlimNetwork(nn.Module):
    """The real-time network.

    Attributes:
        config: of size `slim`.
        policy: types that the backbone works in.
    """

    config: BilateralConfig
    policy: Policy = FLOAT32

    def setup(self):
        """Makes the parts."""
        self.backbone = CellNetwork(self.config, self.policy)
        self.guides = Guides(self.config.guides)

    @property
    def halo(self) -> int:
        """Rows above and below that a restored one depends on."""
        return Guides(self.config.guides).halo

    def __call__(self, hazy: Float[Array, "b h w 3"], *, train: bool = False) -> Image:
        """Restores whole pictures; the result is not clipped."""
        where = Rows(0, hazy.shape[1], hazy.shape[2])
        context = beside_rows(self.predict(self.shrink(hazy)))
        planes = self.apply_models(context, self.cut(hazy, where, train=train), where)
        return self.join(planes, hazy.shape[2], where)

    @nn.nowrap
    def shrink(self, hazy: Float[Array, "b h w 3"]) -> Float[Array, "b p p 3"]:
        """The square copy that the backbone reads."""
        return square_copy(hazy, self.config.proxy_size)

    def predict(self, proxy: Float[Array, "b p p 3"]) -> Context:
        """Runs the backbone."""
        return self.backbone(proxy)

    def cut(
        self,
        rows: Float[Array, "b s w 3"],
        where: Rows,
        *,
        train: bool = False,
        inside: Bool[Array, "s w"] | None = None,
    ) -> Cut:
        """Cuts a strip into runs."""
        runs = self._runs(rows.shape[2], where)
        planes, guides = runs.split(rows), None
        if self.config.guides == "convolutions":
            whole = rows[..., 0], rows[..., 1], rows[..., 2]
            red, green, blue = self.guides(whole, train=train, inside=inside)
            guides = tuple(map(runs.split_plane, (red, green, blue)))
        return Cut(planes, guides, jnp.asarray(runs.fraction, rows.dtype))

    def apply_models(self, context: Context, cut: Cut, where: Rows) -> RunPlanes:
        """Restores planes that were cut into runs."""
        count = cut.planes[0].shape[-3]
        grid = interpolate_rows(context.grid, where.start, count, where.height)
        shares = context.shares[..., None, :]
        shares = interpolate_rows(shares, where.start, count, where.height)[..., 0, :]
        mixed = spread_shares(shares, cut.fraction)
        # Curves are computed where they are used: in registers.
        guides = self.guides(cut.planes) if cut.guides is None else cut.guides
        return apply_rows(grid, cut.planes, guides, mixed, cut.fraction)

    @nn.nowrap
    def join(self, planes: RunPlanes, columns: int, where: Rows) -> Float[Array, "b s w 3"]:
        """Puts planes together again."""
        return self._runs(columns, where).join(planes)

    @nn.nowrap
    def _runs(self, columns: int, where: Rows) -> Runs:
        return Runs(where.width, self.config.grid_size, columns)


class CellNetwork(nn.Module):
    """Reads a small copy; the backbone is modulated by mean and spread of its colours.

    Attributes:
        config: sizes and backbone.
        policy: types that the backbone works in; the heads are float32.
    """

    config: BilateralConfig
    policy: Policy = FLOAT32

    @nn.compact
    def __call__(self, proxy: Float[Array, "b p p 3"]) -> Context:
        """Returns models that start as the identity and shares that start equal."""
        config = self.config
        mean = jnp.mean(proxy, axis=(1, 2))
        variance = jnp.mean((proxy - mean[:, None, None, :]) ** 2, axis=(1, 2))
        colours = jnp.concatenate([mean, jnp.sqrt(variance + 1e-6)], axis=-1)
        embedding = nn.Dense(config.width)(2 * colours - 1)
        x = cell_features(
            2 * proxy - 1,
            embedding,
            backbone=config.backbone,
            width=config.width,
            cells=config.grid_size,
            policy=self.policy,
        )
        depth = config.grid_depth
        zeros = nn.initializers.zeros
        grid = nn.Dense(12 * depth, kernel_init=zeros, name="models")(x)
        grid = grid.reshape(*grid.shape[:-1], depth, 12)
        if config.coefficients == "positive":
            grid = nn.sigmoid(grid)
        else:
            grid = grid + jnp.eye(3, 4, dtype=grid.dtype).reshape(1, 1, 1, 1, 12)
        shares = nn.softmax(nn.Dense(GUIDES, kernel_init=zeros, name="shares")(x))
        return Context(grid, shares)
