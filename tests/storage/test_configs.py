import dataclasses
import json
import pathlib
from typing import Literal

import pytest

from dehaze_jax.errors import InputError
from dehaze_jax.storage import config_from_dict, config_to_dict


@dataclasses.dataclass(frozen=True, kw_only=True)
class Left:
    name: Literal["left"] = "left"
    width: int = 3


@dataclasses.dataclass(frozen=True, kw_only=True)
class Right:
    name: Literal["right"] = "right"
    rate: float = 0.5


@dataclasses.dataclass(frozen=True, kw_only=True)
class Whole:
    side: Left | Right = Left()
    only: Left = Left()
    maybe: Left | Right | None = None
    folder: pathlib.Path = pathlib.Path("a/b")
    names: tuple[str, ...] = ()
    span: tuple[float, float] = (0.5, 1.0)
    limit: int | None = None
    flag: bool = True
    mode: Literal["x", "y"] = "x"

    def __post_init__(self):
        if self.limit is not None and self.limit < 0:
            raise ValueError("limit must not be negative")


@pytest.mark.parametrize(
    "config",
    [
        Whole(),
        Whole(side=Right(rate=1e-7), maybe=Right(), limit=3, names=("p", "q"), mode="y"),
    ],
)
def test_a_config_survives_json(config):
    text = json.dumps(config_to_dict(config))
    assert json.loads(text) == config_to_dict(config)
    assert config_from_dict(Whole, json.loads(text), source="c.json") == config


def test_an_integer_is_a_float_where_a_float_is_wanted():
    config = config_from_dict(Whole, {"span": [0, 1]}, source="c.json")
    assert config.span == (0.0, 1.0)
    assert all(isinstance(value, float) for value in config.span)


@pytest.mark.parametrize(
    ("values", "field", "reason"),
    [
        ({"colour": 1}, "config", "unknown field colour"),
        ({"only": {"widht": 2}}, "config.only", "unknown field widht"),
        ({"only": {"width": "2"}}, "config.only.width", "'2' is not int"),
        ({"only": {"width": True}}, "config.only.width", "True is not int"),
        ({"only": {"width": 2.0}}, "config.only.width", "2.0 is not int"),
        ({"flag": 1}, "config.flag", "1 is not bool"),
        ({"names": [1]}, "config.names", "1 is not str"),
        ({"span": [1.0]}, "config.span", "expected 2"),
        ({"names": "abc"}, "config.names", "'abc' is not a list"),
        ({"mode": "z"}, "config.mode", "'z' is none of 'x', 'y'"),
        ({"side": {"name": "up"}}, "config.side", "left, right"),
        ({"side": {"name": "right", "width": 1}}, "config.side", "unknown field width"),
        ({"limit": -1}, "config", "limit must not be negative"),
    ],
)
def test_what_does_not_fit_is_refused_by_file_and_field(values, field, reason):
    with pytest.raises(InputError) as caught:
        config_from_dict(Whole, values, source="some/c.json")
    message = str(caught.value)
    assert message.startswith("some/c.json: ")
    assert field in message
    assert reason in message
    assert "\n" not in message
