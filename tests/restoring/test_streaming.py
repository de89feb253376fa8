"""All ways give the same picture; files that are restored in parts."""

import dataclasses
import functools
import os

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import skimage.data
import tifffile
from PIL import ImageCms

from dehaze_jax import image, methods, restoring
from dehaze_jax.errors import InputError
from dehaze_jax.restoring import Restorer, Way, plan, restore_files, strips, ways

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
PHOTOGRAPH = skimage.data.astronaut()[100:247, 60:261]  # 147 x 201: odd, no multiple of a strip


class SomeRows:
    """Rows of an array, and which of them were asked for."""

    def __init__(self, array):
        self.array, self.shape, self.dtype = array, array.shape, array.dtype
        self.asked = []

    def __getitem__(self, rows):
        self.asked.append((rows.start, rows.stop))
        return self.array[rows]


def restore_bands(method, variables, picture, options=None, **sizes):
    context = restoring.summarise_picture(method, variables, picture, options)
    bands = restoring.restore_bands(method, variables, context, picture, **sizes)
    return np.concatenate(list(bands))


@pytest.mark.parametrize("overview", [0, 8])
@pytest.mark.parametrize("size", [(1, 1), (37, 20), (64, 33)])
@pytest.mark.parametrize("band_pixels", [1, 16 * 33, 10**6])
def test_bands_match_numpy(method, variables, twin, size, overview, band_pixels):
    method = dataclasses.replace(method, overview=overview)
    array = np.random.default_rng(0).random((*size, 3), np.float32)
    restored = restore_bands(
        method, variables, SomeRows(array), strip_pixels=64, band_pixels=band_pixels
    )
    reduced = restoring.restore_whole(method, variables, jnp.asarray(array))
    np.testing.assert_allclose(restored, reduced, atol=1e-6)
    if overview == 0:
        np.testing.assert_allclose(restored, twin(array), atol=1e-6)


def test_few_rows_are_asked_for_at_once(method, variables):
    method = dataclasses.replace(method, overview=4)
    rows = SomeRows(np.random.default_rng(0).random((400, 16, 3), np.float32))
    context = restoring.summarise_picture(method, variables, rows)
    assert max(stop - start for start, stop in rows.asked) <= 400
    rows.asked.clear()
    bands = restoring.restore_bands(
        method, variables, context, rows, strip_pixels=64, band_pixels=16 * 32
    )
    assert [len(band) for band in bands] == [32] * 12 + [16]
    assert max(stop - start for start, stop in rows.asked) == 32 + 2 * method.halo
    assert [start for start, _ in rows.asked] == sorted(start for start, _ in rows.asked)


def test_the_overview_is_made_of_few_rows(method, variables, monkeypatch):
    """To the same bits as from the whole picture; the last rows do not fill their squares."""
    seen = []

    def summarise(variables, hazy, options):
        seen.append(np.asarray(hazy))

    method = dataclasses.replace(method, overview=8, summarise=summarise)
    rows = SomeRows(np.random.default_rng(0).integers(0, 256, (107, 41, 3), np.uint8))
    restoring.summarise_picture(method, variables, rows)
    assert rows.asked == [(0, 107)]
    monkeypatch.setattr(strips, "STRIP_PIXELS", 41 * 12)
    rows.asked.clear()
    restoring.summarise_picture(method, variables, rows)
    assert max(stop - start for start, stop in rows.asked) == 10
    np.testing.assert_array_equal(seen[0], seen[1])
    floats = image.box_reduce(jnp.asarray(rows.array, jnp.float32) / 255, 5)
    np.testing.assert_allclose(seen[0], floats, atol=1e-6)


def flow(flow_config, flow_variables):
    return methods.build(flow_config), flow_variables


def released_bilateral(*_):
    """Needs the whole picture first, and looks at neighbours."""
    config = dataclasses.replace(
        methods.RELEASED, width=2, proxy_size=16, feature_size=20, grid_size=4, grid_depth=4
    )
    method = methods.build(config)
    pictures = jax.ShapeDtypeStruct((1, 16, 16, 3), jnp.float32)
    shapes = jax.eval_shape(method.init, jax.random.key(0), {"hazy": pictures, "clear": pictures})
    random = np.random.default_rng(1)

    def draw(path, leaf):
        values = random.normal(0, 0.2, leaf.shape)
        if path[-1].key == "var":
            values = random.uniform(0.5, 1.5, leaf.shape)
        return jnp.asarray(values, jnp.float32)

    return method, jax.tree.map_with_path(draw, shapes)


