"""Counts against sums by hand on programs of a few equations."""

import jax
import jax.numpy as jnp
import pytest

from dehaze_jax.programs import count_bytes, count_multiplications, peak_bytes

N = 1000
X = jax.ShapeDtypeStruct((N,), jnp.float32)
WHOLE = 4 * N


def peak(function, *arguments, **options):
    return peak_bytes(jax.make_jaxpr(function)(*(arguments or (X,))).jaxpr, **options)


def twice(x):
    return jnp.sin(jnp.sin(x))


def kept(x):
    """The first value is read again at the end."""
    first = jnp.sin(x)
    return jnp.cos(jnp.cos(jnp.cos(first))) * first


def equal(x):
    first = jnp.sin(x)
    last = jnp.cos(jnp.cos(first))
    return last * jnp.sin(x)  # computed already, and kept


def unread(x):
    _ = jnp.sin(x) * jnp.cos(x)
    return jnp.sum(jnp.sin(x))


def renamed(x):
    return jnp.sum(jnp.sin(x).reshape(2, -1).reshape(-1))


def called(x):
    return jax.jit(twice)(jax.jit(twice)(x))


def looped(x):
    return jax.lax.scan(lambda total, _: (kept(total), None), jnp.sin(x), length=5)[0].sum()


def stacked(x):
    return jax.lax.scan(lambda total, _: (total, twice(total)), x, length=5)[1].sum()


def either(x):
    return jax.lax.cond(x[0] > 0, lambda: jnp.sum(kept(x)), lambda: jnp.sum(jnp.sin(x)))


@pytest.mark.parametrize(
    ("function", "values"),
    [
        (jnp.sin, 0),  # what is returned does not count
        (twice, 1),
        (kept, 3),
        (equal, 3),
        (unread, 1),
        (renamed, 1),
        (called, 2),
        (looped, 1 + 1 + 3),  # what goes in and comes out, and a turn with its new value
        (stacked, 5 + 2),
        (either, 3),
    ],
)
def test_values_that_live_at_one_time(function, values):
    assert peak(function) == pytest.approx(values * WHOLE, abs=32)


def test_what_is_returned_counts_if_asked_for():
    assert peak(jnp.sin, results=True) == WHOLE
    assert peak(twice, results=True) == 2 * WHOLE


def test_bytes_are_those_that_are_said():
    assert peak(twice, size=lambda aval: count_bytes(aval) // 4) == WHOLE // 4
    half = jax.ShapeDtypeStruct((N,), jnp.bfloat16)
    assert peak(twice, half) == WHOLE // 2


def test_computing_again_takes_less():
    def layers(x, layer):
        for _ in range(8):
            x = layer(x)
        return jnp.sum(x)

    plain = peak(jax.grad(lambda x: layers(x, twice)))
    again = peak(jax.grad(lambda x: layers(x, jax.checkpoint(twice))))
    assert plain == 18 * WHOLE  # a cosine of every sine, and the last two sines
    assert again == 6 * WHOLE + 4 * WHOLE  # what goes into the layers before, and the last of them


def test_multiplications_of_gradients():
    x, w = jnp.ones((5, 3)), jnp.ones((3, 7))
    program = jax.make_jaxpr(jax.grad(lambda w: jnp.sum(jnp.square(x @ w))))(w).jaxpr
    assert count_multiplications(program)["matrix products"] == 2 * 5 * 3 * 7
