"""Images of any rank, a table for each image, `vmap`, and what is refused."""

import subprocess
import sys
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dehaze_jax import lut


def random(seed, *shape):
    return jnp.asarray(np.random.default_rng(seed).uniform(-0.1, 1.1, shape), jnp.float32)


def random_table(seed, size=4, *tables):
    return random(seed, *tables, size, size, size, 3)


def gradients(table, image, interpolation="trilinear"):
    """The looked-up image, and the gradients of a function of it."""
    look_up = partial(lut.apply, interpolation=interpolation)
    out, pull = jax.vjp(look_up, table, image)
    return out, *pull(jnp.cos(out))


compiled = jax.jit(gradients, static_argnames="interpolation")


@pytest.mark.parametrize("shape", [(3,), (2, 1, 3, 2, 2, 3)])
def test_any_rank(shape):
    """Colours in any shape give what they give in a row of one image; so do the gradients."""
    table, flat = random_table(0), random(1, 24, 3)[: int(np.prod(shape[:-1], dtype=int))]
    out, d_table, d_image = compiled(table, flat.reshape(shape))
    one, d_table_one, d_image_one = compiled(table, flat[None])
    assert out.shape == d_image.shape == shape
    np.testing.assert_allclose(out.reshape(one.shape), one, atol=1e-6)
    np.testing.assert_allclose(d_table, d_table_one, atol=1e-5)
    np.testing.assert_allclose(d_image.reshape(one.shape), d_image_one, atol=1e-5)


@pytest.mark.parametrize("shape", [(0, 3), (5, 0, 3), (0, 4, 5, 3)])
def test_images_without_pixels(shape):
    out, d_table, d_image = compiled(random_table(0), jnp.zeros(shape))
    assert out.shape == d_image.shape == shape
    np.testing.assert_array_equal(d_table, np.zeros((4, 4, 4, 3)))


def test_an_image_of_integers_without_pixels():
    out = lut.apply(random_table(0), jnp.zeros((0, 5, 3), jnp.uint8))
    assert (out.shape, out.dtype) == ((0, 5, 3), jnp.uint8)


@pytest.mark.parametrize(("interpolation", "batch"), [("trilinear", (2, 3)), ("tetrahedral", (3,))])
def test_a_table_for_each_image(interpolation, batch):
    tables, images = random_table(2, 5, *batch), random(3, *batch, 4, 6, 3)
    ours = compiled(tables, images, interpolation)
    for index in np.ndindex(*batch):
        alone = compiled(tables[index], images[index], interpolation)
        for got, expected in zip(ours, alone, strict=True):
            np.testing.assert_allclose(got[index], expected, atol=1e-5)


@pytest.mark.parametrize(
    ("interpolation", "in_axes", "tables"),
    [
        *(("trilinear", axes, ()) for axes in [(3, 2), (None, 0), (0, None)]),
        ("trilinear", (None, 0), (2,)),
        ("tetrahedral", (0, 0), ()),
    ],
)
def test_vmap_equals_a_loop(interpolation, in_axes, tables):
    """With the gradients; an argument whose axis is None serves all."""
    arguments = [random_table(4, 4, *tables), random(5, 2, 3, 4, 3)]
    for k, axis in enumerate(in_axes):
        if axis is not None:
            arguments[k] = jnp.stack([arguments[k], arguments[k] ** 2], axis=axis)
    run = partial(gradients, interpolation=interpolation)

    @jax.jit
    def both(*arguments):
        def one(index):
            pairs = zip(arguments, in_axes, strict=True)
            return run(*(a if axis is None else jnp.take(a, index, axis) for a, axis in pairs))

        return jax.vmap(run, in_axes)(*arguments), jax.lax.map(one, jnp.arange(2))

    for got, expected in zip(*both(*arguments), strict=True):
        np.testing.assert_allclose(got, expected, atol=1e-5)


def test_vmap_of_planes_apart():
    """One plane differs, the others serve all."""
    table, image = random_table(6), random(7, 4, 5, 3)
    red, green, blue = (image[..., k] for k in range(3))
    reds = jnp.stack([red, 1 - red], axis=1)
    look_up = jax.vmap(lambda *planes: lut.apply_planes(table, planes), (1, None, None))
    ours = jnp.stack(look_up(reds, green, blue), axis=-1)
    for k, other in enumerate((red, 1 - red)):
        expected = lut.apply(table, jnp.stack([other, green, blue], axis=-1))
        np.testing.assert_allclose(ours[k], expected, atol=1e-6)


IMAGE = np.zeros((2, 2, 3), np.float32)
TABLE = np.zeros((3, 3, 3, 3), np.float32)


