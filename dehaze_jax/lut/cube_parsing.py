"""The text of a `.cube` file: keywords, comments and rows of three numbers.

Adobe's (Iridas's) and Resolve's dialects are read as one. Keywords are not case-sensitive. Comments
and keywords may stand anywhere, but sizes before the first row. The rows of a 1D table come before
those of a 3D table; `DOMAIN_MIN` and `DOMAIN_MAX` are for files of one table. Keywords that are
unknown or given twice are refused, as Adobe's specification and OpenColorIO refuse unknown ones:
they may change what the numbers mean. A `LUT_1D_INPUT_RANGE` without a 1D table, or a
`LUT_3D_INPUT_RANGE` without a 3D table, has no effect, as in OpenColorIO.
"""

import re
from typing import NamedTuple

import numpy as np

from dehaze_jax.lut.checks import UNIT, Domain, triple

LARGEST_VALUE = float(np.finfo(np.float32).max)
LARGEST_SIZE = {"LUT_1D_SIZE": 65536, "LUT_3D_SIZE": 256}
_LENGTHS = {"DOMAIN_MIN": 3, "DOMAIN_MAX": 3, "LUT_1D_INPUT_RANGE": 2, "LUT_3D_INPUT_RANGE": 2}
_TITLES = ("TITLE", "BMD_TITLE")
_VIDEO_RANGE = ("LUT_IN_VIDEO_RANGE", "LUT_OUT_VIDEO_RANGE")
_NOT_FINITE = ("NAN", "INF", "INFINITY")

_KEYWORD = re.compile(r"([A-Za-z]\w*)(.*)", re.ASCII)
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_ROWS_AT_ONCE = 4096


class CubeFault(Exception):
    """What is wrong with a text, with the number of the line."""

    def __init__(self, line: int, reason: str):
        super().__init__(f"line {line}: {reason}")


class Section(NamedTuple):
    """The rows of one table, float32 `[rows, 3]`, and its domain."""

    rows: np.ndarray
    domain: Domain


class Contents(NamedTuple):
    """What a file says; the curves come before the table."""

    title: str
    curves: Section | None
    table: Section | None


class _Entry(NamedTuple):
    line: int
    values: tuple[float, ...]


class _Sorted:
    """The lines of a text by kind."""

    def __init__(self, lines: list[str]):
        self.title = ""
        self.sizes: dict[str, int] = {}
        self.entries: dict[str, _Entry] = {}
        self.rows: list[str] = []
        self.row_lines: list[int] = []
        self._seen: dict[str, int] = {}
        for number, line in enumerate(lines, 1):
            line = line.strip()
            if not line or line[0] == "#":
                continue
            if line[0].isalpha() and (match := _KEYWORD.fullmatch(line)):
                keyword = match[1].upper()
                if keyword not in _NOT_FINITE:  # those are numbers of a row, refused there
                    self._take(number, keyword, match[2])
                    continue
            self.rows.append(line)
            self.row_lines.append(number)

    def _take(self, line: int, keyword: str, rest: str):
        name = "TITLE" if keyword in _TITLES else keyword
        if name in self._seen:
            raise CubeFault(line, f"{keyword} for the second time, after line {self._seen[name]}")
        self._seen[name] = line
        if name == "TITLE":
            self.title = _unquoted(rest)
        elif name in LARGEST_SIZE:
            if self.rows:
                raise CubeFault(line, f"{keyword} after the first row of numbers")
            self.sizes[name] = _size(line, keyword, rest)
        elif name in _LENGTHS:
            self.entries[name] = _Entry(line, _numbers(line, rest, _LENGTHS[name], keyword))
        elif name in _VIDEO_RANGE:
            raise CubeFault(line, f"{keyword}: tables for video-range values are not supported")
        else:
            raise CubeFault(line, f"unknown keyword {_shown(keyword)}")


def parse(text: str) -> Contents:
    """Takes a text apart.

    Args:
        text: lines end in LF, CR LF or CR.

    Returns:
        The title and one or two tables; all numbers are finite in float32.

    Raises:
        CubeFault: the text is not that of a `.cube` file.
    """
    lines = text.replace("\r\n", "\n").replace("\r", "\n").rstrip().split("\n")
    found = _Sorted(lines)
    if not found.sizes:
        raise CubeFault(len(lines), "no LUT_1D_SIZE or LUT_3D_SIZE up to here")
    domains = _domains(found)
    in_curves = found.sizes.get("LUT_1D_SIZE", 0)
    expected = in_curves + found.sizes.get("LUT_3D_SIZE", 0) ** 3
    values = _values(found.rows[:expected], found.row_lines[:expected])
    if len(found.rows) > expected:
        raise CubeFault(found.row_lines[expected], f"a row more than the {expected} announced")
    if len(found.rows) < expected:
        raise CubeFault(len(lines), f"the end after {len(found.rows)} rows of {expected}")
    curves, table = domains.get("LUT_1D_SIZE"), domains.get("LUT_3D_SIZE")
    return Contents(
        found.title,
        curves and Section(values[:in_curves], curves),
        table and Section(values[in_curves:], table),
    )


