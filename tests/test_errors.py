import dataclasses
from typing import Literal

import pytest

from dehaze_jax.errors import InputError, check_fields


@dataclasses.dataclass(frozen=True)
class Config:
    mode: Literal["slow", "quick"] = "slow"
    width: int = 3

    def __post_init__(self):
        check_fields(self, {"width": (self.width > 0, "must be positive")})


def test_right_values_are_taken():
    assert Config(mode="quick", width=1) == Config("quick", 1)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"mode": "quik"}, "Config.mode: 'quik' is none of slow, quick"),
        ({"mode": None}, "Config.mode: None is none of slow, quick"),
        ({"width": 0}, "Config.width: 0 must be positive"),
    ],
)
def test_wrong_values_are_named(values, reason):
    with pytest.raises(InputError) as caught:
        Config(**values)
    assert str(caught.value) == reason
