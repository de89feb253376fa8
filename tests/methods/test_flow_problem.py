import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tiny_flow import TINY, random_params

from dehaze_jax import flow, methods, restoring

IMAGE = jnp.asarray(np.random.default_rng(0).uniform(0.2, 0.8, (2, 12, 13, 3)), jnp.float32)


@pytest.fixture(scope="module")
def variables():
    return random_params(TINY)


def test_solving_it_is_restoring(variables):
    problem = methods.flow_problem(TINY, variables, IMAGE)
    end, stats = jax.jit(lambda x0, params: flow.integrate(problem.velocity, x0, params))(
        problem.x0, problem.params
    )
    # The default of `integrate`: classic RK4 in four steps.
    options = methods.RestoreOptions(solver="rk4", num_steps=4)
    restored = restoring.restore_whole(methods.build(TINY), variables, IMAGE, options)
    assert int(stats.nfe) == 16
    assert np.abs(restored - IMAGE).max() > 0.02
    np.testing.assert_allclose(jnp.clip(end.image, 0, 1), restored, atol=1e-5)


def test_problems_of_one_configuration_are_compiled_once(variables):
    """As pytrees, which is how a solve looks at its velocity."""
    first = methods.flow_problem(TINY, variables, IMAGE).velocity
    again = methods.flow_problem(dataclasses.replace(TINY), variables, IMAGE[:1]).velocity
    other = methods.flow_problem(dataclasses.replace(TINY, grid_depth=1), variables, IMAGE).velocity
    assert jax.tree.flatten(first) == jax.tree.flatten(again)
    assert jax.tree.flatten(first) != jax.tree.flatten(other)
