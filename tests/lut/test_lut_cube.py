"""Reading `.cube` files: real ones against colour-science and OpenColorIO, and every dialect."""

import subprocess
import sys

import numpy as np
import pytest
from colour.io.luts import LUTSequence, read_LUT_IridasCube, read_LUT_ResolveCube
from lut_twins import BODY, CORNERS, CURVES, PLAIN, UNIT, domain, opencolorio_file, spread

from dehaze_jax import lut
from dehaze_jax.errors import InputError


class TestRealFiles:
    IRIDAS = (
        "colour/iridas_ACES_Proxy_10_to_ACES",
        "colour/iridas_Colour_Correct",
        "colour/iridas_Demo",
        "colour/iridas_RGB_1_0.5_0.25",
        "colour/iridas_Three_Dimensional_Table",
        "colour/iridas_eotf_sRGB_3D",
        "film-luts/fuji_velvia_50",
        "opencolorio/iridas_1d",
        "opencolorio/iridas_3d",
    )
    RESOLVE = (
        "colour/resolve_Demo",
        "colour/resolve_LogC_Video",
        "colour/resolve_eotf_sRGB_3D",
    )

    @pytest.mark.parametrize("name", IRIDAS + RESOLVE)
    def test_equals_colour_science(self, shared_data, name):
        path = shared_data / "luts" / f"{name}.cube"
        theirs = (read_LUT_IridasCube if name in self.IRIDAS else read_LUT_ResolveCube)(str(path))
        cube = lut.read_cube(path)
        parts = list(theirs) if isinstance(theirs, LUTSequence) else [theirs]
        ours = []
        if cube.curves is not None:
            ours.append((cube.curves, (cube.curves_min, cube.curves_max)))
        if len(parts) > len(ours):
            ours.append((cube.table, domain(cube)))
        for (table, ends), part in zip(ours, parts, strict=True):
            np.testing.assert_allclose(table, part.table, rtol=1e-7)
            np.testing.assert_array_equal(ends, part.domain)
        # Others are named by colour-science itself.
        if b"TITLE" in path.read_bytes() and len(parts) == 1:
            assert cube.title == theirs.name

    @pytest.mark.parametrize("name", IRIDAS)
    def test_equals_opencolorio(self, shared_data, name):
        path = shared_data / "luts" / f"{name}.cube"
        cube, image = lut.read_cube(path), spread(0, low=-3, high=4)
        expected = opencolorio_file(path, image)
        np.testing.assert_allclose(cube(image), expected, rtol=2e-5, atol=1e-5)

    @pytest.mark.parametrize("name", RESOLVE)
    def test_equals_opencolorio_after_the_title_is_cut_off(self, shared_data, tmp_path, name):
        """OpenColorIO refuses a title in Resolve's dialect, and comments between the rows."""
        path = shared_data / "luts" / f"{name}.cube"
        cube, image = lut.read_cube(path), spread(1, low=-1, high=4)
        lines = path.read_text().splitlines()
        bare = tmp_path / path.name
        bare.write_text("\n".join(line for line in lines if not line.startswith(("T", "#"))))
        expected = opencolorio_file(bare, image)
        np.testing.assert_allclose(cube(image), expected, rtol=2e-5, atol=1e-5)


