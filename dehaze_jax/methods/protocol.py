"""What the training loop, the evaluator and the restorer know of a method.

A method is a frozen value that holds pure functions. Images are `[*, h, w, 3]`, sRGB-encoded, in
[0, 1]. A batch is a dictionary of arrays with a leading batch axis: `hazy` and `clear`, and of
pairs, where they are known of all, `transmission` `[b, h, w, 1]` and `airlight` `[b, 3]`. Haze that
was rendered on the fly brings its parameters as well, see `training.rehaze`.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeAlias

import flax.struct
import jax

from dehaze_jax.arrays import Image, Key, Params, Tree
from dehaze_jax.methods.config import RestoreOptions

Batch: TypeAlias = Mapping[str, Any]
Scalars: TypeAlias = Mapping[str, jax.Array]


@flax.struct.dataclass
class TrainState:
    """Everything that a training step changes.

    Attributes:
        step: steps done, int32 scalar.
        variables: what is trained.
        ema: moving average of `variables`; what is evaluated, restored with and released.
        opt_state: state of the method's optimiser or optimisers.
    """

    # Not typed as arrays: shapes and shardings of a state are states as well.
    step: Any
    variables: Tree
    ema: Tree
    opt_state: Tree


class Rows(NamedTuple):
    """Where a strip of rows lies in its picture; all may be traced.

    Attributes:
        start: row of the picture that the strip's first row is; negative in a halo above it.
        height: rows of the whole picture.
        width: columns of the picture; the strip may be padded on its right.
    """

    start: Any
    height: Any
    width: Any


class Maps(NamedTuple):
    """What a method finds in a hazy picture beside the clear one.

    Attributes:
        planes: one value a pixel, `[*, s, w]` on a strip, by name.
        values: one or a few for the picture, by name.
    """

    planes: dict[str, jax.Array]
    values: dict[str, jax.Array]


@dataclasses.dataclass(frozen=True)
class Method:
    """Pure functions of one configured method.

    Attributes:
        name: key in `METHODS`.
        init: `(key, batch) -> variables`; only the shapes of `batch` matter.
        start: `variables -> state` at step 0: the average equals the variables.
        train_step: `(state, batch, key) -> (state, scalars)`; pure, to be jitted and donated once.
        summarise: `(variables, hazy, options) -> context`: all that is global, from the whole
            picture; small, the same on every device. Called outside `jit`, so that a method
            decides what is compiled for every size of picture and what only once.
        render: `(variables, context, rows, where) -> rows`: full-resolution work on a strip
            `[*, s, w, 3]` of full rows, pointwise or reaching `halo` rows at most. Strips give the
            same picture as the whole. The result is not clipped. Called outside `jit` too.
        halo: rows that `render` needs above and below the ones it is asked for.
        overview: pixels along its shorter side that `summarise` needs a picture to have; larger
            ones may be reduced to not less than that before. 0 if it needs all of them.
        evaluations: how often restoring evaluates the field of an ODE; None if it solves none.
        options: how a picture is restored where nothing else is asked for.
        unpaired: whether it learns from hazy and clear pictures of different scenes.
        maps: `(context, rows, where) -> maps`: what else is found on the way, strip by strip as
            `render`; None if nothing is.
    """

    name: str
    init: Callable[[Key, Batch], Params]
    start: Callable[[Params], TrainState]
    train_step: Callable[[TrainState, Batch, Key], tuple[TrainState, Scalars]]
    summarise: Callable[[Params, Image, RestoreOptions], Tree]
    render: Callable[[Params, Tree, Image, Rows], Image]
    halo: int = 0
    overview: int = 0
    evaluations: Callable[[RestoreOptions], int] | None = None
    options: RestoreOptions = dataclasses.field(default_factory=RestoreOptions)
    unpaired: bool = False
    maps: Callable[[Tree, Image, Rows], Maps] | None = None
