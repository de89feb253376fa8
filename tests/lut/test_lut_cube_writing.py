"""Written `.cube` files: read back, and applied by OpenColorIO, colour-science and ffmpeg."""

import shutil
import subprocess

import jax.numpy as jnp
import numpy as np
import pytest
from colour.io.luts import read_LUT_IridasCube, read_LUT_ResolveCube
from lut_twins import INTERPOLATIONS, opencolorio_file, random_table, spread

from dehaze_jax import lut
from dehaze_jax.errors import InputError

UNIT = (0.0, 1.0)
DOMAINS = [UNIT, (-0.5, 2.0), ((-1.0, 0.0, 0.1), (1.0, 2.5, 0.7))]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "table.cube"


class TestReadBack:
    @pytest.mark.parametrize("domain", DOMAINS)
    @pytest.mark.parametrize("title", ["", "Film no. 5, 東京 # 3"])
    def test_to_the_bit(self, path, domain, title):
        table = random_table(0, 7)
        table[0, 0, :5, 0] = 1e-45, -3.4028235e38, 1 / 3, np.nextafter(np.float32(1), 2), -0.0
        lut.write_cube(path, table, title=title, domain=domain)
        cube = lut.read_cube(path)
        np.testing.assert_array_equal(cube.table.view(np.uint32), table.view(np.uint32))
        low, high = (tuple(np.broadcast_to(end, 3).tolist()) for end in domain)
        assert (cube.domain_min, cube.domain_max, cube.title) == (low, high, title)

    def test_every_kind_of_bits(self, path):
        bits = np.random.default_rng(1).integers(0, 2**32, 30**3 * 3, np.uint32)
        table = bits.view(np.float32).reshape(30, 30, 30, 3)
        table = np.where(np.isfinite(table), table, np.float32(0))
        lut.write_cube(path, table)
        np.testing.assert_array_equal(lut.read_cube(path).table, table)

    @pytest.mark.parametrize("size", [2, 3, 65])
    def test_sizes(self, path, size):
        table = random_table(2, size)
        lut.write_cube(path, table)
        np.testing.assert_array_equal(lut.read_cube(path).table, table)

    @pytest.mark.parametrize("convert", [np.ndarray.tolist, jnp.asarray, np.float64, np.float16])
    def test_kinds_of_arrays(self, path, convert):
        table = random_table(3, 3)
        lut.write_cube(path, convert(table))
        tolerance = 1e-3 if convert is np.float16 else 0
        np.testing.assert_allclose(lut.read_cube(path).table, table, rtol=0, atol=tolerance)

    def test_bfloat16(self, path):
        table = jnp.asarray(random_table(3, 3), jnp.bfloat16)
        lut.write_cube(path, table)
        np.testing.assert_array_equal(lut.read_cube(path).table, table.astype(jnp.float32))


class TestText:
    def test_all_of_it(self, path):
        table = np.stack(np.indices((2, 2, 2)), axis=-1) * [1.0, 0.5, 1e-7] + [0, 0.1, 0]
        lut.write_cube(path, table, title="small", domain=((-1.0, 0.0, 0.0), 2.0))
        assert path.read_bytes().decode() == (
            'TITLE "small"\nLUT_3D_SIZE 2\n'
            "DOMAIN_MIN -1.0 0.0 0.0\nDOMAIN_MAX 2.0 2.0 2.0\n"
            "0 0.100000001 0\n1 0.100000001 0\n0 0.600000024 0\n1 0.600000024 0\n"
            "0 0.100000001 1.00000001e-07\n1 0.100000001 1.00000001e-07\n"
            "0 0.600000024 1.00000001e-07\n1 0.600000024 1.00000001e-07\n"
        )

    def test_no_title_and_no_domain_by_default(self, path):
        lut.write_cube(path, random_table(4, 3))
        lines = path.read_text().splitlines()
        assert lines[0] == "LUT_3D_SIZE 3"
        assert len(lines) == 28


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
@pytest.mark.parametrize("domain", DOMAINS)
def test_opencolorio_applies_it_as_we_do(path, interpolation, domain):
    lut.write_cube(path, random_table(6, 7), title="a title", domain=domain)
    image = spread(7, (36, 48, 3), low=-1.5, high=3)
    expected = opencolorio_file(path, image, interpolation)
    ours = lut.read_cube(path)(image, interpolation=interpolation)
    np.testing.assert_allclose(ours, expected, atol=1e-5)


def test_opencolorio_reads_it_as_resolves(path):
    """A range in Resolve's words keeps its reader of the other dialect away."""
    lut.write_cube(path, random_table(17, 7))
    size, rows = path.read_text().split("\n", 1)
    path.write_text(f"{size}\nLUT_3D_INPUT_RANGE -1 2\n{rows}")
    image = spread(18, (36, 48, 3), low=-1.5, high=3)
    expected = opencolorio_file(path, image, "trilinear")
    np.testing.assert_allclose(lut.read_cube(path)(image), expected, atol=1e-5)


@pytest.mark.parametrize("read", [read_LUT_IridasCube, read_LUT_ResolveCube])
def test_colour_science_reads_both_dialects(path, read):
    table = random_table(8, 7)
    lut.write_cube(path, table)
    np.testing.assert_allclose(read(str(path)).table, table, rtol=1e-7)