@pytest.mark.devices
@pytest.mark.parametrize("build", [flow, pytest.param(released_bilateral, marks=pytest.mark.slow)])
def test_all_ways_agree_on_a_photograph(build, flow_config, flow_variables):
    method, variables = build(flow_config, flow_variables)
    assert (method.overview == 0) == (method.halo > 0) == (build is released_bilateral)
    options = methods.RestoreOptions(solver="euler", num_steps=2)

    floats = (PHOTOGRAPH / 255).astype(np.float32)
    whole = np.asarray(restoring.restore_whole(method, variables, jnp.asarray(floats), options))
    assert np.std(whole - floats) > 0.01  # it does something
    sizes = {"strip_pixels": 256 * 8}

    def in_strips(picture):
        context = restoring.summarise_picture(method, variables, picture, options)
        return restoring.restore_rows(method, variables, context, picture, **sizes)

    def in_bands(picture):
        rows = SomeRows(picture)
        return restore_bands(method, variables, rows, options, band_pixels=201 * 32, **sizes)

    devices = restoring.restore_sharded(method, variables, floats, options, devices=jax.devices())
    for restored in (in_strips(floats), in_bands(floats), devices):
        np.testing.assert_allclose(restored, whole, atol=1e-6)
    for levels in (in_strips(PHOTOGRAPH), in_bands(PHOTOGRAPH), np.rint(devices * 255)):
        difference = np.abs(levels - np.rint(whole * 255))
        assert difference.max() <= 1
        assert (difference > 0).mean() < 1e-3


# From file to file


@pytest.fixture
def streams(monkeypatch):
    """Everything that can be is restored in parts, of some rows each."""
    monkeypatch.setattr(ways, "STREAM_PIXELS", 0)
    few = functools.partial(strips.restore_bands, band_pixels=4000)
    monkeypatch.setattr(strips, "restore_bands", few)


def restore_in_parts(restorer, source, target, **options):
    (result,) = restore_files(plan([source], target, **options), restorer)
    return result


LAYOUTS = {
    "tiles that do not divide": {"tile": (48, 32), "compression": "zlib", "predictor": 2},
    "one strip": {},
    "deflated strips": {"rowsperstrip": 5, "compression": "zlib"},
    "planes": {"planarconfig": "separate", "tile": (16, 64)},
}


@pytest.mark.parametrize("layout", list(LAYOUTS))
@pytest.mark.parametrize("deep", [False, True])
def test_tiff_to_tiff(tmp_path, streams, method, variables, layout, deep):
    method = dataclasses.replace(method, overview=32)
    pixels = PHOTOGRAPH.astype(np.uint16) * 257 if deep else PHOTOGRAPH
    planes = np.moveaxis(pixels, -1, 0) if layout == "planes" else pixels
    tifffile.imwrite(
        tmp_path / "in.tif", planes, photometric="rgb", iccprofile=SRGB, **LAYOUTS[layout]
    )
    restorer = Restorer(method, variables, strip_pixels=1000)
    seen = []
    (result,) = restore_files(
        plan([tmp_path / "in.tif"], tmp_path / "out.tif"),
        restorer,
        progress=lambda *now: seen.append(now),
    )
    assert result.error is None
    assert result.way is not None
    assert result.way.name == "stream"
    assert result.size == (147, 201)
    assert seen[-1] == (147, 147)
    restored = image.read(tmp_path / "out.tif")
    difference = np.abs(restored.pixels.astype(int) - restorer(pixels))
    assert difference.max() <= 1
    assert restored.icc == SRGB
    assert sorted(os.listdir(tmp_path)) == ["in.tif", "out.tif"]


@pytest.mark.parametrize("channels", [1, 2, 4])
def test_grey_and_alpha_in_parts(tmp_path, streams, method, variables, channels):
    samples = np.dstack([PHOTOGRAPH, PHOTOGRAPH[..., 0]])[..., 4 - channels :]
    image.write(tmp_path / "in.tif", samples)
    restorer = Restorer(method, variables, strip_pixels=1000)
    result = restore_in_parts(restorer, tmp_path / "in.tif", tmp_path / "out.tif")
    assert (result.error, result.way.name) == (None, "stream")
    hazy, restored = image.read(tmp_path / "in.tif"), image.read(tmp_path / "out.tif")
    expected = restoring.restore_picture(hazy, restorer)
    assert restored.grey == hazy.grey == (channels < 3)
    np.testing.assert_allclose(restored.pixels, expected.pixels.astype(int), atol=1)
    assert (restored.alpha is None) == (channels == 1)
    if restored.alpha is not None:
        np.testing.assert_array_equal(restored.alpha, hazy.alpha)