class TestDialects:
    @pytest.mark.parametrize(
        "text",
        [
            PLAIN,
            PLAIN.replace("\n", "\r\n"),
            PLAIN.replace("\n", "\r"),
            PLAIN.rstrip(),
            f"\ufeff{PLAIN}",
            PLAIN.replace(" ", "\t").replace("\n", "  \t\n"),
            PLAIN.replace("\n", "\n\n  # between the rows\n"),
            PLAIN.replace("\n", " # behind a row\n"),
            PLAIN.lower(),
            "  " + PLAIN.replace("\n", "\n  "),
            "# made by hand\n\n" + PLAIN + "\n\n# the end",
            "DOMAIN_MIN 0 0 0\nDOMAIN_MAX 1.0 1.0 1.0\n" + PLAIN,
            f"LUT_3D_SIZE 2\nLUT_3D_INPUT_RANGE 0.0 1.0\n{BODY}",
            PLAIN.replace("0.125", "+1.25E-1").replace("-1.0", "-10.e-1").replace("0.5", ".5"),
        ],
    )
    def test_all_the_ways_to_write_one_table(self, read, text):
        cube = read(text)
        assert cube.table.dtype == np.float32
        np.testing.assert_array_equal(cube.table, CORNERS)
        assert domain(cube) == UNIT
        assert (cube.title, cube.curves) == ("", None)

    @pytest.mark.parametrize(
        ("line", "title"),
        [
            ('TITLE "A film, look no. 5"', "A film, look no. 5"),
            ("TITLE bare words", "bare words"),
            ('TITLE "with # and "quotes""', 'with # and "quotes"'),
            ('TITLE "not closed', "not closed"),
            ('title\t"tab"  # comment', "tab"),
            ('BMD_TITLE "by another name"', "by another name"),
            ('TITLE "Crépuscule 東京"', "Crépuscule 東京"),
            ('TITLE ""', ""),
            ("TITLE", ""),
        ],
    )
    def test_titles(self, read, line, title):
        assert read(f"{line}\n{PLAIN}").title == title
        assert read(f"LUT_3D_SIZE 2\n{line}\n{BODY}").title == title

    def test_bytes_that_are_not_utf_8(self, read):
        text = f'TITLE "Cr\xe9puscule\x85"\n# \xff\n{PLAIN}'
        assert read(text.encode("latin-1")).title == "Cr\xe9puscule\x85"
        assert read(b"\xef\xbb\xbf" + text.encode("latin-1")).title == "Cr\xe9puscule\x85"

    @pytest.mark.parametrize(
        ("lines", "expected"),
        [
            ("DOMAIN_MIN -1 0 0.5\nDOMAIN_MAX 1 2 3", ((-1, 0, 0.5), (1, 2, 3))),
            ("DOMAIN_MAX 2 2 4", ((0, 0, 0), (2, 2, 4))),
            ("DOMAIN_MIN -1 -1 -2 # low", ((-1, -1, -2), (1, 1, 1))),
            ("LUT_3D_INPUT_RANGE -1.5 2e1", ((-1.5,) * 3, (20,) * 3)),
            ("LUT_3D_INPUT_RANGE 0 2\nDOMAIN_MAX 2 2 2", ((0,) * 3, (2,) * 3)),
            ("LUT_1D_INPUT_RANGE -1 3", UNIT),  # of a table that is not there
        ],
    )
    def test_domains(self, read, lines, expected):
        assert domain(read(f"{lines}\n{PLAIN}")) == expected
        # ffmpeg takes keywords among the rows, too
        assert domain(read(f"{PLAIN}{lines}\n")) == expected

    def test_curves(self, read):
        cube = read(f"LUT_1D_SIZE 3\nLUT_1D_INPUT_RANGE -1 3\n{CURVES}")
        np.testing.assert_array_equal(cube.curves, [[0, 0, 0], [0.25, 0.5, 0.125], [1, 1, 1]])
        assert (cube.curves_min, cube.curves_max) == ((-1,) * 3, (3,) * 3)
        expected = read(f"LUT_1D_SIZE 3\nDOMAIN_MIN -1 -1 -1\nDOMAIN_MAX 3 3 3\n{CURVES}")
        np.testing.assert_array_equal(expected.curves, cube.curves)
        assert (expected.curves_min, expected.curves_max) == ((-1,) * 3, (3,) * 3)

    @pytest.mark.parametrize(
        "sizes", ["LUT_1D_SIZE 3\nLUT_3D_SIZE 2", "LUT_3D_SIZE 2\nLUT_1D_SIZE 3"]
    )
    def test_curves_before_a_table(self, read, sizes):
        ranges = "LUT_1D_INPUT_RANGE -1 3\nLUT_3D_INPUT_RANGE 0 2\nDOMAIN_MIN 0 0 0"
        cube = read(f"{sizes}\n{ranges}\n{CURVES}\n{BODY}")
        np.testing.assert_array_equal(cube.curves[1], [0.25, 0.5, 0.125])
        np.testing.assert_array_equal(cube.table, CORNERS)
        assert (cube.curves_min, cube.curves_max) == ((-1,) * 3, (3,) * 3)
        assert domain(cube) == ((0,) * 3, (2,) * 3)