@pytest.mark.parametrize("domain", DOMAINS[1:])
def test_colour_science_reads_domain_and_title(path, domain):
    lut.write_cube(path, random_table(9, 7), title="A title", domain=domain)
    theirs = read_LUT_IridasCube(str(path))
    np.testing.assert_array_equal(theirs.domain, [np.broadcast_to(end, 3) for end in domain])
    assert theirs.name == "A title"


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not on this machine")
@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
class TestFfmpeg:
    def apply(self, path, interpolation, pixel_format, frame):
        height, width = frame.shape[-3:-1] if pixel_format == "rgb48le" else frame.shape[-2:]
        form = ["-f", "rawvideo", "-pix_fmt", pixel_format]
        command = ["ffmpeg", "-loglevel", "error", *form, "-s", f"{width}x{height}", "-i", "-"]
        command += ["-vf", f"lut3d=file={path.name}:interp={interpolation}", *form, "-"]
        run = subprocess.run(
            command, input=frame.tobytes(), capture_output=True, check=True, cwd=path.parent
        )
        assert not run.stderr
        return np.frombuffer(run.stdout, frame.dtype).reshape(frame.shape)

    # It ignores the lower end of a domain, and takes an upper end below 1 for 1.
    @pytest.mark.parametrize("domain", [UNIT, (0.0, (1.0, 2.0, 4.0))])
    def test_on_floats(self, path, interpolation, domain):
        lut.write_cube(path, random_table(10, 7), title="a title", domain=domain)
        image = spread(11, (36, 48, 3), low=-0.5, high=3)
        planes = np.ascontiguousarray(np.moveaxis(image[..., [1, 2, 0]], -1, 0))
        green, blue, red = self.apply(path, interpolation, "gbrpf32le", planes)
        ours = lut.read_cube(path)(image, interpolation=interpolation)
        np.testing.assert_allclose(ours, np.stack([red, green, blue], axis=-1), atol=1e-5)

    def test_on_16_bits(self, path, interpolation):
        lut.write_cube(path, random_table(12, 33))
        frame = np.random.default_rng(13).integers(0, 65536, (36, 48, 3), np.uint16)
        theirs = self.apply(path, interpolation, "rgb48le", frame) / 65535
        image = (frame / 65535).astype(np.float32)
        ours = lut.read_cube(path)(image, interpolation=interpolation)
        # It cuts off where one rounds.
        np.testing.assert_allclose(np.clip(ours, 0, 1), theirs, atol=1.5 / 65535)


@pytest.mark.parametrize(
    ("table", "options", "reason"),
    [
        (np.zeros((2, 2, 2, 3), int), {}, "holds floats, not int64"),
        (np.zeros((2, 2, 2, 3), np.uint8), {}, "holds floats, not uint8"),
        (np.zeros((2, 2, 2, 3), complex), {}, "holds floats, not complex128"),
        ([[["a"]]], {}, "holds floats, not <U1"),
        ([[0.5], 0.5], {}, "inhomogeneous"),
        (np.zeros((1, 1, 1, 3)), {}, "at least 2 nodes along each axis, not 1"),
        (np.zeros((257, 257, 257, 3), np.float16), {}, "up to 256 nodes along each axis, not 257"),
        (np.zeros((2, 2, 3, 3)), {}, r"not \[2, 2, 3, 3\]"),
        (np.zeros((2, 2, 2, 4)), {}, r"not \[2, 2, 2, 4\]"),
        (np.zeros((8, 3)), {}, r"not \[8, 3\]"),
        (0.5, {}, r"not \[\]"),
        (np.full((2, 2, 2, 3), np.nan), {}, "holds NaN or infinity"),
        (np.full((2, 2, 2, 3), np.inf), {}, "holds NaN or infinity"),
        (np.full((2, 2, 2, 3), 1e39), {}, "holds NaN or infinity"),
        (np.zeros((2, 2, 2, 3)), {"title": "two\nlines"}, "control character"),
        (np.zeros((2, 2, 2, 3)), {"title": 'a "quote"'}, "double quote"),
        (np.zeros((2, 2, 2, 3)), {"title": "京" * 67}, "longer than 200 bytes"),
        (np.zeros((2, 2, 2, 3)), {"domain": (1.0, 1.0)}, "is empty or not finite"),
        (np.zeros((2, 2, 2, 3)), {"domain": (0.0, (1.0, 1.0, 1e-60))}, "is empty or not finite"),
        (np.zeros((2, 2, 2, 3)), {"domain": (0.0, float("nan"))}, "is empty or not finite"),
        (np.zeros((2, 2, 2, 3)), {"domain": (-np.inf, 1.0)}, "is empty or not finite"),
        (np.zeros((2, 2, 2, 3)), {"domain": (0.0, 1e39)}, "is empty or not finite"),
        (np.zeros((2, 2, 2, 3)), {"domain": (-3e38, 3e38)}, "is empty or not finite"),
        (np.zeros((2, 2, 2, 3)), {"domain": (0.0, (1.0, 1.0))}, "one number or three"),
    ],
)
def test_refuses_and_leaves_nothing(path, table, options, reason):
    with pytest.raises(InputError, match=reason) as caught:
        lut.write_cube(path, table, **options)
    assert str(caught.value).startswith(str(path))
    assert not list(path.parent.iterdir())


def test_a_failure_keeps_the_older_file(path, monkeypatch):
    lut.write_cube(path, random_table(14, 2))
    before = path.read_bytes()

    def fail(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savetxt", fail)
    with pytest.raises(InputError, match="cannot be written: No space left"):
        lut.write_cube(path, random_table(15, 2))
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_a_missing_folder(path):
    with pytest.raises(InputError, match="cannot be written: No such file"):
        lut.write_cube(path.parent / "missing" / "table.cube", random_table(16, 2))
