"""The rules for tables and domains, at their borders."""

import numpy as np
import pytest

from dehaze_jax.lut.checks import UNIT, Domain, check_domain, check_table

TINY = float(np.finfo(np.float32).tiny)
WIDEST = float(np.finfo(np.float32).max)


@pytest.mark.parametrize(
    ("domain", "expected"),
    [
        ((0, 1), UNIT),
        ([np.float32(0), np.ones(3)], UNIT),
        ((0.0, [1.0, 2.0, 4.0]), Domain((0, 0, 0), (1, 2, 4))),
        ((0.0, TINY), Domain((0, 0, 0), (TINY,) * 3)),
        ((0.0, WIDEST), Domain((0, 0, 0), (WIDEST,) * 3)),
    ],
)
def test_domains(domain, expected):
    assert check_domain(domain) == expected
    hash(check_domain(domain))  # a static argument of programs


@pytest.mark.parametrize(
    "domain", [1.0, None, "ab", (), (0.0,), (0, 1, 2), ((0, 0), 1), (0, [[1], [1]]), ([], 1)]
)
def test_what_is_no_domain(domain):
    with pytest.raises(ValueError, match=r"^a domain is two bounds of one number or three"):
        check_domain(domain)


@pytest.mark.parametrize(
    "domain",
    [
        (1, 1),
        (1, 0),
        (0, TINY / 2),
        (1, 1 + 1e-9),
        (0, 1e39),
        (-WIDEST, WIDEST),
        (0, np.nan),
        (-np.inf, 0),
        (0, (1, 1, 0)),
    ],
)
def test_widths_are_those_of_float32(domain):
    with pytest.raises(ValueError, match=r"^the domain from \[.*\] is empty or not finite$"):
        check_domain(domain)


@pytest.mark.parametrize(
    ("in_front", "batch_axes", "allowed"),
    [(0, 0, True), (1, 0, False), (1, 1, True), (2, 1, False), (3, None, True)],
)
def test_axes_in_front_of_a_table(in_front, batch_axes, allowed):
    table = np.zeros((1,) * in_front + (2, 2, 2, 3))
    if allowed:
        check_table(table, batch_axes=batch_axes)
    else:
        with pytest.raises(ValueError, match="has the shape"):
            check_table(table, batch_axes=batch_axes)
