"""The linear system behind a fit, on a regular table, and its preconditioner."""

import itertools
from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from dehaze_jax.lut.tables import resampling_matrix

Field: TypeAlias = Float[Array, "channels size size size"]
"""A table with its channels first: node values lie together, which vectorises."""

OFFSETS = tuple((r, g, b) for r in range(3) for g in range(3) for b in range(3))
"""The node itself and its 26 neighbours, each coordinate less one."""

_CENTRE = OFFSETS.index((1, 1, 1))
_COARSEST = 3
_MEAN_SLOPE = 0.01
"""What the mean slope pays; its variance pays 1. Keeps directions without data at the identity."""


class System(NamedTuple):
    """The normal equations as a function of a field, ready to be applied many times."""

    smoothness: Float[Array, ""]
    mass: Float[Array, "size size size"]
    """What a constant field gives; comes from the data alone."""
    stencil: Float[Array, "27 size size size"]
    """Factors of the differences to the neighbours; zero for those outside the table."""
    diagonal: Float[Array, "size size size"]

    def __call__(self, field: Field) -> Field:
        """The product of the system's matrix with a field."""
        # Differences, not values: constants cost the prior nothing, rounding included.
        size = field.shape[-1]
        padded = jnp.pad(field, ((0, 0), (1, 1), (1, 1), (1, 1)))
        total = self.mass[None] * field
        for factor, (r, g, b) in zip(self.stencil, OFFSETS, strict=True):
            neighbour = padded[:, r : r + size, g : g + size, b : b + size]
            total = total + factor[None] * (neighbour - field)
        return total - self.smoothness * (1 - _MEAN_SLOPE) * _mean_slopes_squared(field)

    def preconditioner(self) -> Callable[[Field], Field]:
        """The sum of Jacobi steps on ever coarser tables, and the solution on the coarsest.

        Reference: Bramble, Pasciak and Xu, Parallel multilevel preconditioners (Mathematics of
        Computation, 1990).
        """
        size, dtype = self.mass.shape[-1], self.mass.dtype
        sizes = [size]
        while sizes[-1] > _COARSEST:
            sizes.append((sizes[-1] + 1) // 2)
        matrices = [
            jnp.asarray(resampling_matrix(coarse, fine), dtype)
            for fine, coarse in itertools.pairwise(sizes)
        ]
        steps = [1 / self.diagonal[None]]
        mass = self.mass[None]
        for matrix, coarse in zip(matrices[:-1], sizes[1:-1], strict=True):
            mass = _restrict(matrix, mass)
            steps.append(1 / (mass + 6 * self.smoothness * _stiffness(coarse)))
        inverse = self._coarsest_inverse(matrices, sizes[-1])

        def precondition(field):
            fields = [field]
            for matrix in matrices:
                fields.append(_restrict(matrix, fields[-1]))
            low = fields.pop()
            solved = jnp.matmul(low.reshape(len(low), -1), inverse, precision="highest")
            total = solved.reshape(low.shape)
            for matrix, step, part in reversed(list(zip(matrices, steps, fields, strict=True))):
                total = step * part + _prolong(matrix, total)
            return total

        return precondition if matrices else (lambda field: steps[0] * field)

    def _coarsest_inverse(self, matrices, coarse: int) -> Float[Array, "n n"]:
        count = coarse**3
        nodes = jnp.eye(count, dtype=self.mass.dtype).reshape(count, coarse, coarse, coarse)
        fields = nodes
        for matrix in reversed(matrices):
            fields = _prolong(matrix, fields)
        fields = self(fields)
        for matrix in matrices:
            fields = _restrict(matrix, fields)
        columns = fields.reshape(count, count)
        scale = jax.lax.rsqrt(jnp.diagonal(columns))
        outer = scale[:, None] * scale[None, :]
        # The shift keeps it definite where rounding would not, and where there is no data.
        shifted = columns * outer + 1e-5 * jnp.eye(count, dtype=columns.dtype)
        return jnp.linalg.inv(shifted) * outer


def system_of(data: Float[Array, "27 size size size"], smoothness: Float[Array, ""]) -> System:
    """The data term's stencil, with `smoothness` times the prior of `fit` added."""
    size = data.shape[-1]
    weight = smoothness * _stiffness(size)
    inside = jnp.pad(jnp.ones((size,) * 3, data.dtype), 1)
    prior = jnp.stack(
        [
            weight * inside[r : r + size, g : g + size, b : b + size]
            if abs(r - 1) + abs(g - 1) + abs(b - 1) == 1
            else jnp.zeros_like(data[0])
            for r, g, b in OFFSETS
        ]
    )
    return System(
        smoothness=smoothness,
        mass=data.sum(0),
        stencil=data - prior,
        diagonal=data[_CENTRE] + prior.sum(0),
    )


def _stiffness(size: int) -> float:
    """Weight of the squared difference of two neighbours in the mean squared slope."""
    return (size - 1) / size**2


def _mean_slopes_squared(field: Field) -> Field:
    """Half the gradient of the sum of the three squared mean slopes.

    A mean slope is the mean of the last face less that of the first: they are at distance 1.
    """
    size = field.shape[-1]
    total = jnp.zeros_like(field)
    for axis in (1, 2, 3):
        first, last = (jnp.take(field, jnp.asarray([at]), axis=axis) for at in (0, size - 1))
        slope = jnp.sum(last - first, axis=(1, 2, 3), keepdims=True) / size**4
        node = jax.lax.broadcasted_iota(jnp.int32, (1, size, size, size), axis)
        ends = (node == size - 1).astype(field.dtype) - (node == 0).astype(field.dtype)
        total = total + slope * ends
    return total


def _prolong(matrix, field):
    return _along_axes(matrix, field)


def _restrict(matrix, field):
    return _along_axes(matrix.T, field)


def _along_axes(matrix, field):
    for _ in range(3):  # each product puts the first of the three axes last
        field = jnp.einsum("cxyz,ix->cyzi", field, matrix, precision="highest")
    return field