def faulty(**replacements):
    lines = PLAIN.splitlines()
    for key, line in replacements.items():
        lines[int(key.removeprefix("line")) - 1] = line
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (faulty(line3="0.5 0.25"), "line 3: a row has 3 numbers, not 2"),
        (faulty(line9="1 2 3 4"), "line 9: a row has 3 numbers, not 4"),
        (faulty(line2="0,5 0,25 0,75"), "line 2: '0,5' is not a number"),
        (faulty(line4="0.5 0.5x 0"), "line 4: '0.5x' is not a number"),
        (faulty(line4="1_0 0 0"), "line 4: '1_0' is not a number"),
        (faulty(line4="٣ 0 0"), "line 4: '٣' is not a number"),
        (faulty(line4="0x10 0 0"), "line 4: '0x10' is not a number"),
        (faulty(line5="0 nan 0"), "line 5: 'nan' is not finite"),
        (faulty(line5="-Inf 0 0"), "line 5: '-Inf' is not finite"),
        (faulty(line5="inf 0 0"), "line 5: 'inf' is not finite"),
        (faulty(line6="1e39 0 0"), "line 6: '1e39' is too large for float32"),
        (faulty(line6="1e999 0 0"), "line 6: '1e999' is too large for float32"),
        (faulty(line7="oops 0 0"), "line 7: unknown keyword 'OOPS'"),
        (f"{PLAIN}\n# end\n0 0 0\n", "line 12: a row more than the 8 announced"),
        ("\n".join(PLAIN.splitlines()[:-1]) + "\n\n", "line 8: the end after 7 rows of 8"),
        ("LUT_3D_SIZE 2\n", "line 1: the end after 0 rows of 8"),
        (BODY, "line 8: no LUT_1D_SIZE or LUT_3D_SIZE up to here"),
        ("TITLE", "line 1: no LUT_1D_SIZE"),
        (f"{BODY}\nLUT_3D_SIZE 2", "line 9: LUT_3D_SIZE after the first row of numbers"),
        ("LUT_3D_SIZE 1\n0 0 0", "line 1: LUT_3D_SIZE 1 is not in 2 to 256"),
        ("LUT_3D_SIZE 257", "line 1: LUT_3D_SIZE 257 is not in 2 to 256"),
        ("LUT_3D_SIZE 999999999", "line 1: LUT_3D_SIZE 999999999 is not in 2 to 256"),
        ("LUT_1D_SIZE 65537", "line 1: LUT_1D_SIZE 65537 is not in 2 to 65536"),
        ("LUT_1D_SIZE " + "9" * 5000, "is one whole number, not '99999"),
        ("LUT_3D_SIZE", "line 1: LUT_3D_SIZE is one whole number, not ''"),
        ("LUT_3D_SIZE 2 2 2", "line 1: LUT_3D_SIZE is one whole number, not '2 2 2'"),
        ("LUT_3D_SIZE -2", "line 1: LUT_3D_SIZE is one whole number, not '-2'"),
        ("LUT_3D_SIZE 2.0", "line 1: LUT_3D_SIZE is one whole number, not '2.0'"),
        ("LUT_2D_SIZE 2", "line 1: unknown keyword 'LUT_2D_SIZE'"),
        (f"LUT_IN_VIDEO_RANGE\n{PLAIN}", "line 1: LUT_IN_VIDEO_RANGE: tables for video-range"),
        (f"LUT_OUT_VIDEO_RANGE\n{PLAIN}", "line 1: LUT_OUT_VIDEO_RANGE: tables for video-range"),
        (f"LUT_3D_SIZE 2\n{PLAIN}", "line 2: LUT_3D_SIZE for the second time, after line 1"),
        (f"TITLE a\n\nTITLE b\n{PLAIN}", "line 3: TITLE for the second time, after line 1"),
        (f"DOMAIN_MAX 1 1\n{PLAIN}", "line 1: DOMAIN_MAX has 3 numbers, not 2"),
        (f"DOMAIN_MAX 1 1 x\n{PLAIN}", "line 1: 'x' is not a number"),
        (f"DOMAIN_MIN -inf 0 0\n{PLAIN}", "line 1: '-inf' is not finite"),
        (f"DOMAIN_MIN 0 0 1\n{PLAIN}", "line 1: the domain from .* is empty"),
        (f"DOMAIN_MAX 1 1 1e-60\n{PLAIN}", "line 1: the domain from .* is empty"),
        (f"LUT_3D_INPUT_RANGE -3e38 3e38\n{PLAIN}", "line 1: the domain from .* or not finite"),
        (f"\nLUT_3D_INPUT_RANGE 2 1\n{PLAIN}", "line 2: the domain from .* is empty"),
        (f"LUT_3D_INPUT_RANGE 0 1 2\n{PLAIN}", "line 1: LUT_3D_INPUT_RANGE has 2 numbers, not 3"),
        (
            f"LUT_3D_INPUT_RANGE 0 2\nDOMAIN_MAX 3 3 3\n{PLAIN}",
            "line 2: DOMAIN_MIN, DOMAIN_MAX and LUT_3D_INPUT_RANGE differ",
        ),
        (
            f"LUT_1D_SIZE 3\nLUT_3D_SIZE 2\nDOMAIN_MAX 3 3 3\n{CURVES}{BODY}",
            "line 3: DOMAIN_MIN and DOMAIN_MAX say nothing of which table",
        ),
        (
            f"LUT_1D_SIZE 3\n{CURVES}{PLAIN}",
            "line 5: LUT_3D_SIZE after the first row of numbers",
        ),
        ("<!DOCTYPE html>\n<html></html>\n", "line 2: no LUT_1D_SIZE or LUT_3D_SIZE"),
        ("LUT_3D_SIZE 2\n<html>\n", "line 2: '<html>' is not a number"),
        ("LUT_3D_SIZE 2\n" + "x" * 10**6, r"line 2: unknown keyword 'X{40}\.\.\.'"),
        ("LUT_3D_SIZE 2\n" + "9" * 10**6 + "x 0 0", r"line 2: '9{40}\.\.\.' is not a number"),
        ("LUT_3D_SIZE 2\n" + "9" * 10**6 + " 0 0", r"line 2: '9{40}\.\.\.' is too large"),
        ("", "is empty"),
        (b"\xef\xbb\xbf\n", "is empty"),
        (" \r\n\n", "is empty"),
        (PLAIN.encode("utf-16"), "is UTF-16 text"),
        (PLAIN.encode("utf-16-le"), "holds zero bytes"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "holds zero bytes"),
        (b"\x89PNG\r\n\x1a\n", "no LUT_1D_SIZE"),
    ],
)
def test_faults_are_named_by_line(read, tmp_path, text, reason):
    with pytest.raises(InputError, match=reason) as caught:
        read(text)
    assert str(caught.value).startswith(str(tmp_path / "table.cube"))
    assert len(str(caught.value)) < len(str(tmp_path)) + 150