@pytest.mark.parametrize("share", [0.5, 0.98])
def test_a_file_that_is_damaged_in_the_middle(tmp_path, streams, method, variables, share):
    method = dataclasses.replace(method, overview=32)
    source = tmp_path / "in.tif"
    tifffile.imwrite(source, PHOTOGRAPH, photometric="rgb", rowsperstrip=5, compression="zlib")
    with tifffile.TiffFile(source) as file:
        offsets = file.pages.first.dataoffsets
    with open(source, "r+b") as file:
        file.seek(offsets[int(share * len(offsets))])
        file.write(bytes(40))
    (tmp_path / "out.tif").write_bytes(b"older")
    result = restore_in_parts(Restorer(method, variables), source, tmp_path / "out.tif")
    assert str(result.error).startswith(f"{source}: cannot be read: ")
    assert "\n" not in str(result.error)
    assert sorted(os.listdir(tmp_path)) == ["in.tif", "out.tif"]
    assert (tmp_path / "out.tif").read_bytes() == b"older"


def test_values_that_are_not_finite_leave_nothing(tmp_path, streams, method):
    image.write(tmp_path / "in.tif", PHOTOGRAPH)
    broken = Restorer(method, {"gain": jnp.float32(jnp.nan)}, strip_pixels=1000)
    result = restore_in_parts(broken, tmp_path / "in.tif", tmp_path / "out")
    assert str(result.error) == f"{tmp_path / 'in.tif'}: the restored values are not finite"
    assert os.listdir(tmp_path / "out") == []


def test_a_comparison_needs_the_picture(tmp_path, streams, method, variables):
    image.write(tmp_path / "in.tif", PHOTOGRAPH)
    restorer = Restorer(method, variables)
    result = restore_in_parts(restorer, tmp_path / "in.tif", tmp_path / "out.tif", compare=True)
    assert (result.error, result.way.name) == (None, "whole")
    assert (tmp_path / "out_compare.jpg").exists()


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_only_the_result_in_parts(tmp_path, method, variables, monkeypatch, suffix):
    """A file that has to be read whole: a PNG, a TIFF that is stored turned."""
    source = tmp_path / f"in{suffix}"
    if suffix == ".png":
        image.write(source, PHOTOGRAPH)
    else:
        tag = [(0x0112, "H", 1, 6, True)]
        tifffile.imwrite(source, PHOTOGRAPH, photometric="rgb", extratags=tag)
    restorer = Restorer(method, variables, strip_pixels=1000)
    way = Way(name="stream", reason="for a test", memory=0, ahead=False)
    monkeypatch.setattr(Restorer, "choose_way", lambda *_, **__: way)
    result = restore_in_parts(restorer, source, tmp_path / "out.tif")
    assert result.error is None
    hazy = image.read(source)
    assert result.size == hazy.pixels.shape[:2]
    monkeypatch.undo()
    expected = restorer(hazy.pixels).astype(int)
    np.testing.assert_allclose(image.read(tmp_path / "out.tif").pixels, expected, atol=1)
    with tifffile.TiffFile(tmp_path / "out.tif") as file:
        assert file.pages.first.is_tiled


def test_too_little_memory_is_one_line_that_says_why(tmp_path, method, variables):
    image.write(tmp_path / "in.png", PHOTOGRAPH)
    restorer = Restorer(method, variables, memory=10**8)
    (result,) = restore_files(plan([tmp_path / "in.png"], tmp_path / "out.png"), restorer)
    line = str(result.error)
    assert line.startswith(f"{tmp_path / 'in.png'}: restoring 201 x 147 needs ")
    assert "of the 100 MB there are" in line
    assert line.endswith("may be taken")  # no way would help
    with pytest.raises(InputError, match=r"needs .* of memory"):
        restorer(PHOTOGRAPH)
    with pytest.raises(InputError, match="at least 1 byte"):
        Restorer(method, variables, memory=0)


