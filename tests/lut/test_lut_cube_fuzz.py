"""Whatever a file holds, the reader gives its values or one clear error."""

import pathlib
import re
import tempfile

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

from dehaze_jax import lut
from dehaze_jax.errors import InputError

ROWS = [f"{r} {g}.5 -{b}e-1" for b in (0, 1) for g in (0, 1) for r in (0, 1)]
DEFAULTS = (("DOMAIN_MIN", "0 0 0"), ("DOMAIN_MAX", "1 1 1"))
CURVES = ["0 0 0", "0.25 .5 1", "1 1 1"]
VALID = [
    ['TITLE "A film"', "LUT_3D_SIZE 2", *ROWS],
    ["# Iridas", "LUT_3D_SIZE 2", "DOMAIN_MIN -1 0 0", "DOMAIN_MAX 1 2 3", *ROWS],
    ["LUT_1D_SIZE 3", "LUT_1D_INPUT_RANGE -1 3", *CURVES],
    ["LUT_1D_SIZE 3", "LUT_3D_SIZE 2", "LUT_3D_INPUT_RANGE 0 2", *CURVES, *ROWS],
]
WORDS = [
    "1e999", "-1e39", "9" * 5000, "nan", "-inf", "0x1p3", "1_0", "1,5", "٣", "", "\0", '"', "#",
    "LUT_3D_SIZE", "LUT_3D_SIZE 256", "LUT_1D_SIZE 65536", "LUT_3D_SIZE 99999999999", "TITLE",
    "DOMAIN_MAX 0 0 0", "DOMAIN_MIN 1e38 1e38 1e38", "LUT_1D_INPUT_RANGE 1 0", "\ufeff", "\x85",
    "\x0b", "é",
]  # fmt: skip


def numbers(line):
    return [float(word) for word in line.partition("#")[0].split()]


def reference(data):
    """What an accepted file says, read naively: curves, table and their domains."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.removeprefix(b"\xef\xbb\xbf").decode("latin-1")
    said, rows = {}, []
    for line in re.split("\r\n|\r|\n", text):
        line = line.strip()
        if line[:1].isalpha():
            keyword = re.match(r"\w+", line, re.ASCII)[0]
            said[keyword.upper()] = line[len(keyword) :]
        elif line and line[0] != "#":
            rows.append(numbers(line))
    found = {}
    for kind, power in (("1D", 1), ("3D", 3)):
        if f"LUT_{kind}_SIZE" in said:
            (size,) = map(int, numbers(said[f"LUT_{kind}_SIZE"]))
            low, high = (numbers(said.get(key, d)) for key, d in DEFAULTS)
            if own := said.get(f"LUT_{kind}_INPUT_RANGE"):
                low, high = ([end] * 3 for end in numbers(own))
            found[kind] = size, rows[: size**power], low, high
            rows = rows[size**power :]
    assert not rows
    return found


def check_values(cube, data):
    """The numbers are those of the file, each in its place."""
    said = reference(data)
    assert (cube.curves is not None) == ("1D" in said)
    if "1D" in said:
        _, rows, low, high = said["1D"]
        np.testing.assert_array_equal(cube.curves, np.float32(rows))
        np.testing.assert_array_equal((cube.curves_min, cube.curves_max), (low, high))
    if "3D" in said:
        size, rows, low, high = said["3D"]
        expected = [rows[r + size * (g + size * b)] for r, g, b in np.ndindex(size, size, size)]
        np.testing.assert_array_equal(cube.table.reshape(-1, 3), np.float32(expected))
        np.testing.assert_array_equal((cube.domain_min, cube.domain_max), (low, high))


def read(data):
    """What must hold of every outcome."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "table.cube"
        path.write_bytes(data)
        try:
            cube = lut.read_cube(path)
        except InputError as error:
            message = str(error)
            assert message.startswith(f"{path}: ")
            assert "\n" not in message
            assert len(message) < len(str(path)) + 200
            return None
    size = len(cube.table)
    assert cube.table.shape == (size, size, size, 3)
    assert cube.table.dtype == np.float32
    assert np.isfinite(cube.table).all()
    for low, high in zip(cube.domain_min, cube.domain_max, strict=True):
        assert np.float32(low) < np.float32(high)
    if cube.curves is not None:
        assert cube.curves.shape == (len(cube.curves), 3)
        assert np.isfinite(cube.curves).all()
    check_values(cube, data)
    return cube


@st.composite
def mutated(draw):
    """A valid file after a few accidents."""
    lines = list(draw(st.sampled_from(VALID)))
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(lines) - 1))
        accident = draw(st.sampled_from(["drop", "double", "swap", "replace", "word", "cut"]))
        if accident == "drop" and len(lines) > 1:
            del lines[at]
        elif accident == "double":
            lines.insert(at, lines[at])
        elif accident == "swap":
            lines[at], lines[-1] = lines[-1], lines[at]
        elif accident == "replace":
            lines[at] = draw(st.sampled_from(WORDS) | st.text(max_size=20))
        elif accident == "word":
            words = lines[at].split(" ")
            words[draw(st.integers(0, len(words) - 1))] = draw(st.sampled_from(WORDS))
            lines[at] = " ".join(words)
        elif accident == "cut":
            lines[at] = lines[at][: draw(st.integers(0, len(lines[at])))]
    ends = draw(st.sampled_from(["\n", "\r\n", "\r", "\n\n"]))
    return ends.join(lines).encode(draw(st.sampled_from(["utf-8", "utf-8-sig"])), "replace")


@pytest.mark.parametrize("lines", VALID)
@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
def test_valid_files_are_read(lines, ends):
    assert read(ends.join(lines).encode()) is not None


@hypothesis.given(mutated())
@hypothesis.settings(max_examples=300, deadline=None)
def test_mutated_files(data):
    read(data)


@hypothesis.given(mutated(), st.data())
@hypothesis.settings(max_examples=150, deadline=None)
def test_garbled_bytes(data, draw):
    garbled = bytearray(data)
    for _ in range(draw.draw(st.integers(1, 4))):
        at = draw.draw(st.integers(0, len(garbled)))
        garbled[at : at + draw.draw(st.integers(0, 3))] = draw.draw(st.binary(max_size=3))
    read(bytes(garbled))


@hypothesis.given(st.binary(max_size=400) | st.text(max_size=200).map(lambda text: text.encode()))
@hypothesis.settings(max_examples=300, deadline=None)
def test_anything(data):
    read(data)