@pytest.mark.parametrize(
    ("table", "image", "options", "message"),
    [
        (TABLE.astype(int), IMAGE, {}, r"holds floats, not int(32|64)$"),
        (TABLE.astype(np.uint8), IMAGE, {}, "holds floats, not uint8$"),
        (TABLE[:1, :1, :1], IMAGE, {}, "at least 2 nodes along each axis, not 1$"),
        (TABLE[:0, :0, :0], IMAGE, {}, "at least 2 nodes along each axis, not 0$"),
        (TABLE[:, :2], IMAGE, {}, r"not \[3, 2, 3, 3\]$"),
        (TABLE[..., :2], IMAGE, {}, r"not \[3, 3, 3, 2\]$"),
        (TABLE[0], IMAGE, {}, r"not \[3, 3, 3\]$"),
        (TABLE[None], IMAGE[0, 0], {}, r"not \[1, 3, 3, 3, 3\]$"),
        (TABLE[None].repeat(3, 0), IMAGE, {}, r"\[3\] tables for colours of shape \[2, 2\]$"),
        (TABLE[None], IMAGE, {}, r"\[1\] tables for colours of shape \[2, 2\]$"),
        *(
            (TABLE, np.zeros(shape), {}, rf"three channels, not shape \[{shown}\]$")
            for shape, shown in [((2, 0), "2, 0"), ((2, 1), "2, 1"), (2, "2"), ((2, 4), "2, 4")]
        ),
        (TABLE, IMAGE.astype(np.int32), {}, "floats, uint8 or uint16, not int32$"),
        (TABLE, IMAGE.astype(bool), {}, "floats, uint8 or uint16, not bool$"),
        (TABLE, IMAGE, {"domain": (0.0, (1.0, 1.0))}, "two bounds of one number or three each"),
        (TABLE * np.nan, IMAGE.astype(np.uint8), {}, "NaN or infinity, which integers cannot"),
        (TABLE + np.inf, IMAGE.astype(np.uint16), {}, "NaN or infinity, which integers cannot"),
        *(
            (TABLE, IMAGE, {"domain": domain}, "is empty or not finite$")
            for domain in (
                (1.0, 1.0),
                (1.0, 0.0),
                (np.nan, 1.0),
                (0.0, np.nan),
                (-np.inf, 1.0),
                (0.0, np.inf),
                ((0.0, 0.0, 1.0), (1.0, 1.0, 1.0)),
                (0.0, 1e-40),
                (-3e38, 3e38),
            )
        ),
    ],
)
def test_refusals(table, image, options, message):
    with pytest.raises(ValueError, match=message) as caught:
        lut.apply(table, image, **options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "blue", [jnp.zeros((2, 3)), jnp.zeros(2), jnp.zeros((2, 2), jnp.uint8)], ids=str
)
def test_refuses_planes_that_differ(blue):
    red = green = jnp.zeros((2, 2))
    with pytest.raises(ValueError, match=r"differ in shape or dtype$"):
        lut.apply_planes(jnp.asarray(TABLE), (red, green, blue))


def test_a_domain_of_lists():
    table, image = random_table(8), random(9, 4, 5, 3)
    ours = lut.apply(table, image, domain=([0.0, 0.1, 0.2], [1.0, 0.9, 0.8]))
    expected = lut.apply(table, image, domain=((0.0, 0.1, 0.2), (1.0, 0.9, 0.8)))
    np.testing.assert_array_equal(ours, expected)


def test_lists_are_tables_and_images():
    table, image = random_table(8), random(9, 4, 5, 3)
    ours = lut.apply(table.tolist(), image.tolist())
    np.testing.assert_array_equal(ours, lut.apply(table, image))


def test_refuses_a_list_that_is_no_table():
    with pytest.raises(ValueError, match=r"the shape \[size, size, size, 3\], not \[2\]$"):
        lut.apply([0.0, 1.0], IMAGE)


def test_a_table_that_a_program_holds_is_looked_at_too():
    """Concrete while the image is traced."""
    table = jnp.asarray(TABLE).at[0, 0, 0, 0].set(jnp.nan)
    with pytest.raises(ValueError, match="the table holds NaN or infinity"):
        jax.jit(lambda image: lut.apply(table, image))(IMAGE.astype(np.uint8))
    assert np.isnan(lut.apply(table, IMAGE)[..., 0]).all()


def test_refusals_without_a_type_checker():
    """What jaxtyping and beartype, which are on here, would refuse before."""
    code = r"""if True:
        import jax.numpy as jnp
        from dehaze_jax import lut

        table, image = lut.identity(3), jnp.zeros((2, 2, 3))
        planes = (image[..., 0],) * 3

        def message(call):
            try:
                call()
            except ValueError as error:
                return str(error)

        def fit(**options):
            return lut.fit(image, image, size=3, smoothness=1e-3, **options)

        unknown = {"interpolation": "cubic"}
        for call in (
            lambda: lut.apply(table, image, **unknown),
            lambda: lut.apply_planes(table, planes, **unknown),
            lambda: fit(**unknown),
            lambda: lut.Cube(table)(image, **unknown),
            lambda: lut.Cube(table, curves=table[0, 0])(image, **unknown),
        ):
            assert message(call) == "interpolation is trilinear or tetrahedral, not 'cubic'"
        for domain in (1.0, (0, 1, 2), (0.0,), ((0, 0), 1), "domain"):
            expected = f"a domain is two bounds of one number or three each, not {domain}"
            assert message(lambda: lut.apply(table, image, domain=domain)) == expected
            assert message(lambda: fit(domain=domain)) == expected
        for count in (0, 1, 2, 4):
            wrong = message(lambda: lut.apply_planes(table, (image[..., 0],) * count))
            assert wrong == f"colours are three planes, not {count}"
    """
    subprocess.run([sys.executable, "-c", code], check=True)