def test_a_fault_far_down_is_found_by_line(read):
    lines = ["LUT_3D_SIZE 33", *["0.5 0.25 0.125"] * 33**3]
    lines[30_000] = "0.5 0.25"
    with pytest.raises(InputError, match="line 30001: a row has 3 numbers, not 2"):
        read("\n".join(lines))


def test_what_cannot_be_opened(tmp_path):
    with pytest.raises(InputError, match="cannot be read: Is a directory"):
        lut.read_cube(tmp_path)
    with pytest.raises(InputError, match="cannot be read: No such file"):
        lut.read_cube(tmp_path / "missing.cube")
    with pytest.raises(InputError, match="cannot be read"):
        lut.read_cube("nul\0.cube")


def test_what_is_too_large(read, monkeypatch):
    monkeypatch.setattr("dehaze_jax.lut.cube._LARGEST_FILE", len(PLAIN) - 1)
    with pytest.raises(InputError, match=r"larger than any \.cube file"):
        read(PLAIN)


def test_reading_needs_no_jax(tmp_path):
    (tmp_path / "table.cube").write_text(PLAIN)
    code = f"""if True:
        import sys
        from dehaze_jax import lut
        cube = lut.read_cube({str(tmp_path / "table.cube")!r})
        lut.write_cube({str(tmp_path / "copy.cube")!r}, cube.table)
        assert "jax" not in sys.modules
    """
    subprocess.run([sys.executable, "-c", code], check=True)
    np.testing.assert_array_equal(lut.read_cube(tmp_path / "copy.cube").table, CORNERS)
