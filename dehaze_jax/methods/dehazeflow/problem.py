"""A trained field as the initial value problem that `flow.integrate` solves."""

from collections.abc import Callable
from typing import Any, NamedTuple

from jax.tree_util import Partial
from jaxtyping import Array, Float

from dehaze_jax.arrays import Params
from dehaze_jax.methods.dehazeflow.config import DehazeFlowConfig
from dehaze_jax.methods.dehazeflow.field import Joint, joint_velocity, make_proxy


class FlowProblem(NamedTuple):
    """The ODE of a batch of pictures, from t = 0 to t = 1.

    Attributes:
        velocity: `velocity(t, x, params)`; the same pytree for equal configurations, so that a
            solve is compiled once.
        x0: the hazy pictures at t = 0. At any time `x.image` is the picture, `x.proxy` the small
            square copy of it that the purifier reads.
        params: what the velocity is handed.
    """

    velocity: Callable[[Any, Joint, Any], Joint]
    x0: Joint
    params: Any


def flow_problem(
    config: DehazeFlowConfig, variables: Params, hazy: Float[Array, "b h w 3"]
) -> FlowProblem:
    """The problem that restoring solves, for studies that solve it in other ways.

        problem = methods.flow_problem(restorer.config, restorer.variables, hazy)
        end, stats = flow.integrate(*problem, solver="dopri5", rtol=1e-3, atol=1e-3)
        restored = end.image  # not clipped

    Its parameters count the pictures too, so that `per_sample` cannot be used; map over the whole
    instead: `jax.vmap(lambda one: flow.integrate(*flow_problem(config, variables, one[None])))`.

    Args:
        config: configuration of the field.
        variables: its trained variables.
        hazy: pictures in [0, 1].
    """
    hazy_proxy = make_proxy(config, hazy)
    velocity = Partial(_velocity, config)
    return FlowProblem(velocity, Joint(hazy_proxy, hazy), (variables, hazy_proxy))


def _velocity(config, t, x, params):
    variables, hazy_proxy = params
    return joint_velocity(config, variables, t, x, hazy_proxy)