@pytest.mark.parametrize(
    ("source", "target", "compare", "why"),
    [
        ("in.png", "out.tif", False, "only TIFF can be read in parts"),
        ("in.tif", "out.png", False, "only TIFF can be written in parts"),
        ("in.tif", "out.tif", True, "a comparison and maps need the whole"),
    ],
)
def test_what_keeps_a_picture_from_parts_is_said(
    tmp_path, method, variables, monkeypatch, source, target, compare, why
):
    image.write(tmp_path / source, PHOTOGRAPH)

    def choose_way(self, *_, reads_rows, writes_rows, **__):
        if reads_rows and writes_rows:
            return Way(name="stream", reason="for a test", memory=0, ahead=False)
        raise InputError("picture", "needs more")

    monkeypatch.setattr(Restorer, "choose_way", choose_way)
    jobs = plan([tmp_path / source], tmp_path / target, compare=compare)
    (result,) = restore_files(jobs, Restorer(method, variables))
    assert str(result.error) == (
        f"{tmp_path / source}: needs more; in parts it would fit, but {why}"
    )


def test_steps_without_end_are_refused(weights):
    restorer = restoring.load(weights, steps=10**6, memory=10**9)
    with pytest.raises(InputError, match="for what is kept of every step of the solver"):
        restorer(PHOTOGRAPH)
    with pytest.raises(
        InputError, match="steps: must be a whole number from 1 to 1000000, not 1000001"
    ):
        restoring.load(weights, steps=10**6 + 1)


@pytest.mark.parametrize("error", [MemoryError(), "RESOURCE_EXHAUSTED: out of memory"])
def test_memory_that_runs_out_is_one_line(tmp_path, error):
    image.write(tmp_path / "in.png", PHOTOGRAPH)

    def fails(pixels, *, progress=None):
        raise jax.errors.JaxRuntimeError(error) if isinstance(error, str) else error

    (result,) = restore_files(plan([tmp_path / "in.png"], tmp_path / "out.png"), fails)
    assert str(result.error).endswith("in.png: restoring it needs more memory than there is")


def test_other_errors_of_the_device_are_not_hidden(tmp_path):
    image.write(tmp_path / "in.png", PHOTOGRAPH)

    def fails(pixels, *, progress=None):
        raise jax.errors.JaxRuntimeError("INTERNAL: something else")

    with pytest.raises(jax.errors.JaxRuntimeError):
        list(restore_files(plan([tmp_path / "in.png"], tmp_path / "out.png"), fails))


def test_large_pictures_wait_for_the_one_before(tmp_path, method, variables, monkeypatch):
    """Nothing is read while another large one is held; the results come in order."""
    (tmp_path / "in").mkdir()
    for number in range(4):
        image.write(tmp_path / "in" / f"{number}.png", PHOTOGRAPH[:20])
    events = []

    def spied_read(path):
        events.append(f"read {path.stem}")
        return image.read(path)

    def spied_write(path, picture):
        image.write(path, picture)
        events.append(f"wrote {path.stem}")

    monkeypatch.setattr("dehaze_jax.restoring.jobs.read", spied_read)
    monkeypatch.setattr("dehaze_jax.restoring.jobs.write", spied_write)
    way = Way(name="strips", reason="for a test", memory=0, ahead=False)
    monkeypatch.setattr(Restorer, "choose_way", lambda *_, **__: way)
    results = list(
        restore_files(plan([tmp_path / "in"], tmp_path / "out"), Restorer(method, variables))
    )
    assert [result.job.source.stem for result in results] == list("0123")
    assert not any(result.error for result in results)
    assert events == [f"{what} {number}" for number in range(4) for what in ("read", "wrote")]


@pytest.mark.parametrize(
    ("array", "reason"),
    [
        (np.zeros((4, 4, 4), np.uint8), "shape"),
        (np.zeros((4, 4, 3), np.int32), "type must be"),
        (np.zeros((0, 4, 3), np.uint8), "no pixels"),
        (np.full((4, 4, 3), 2, np.float32), "must lie in"),
    ],
)
def test_rows_that_cannot_be_used(method, variables, array, reason):
    with pytest.raises(InputError, match=reason):
        list(Restorer(method, variables).stream(SomeRows(array)))


def test_memory_maps_stream(tmp_path, method, variables):
    np.save(tmp_path / "in.npy", PHOTOGRAPH)
    restorer = Restorer(method, variables)
    bands = restorer.stream(np.load(tmp_path / "in.npy", mmap_mode="r"))
    np.testing.assert_array_equal(np.concatenate(list(bands)), restorer(PHOTOGRAPH))
