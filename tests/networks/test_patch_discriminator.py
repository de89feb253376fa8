"""The patch discriminator against its PyTorch twin, its patches and its singular values."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from nedr_golden import cases, check_golden, compare, drawn, twin

from dehaze_jax.networks.patch_discriminator import PatchDiscriminator, SpectralConv

CASES = cases("patches")
KEPT = ["spectral"]


@functools.partial(jax.jit, static_argnames=("module", "train", "mutable"))
def call(module, given, x, train, mutable=()):
    return module.apply(given, x, train=train, mutable=list(mutable))


def picture(*size):
    return jnp.asarray(np.random.default_rng(1).normal(size=size), jnp.float32)


@pytest.fixture(scope="module")
def initial():
    """Variables of a new network."""
    x = jnp.zeros((1, 24, 24, 3))
    start = jax.jit(PatchDiscriminator(8).init, static_argnames="train")
    return start(jax.random.key(0), x, train=True)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("train", [False, True])
@pytest.mark.parametrize("case", CASES)
def test_equals_torch(case, train):
    """Patches and what is kept; in training with gradients, also through the singular value."""
    module = PatchDiscriminator(**twin().CASES[case][1])

    def apply(given, x):
        return module.apply(given, x, train=train, mutable=KEPT)

    compare(apply, case, train, collection="spectral")


@pytest.mark.parametrize("case", CASES)
def test_golden_arrays_are_what_torch_gives(case):
    pytest.importorskip("torch")
    check_golden(case)


def test_published_size(key):
    """Without biases."""
    module = PatchDiscriminator()

    def start():
        return module.init_with_output(key, jnp.zeros((2, 256, 256, 3)), train=False)

    patches, given = jax.eval_shape(start)
    assert patches.shape == (2, 30, 30, 1)
    assert sum(leaf.size for leaf in jax.tree.leaves(given["params"])) == 2_763_776
    kernels = [given["params"][f"conv{number}"]["kernel"].shape[2:] for number in range(1, 6)]
    assert kernels == [(3, 64), (64, 128), (128, 256), (256, 512), (512, 1)]


@pytest.mark.parametrize(("levels", "patch"), [(1, 16), (2, 34), (3, 70)])
def test_a_value_sees_its_patch_and_nothing_else(levels, patch):
    """70 x 70 pixels in the published network."""
    module = PatchDiscriminator(1, levels)
    x = picture(1, 136, 120, 1)
    given = drawn(module, x, train=True)

    @jax.jit
    def differentiate(given, x):
        return jax.grad(lambda x: module.apply(given, x, train=False)[0, 6, 4, 0])(x)

    rows, columns = np.nonzero(differentiate(given, x)[0, ..., 0])
    for seen, place in ((rows, 6), (columns, 4)):
        first = 2**levels * (place - 3) + 1
        assert (seen.min(), seen.max()) == (first, first + patch - 1)


def test_an_image_without_any_patch_is_refused(key):
    module = PatchDiscriminator(1)
    for size, fits in (((24, 24), True), ((23, 40), False), ((40, 23), False)):
        x = jnp.zeros((1, *size, 3))
        if fits:
            patches, _ = jax.eval_shape(lambda x: module.init_with_output(key, x, train=True), x)
            assert patches.shape == (1, 1, 1, 1)
        else:
            with pytest.raises(ValueError, match=r"patches need 24 x 24 pixels, not \(\d+, \d+\)"):
                jax.eval_shape(lambda x: module.init(key, x, train=True), x)


@pytest.mark.parametrize("train", [False, True])
def test_training_without_keeping(train):
    """The same patches, by singular vectors as they would be kept."""
    module, x = PatchDiscriminator(2, 1), picture(1, 8, 8, 3)
    given = drawn(module, x, train=True)
    kept, changed = call(module, given, x, train, mutable=("spectral",))
    patches, nothing = call(module, given, x, train)
    np.testing.assert_allclose(patches, kept, rtol=1e-6)
    assert not nothing
    for name, layer in changed["spectral"].items():
        assert np.array_equal(layer["v"], given["spectral"][name]["v"]) != train


def largest(kernel):
    return np.linalg.svd(np.reshape(kernel, (-1, kernel.shape[-1])), compute_uv=False)[0]


def test_starts_near_the_largest_singular_value(initial):
    """So that a network that is not trained yet can be called; both vectors have length one."""
    for name, layer in initial["params"].items():
        u, v = (np.asarray(initial["spectral"][name][kind], float) for kind in "uv")
        assert np.linalg.norm(u) == pytest.approx(1, abs=1e-5)
        assert np.linalg.norm(v) == pytest.approx(1, abs=1e-5)
        found = np.einsum("hwio,hwi,o->", layer["kernel"], v, u)
        assert 0.9 * largest(layer["kernel"]) < found <= largest(layer["kernel"]) * (1 + 1e-5)


def test_initial_kernels_are_uniform_within_the_bounds_of_torch(initial):
    for layer in initial["params"].values():
        kernel = layer["kernel"]
        bound = (16 * kernel.shape[2]) ** -0.5
        assert 0.95 * bound < np.abs(kernel).max() <= bound
        assert np.std(kernel) == pytest.approx(bound / np.sqrt(3), rel=0.1)


@pytest.mark.parametrize(("features", "stride"), [(5, 1), (5, 2), (1, 1), (1, 2)])
def test_trained_to_the_largest_singular_value(features, stride):
    """After many calls the kernel that is applied has the largest singular value 1."""
    module, x = SpectralConv(features, stride), picture(2, 7, 8, 3)
    given = drawn(module, x, train=True)
    for _ in range(60):
        _, changed = call(module, given, x, train=True, mutable=("spectral",))
        given = {**given, **changed}
    kernel = given["params"]["kernel"] / largest(given["params"]["kernel"])
    found, _ = call(module, given, x, train=False)
    assert found.shape == (2, 5 // stride + 1, 6 // stride + 1, features)
    around = np.pad(x, [(0, 0), (1, 1), (1, 1), (0, 0)])
    for image, row, column in np.ndindex(*found.shape[:3]):
        top, left = stride * row, stride * column
        window = around[image, top : top + 4, left : left + 4]
        expected = np.einsum("hwi,hwio->o", window, kernel)
        np.testing.assert_allclose(found[image, row, column], expected, atol=1e-4)