def _domains(found: _Sorted) -> dict[str, Domain]:
    """The domain of each table: its own range, or that of the file."""
    shared, line = _shared_domain(found.entries)
    if len(found.sizes) == 2 and shared != UNIT:
        raise CubeFault(line, "DOMAIN_MIN and DOMAIN_MAX say nothing of which table they are for")
    domains = dict.fromkeys(found.sizes, shared)
    for size in found.sizes:
        keyword = size.replace("SIZE", "INPUT_RANGE")
        if own := found.entries.get(keyword):
            low, high = own.values
            domains[size] = Domain((low, low, low), (high, high, high))
            _check_domain(own.line, domains[size])
            if line and len(found.sizes) == 1 and domains[size] != shared:
                raise CubeFault(max(line, own.line), f"DOMAIN_MIN, DOMAIN_MAX and {keyword} differ")
    return domains


def _shared_domain(entries: dict[str, _Entry]) -> tuple[Domain, int]:
    """Domain of the file and the line that completes it; line 0 where the file has none."""
    low = entries.get("DOMAIN_MIN", _Entry(0, UNIT.low))
    high = entries.get("DOMAIN_MAX", _Entry(0, UNIT.high))
    line = max(low.line, high.line)
    domain = Domain(triple(low.values), triple(high.values))
    _check_domain(line, domain)
    return domain, line


def _check_domain(line: int, domain: Domain):
    if domain.is_empty():
        low, high = map(list, domain)
        raise CubeFault(line, f"the domain from {low} to {high} is empty or not finite")


def _values(rows: list[str], lines: list[int]) -> np.ndarray:
    blocks = [np.empty((0, 3), np.float32)]
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        part = slice(start, start + _ROWS_AT_ONCE)
        blocks.append(_block(rows[part], lines[part]))
    return np.concatenate(blocks)


def _block(rows: list[str], lines: list[int]) -> np.ndarray:
    """float32 `[rows, 3]`, read in one go if all is well, row by row if not."""
    try:
        values = np.loadtxt(rows, np.float32, comments="#", ndmin=2)
    except ValueError:
        values = None
    if values is None or values.shape != (len(rows), 3) or not np.isfinite(values).all():
        one_by_one = [_numbers(line, row, 3) for line, row in zip(lines, rows, strict=True)]
        values = np.array(one_by_one, np.float32)
    return values


def _numbers(line: int, text: str, count: int, keyword: str = "a row") -> tuple[float, ...]:
    words = text.partition("#")[0].split()
    for word in words:
        if word.lstrip("+-").upper() in _NOT_FINITE:
            raise CubeFault(line, f"{_shown(word)} is not finite")
        if not _NUMBER.fullmatch(word):
            raise CubeFault(line, f"{_shown(word)} is not a number")
        if abs(float(word)) > LARGEST_VALUE:
            raise CubeFault(line, f"{_shown(word)} is too large for float32")
    if len(words) != count:
        raise CubeFault(line, f"{keyword} has {count} numbers, not {len(words)}")
    return tuple(map(float, words))


def _size(line: int, keyword: str, text: str) -> int:
    word = text.partition("#")[0].strip()
    # The length is looked at first: int() refuses thousands of digits.
    if not (word.isascii() and word.isdigit() and len(word) < 10):
        raise CubeFault(line, f"{keyword} is one whole number, not {_shown(word)}")
    size, largest = int(word), LARGEST_SIZE[keyword]
    if not 2 <= size <= largest:
        raise CubeFault(line, f"{keyword} {size} is not in 2 to {largest}")
    return size


def _unquoted(text: str) -> str:
    text = text.strip()
    if not text.startswith('"'):
        return text
    end = text.rfind('"')
    return text[1:end] if end else text[1:]


def _shown(word: str) -> str:
    return repr(word if len(word) <= 40 else f"{word[:40]}...")
