import ast
import dataclasses
import inspect
import json
import math
import subprocess
import sys

import pytest

from dehaze_jax import InputError, haze
from dehaze_jax.haze import config as module
from dehaze_jax.haze.config import (
    FalloffConfig,
    GammaConfig,
    GradientConfig,
    HazeConfig,
    JpegConfig,
    NightConfig,
    NoiseConfig,
    PatchConfig,
)
from dehaze_jax.storage import config_from_dict, config_to_dict

PARTS = (
    PatchConfig,
    FalloffConfig,
    GradientConfig,
    NightConfig,
    GammaConfig,
    NoiseConfig,
    JpegConfig,
)
WRONG = [
    *((part, "probability", value) for part in PARTS for value in (-0.1, 1.1, math.nan)),
    (PatchConfig, "strength", (0.5, 0.2)),
    (PatchConfig, "strength", (-0.1, 0.2)),
    (PatchConfig, "strength", (0.0, 6.0)),
    (FalloffConfig, "height", (0.0, 1.0)),
    (GradientConfig, "strength", (0.0, 1.1)),
    (NightConfig, "exposure", (0.1, 1.1)),
    (NightConfig, "lamps", 0),
    (NightConfig, "lamps", 65),
    (NightConfig, "brightness", (-1.0, 1.0)),
    (NightConfig, "width", (0.0, 0.1)),
    (NightConfig, "shape", (0.0, 1.0)),
    (GammaConfig, "exponent", (0.0, 1.0)),
    (NoiseConfig, "shot", (0.0, 0.1)),
    (NoiseConfig, "shot", (0.1, math.nan)),
    (JpegConfig, "quality", (0, 50)),
    (JpegConfig, "quality", (50, 101)),
    (JpegConfig, "quality", (60, 50)),
    (HazeConfig, "share", 0.0),
    (HazeConfig, "share", 1.5),
    (HazeConfig, "beta", ()),
    (HazeConfig, "beta", (1.0,)),
    (HazeConfig, "beta", (2.0, 1.0)),
    (HazeConfig, "beta", (-1.0, 1.0)),
    (HazeConfig, "beta", (0.5, math.inf)),
    (HazeConfig, "airlight", (0.5, 1.1)),
    (HazeConfig, "airlight", (0.5, math.nan)),
    (HazeConfig, "tint", -0.1),
    (HazeConfig, "tint", 1.1),
    (HazeConfig, "farthest", 0.0),
    (HazeConfig, "farthest", math.inf),
]


@pytest.mark.parametrize(("kind", "field", "value"), WRONG)
def test_values_out_of_range_are_refused_by_name(kind, field, value):
    with pytest.raises(InputError, match=rf"^{kind.__name__}\.{field}: "):
        kind(**{field: value})


@pytest.mark.parametrize("values", [(), (0.5, -1.0)])
@pytest.mark.parametrize("field", ["beta", "airlight"])
def test_values_of_a_grid_are_checked_too(field, values):
    with pytest.raises(InputError, match=rf"HazeConfig\.{field}: .* must be numbers"):
        HazeConfig(draw="grid", **{field: values})
    assert HazeConfig(draw="grid", **{field: (0.5,)})


@pytest.mark.parametrize(
    ("field", "value"), [("draw", "normal"), ("depth_unit", "metres"), ("share", "half")]
)
def test_what_a_file_may_not_say_is_refused(field, value):
    with pytest.raises(InputError, match=f"config.json: .*{value}"):
        config_from_dict(HazeConfig, {field: value}, source="config.json")


def test_a_config_survives_json():
    config = dataclasses.replace(haze.PRESETS["reside_ots"], night=NightConfig(lamps=3))
    text = json.dumps(config_to_dict(config))
    assert config_from_dict(HazeConfig, json.loads(text), source="config.json") == config


def test_every_field_is_commented():
    for node in ast.parse(inspect.getsource(module)).body:
        if isinstance(node, ast.ClassDef):
            for field, comment in zip(node.body, node.body[1:], strict=False):
                if isinstance(field, ast.AnnAssign):
                    assert isinstance(comment, ast.Expr), ast.unparse(field)


def test_configs_are_read_without_jax():
    code = "import sys; from dehaze_jax.haze import PRESETS; sys.exit('jax' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_config_is_hashable():
    assert len({HazeConfig(), HazeConfig(), *haze.PRESETS.values()}) == 1 + len(haze.PRESETS)


def on(config):
    """Names of the parts that have a chance."""
    return {
        field.name
        for field in dataclasses.fields(config)
        if getattr(getattr(config, field.name), "probability", 0)
    }


def test_presets_are_what_was_published():
    """RESIDE (TIP 2019), DMT-Net's generator of Haze4K, RIDCP's options."""
    its, ots, haze4k, ridcp = (
        haze.PRESETS[name] for name in ("reside_its", "reside_ots", "haze4k", "ridcp")
    )
    assert (its.draw, its.beta, its.airlight) == ("uniform", (0.6, 1.8), (0.7, 1.0))
    assert ots.draw == "grid"
    assert ots.beta == (0.04, 0.06, 0.08, 0.1, 0.12, 0.16, 0.2)
    assert ots.airlight == (0.8, 0.85, 0.9, 0.95, 1.0)
    assert (haze4k.draw, haze4k.beta, haze4k.airlight) == ("uniform", (0.5, 2.0), (0.5, 1.0))
    assert (ridcp.beta, ridcp.airlight, ridcp.tint) == ((0.3, 1.5), (0.25, 1.0), 0.025)
    assert ridcp.gamma == GammaConfig(probability=0.5, exponent=(1.5, 3.0))
    assert ridcp.jpeg == JpegConfig(probability=0.5, quality=(30, 95))
    assert on(ridcp) == {"gamma", "noise", "jpeg"}
    assert [preset.farthest for preset in (its, ots, haze4k, ridcp)] == [1, 5, 1, 2]
    for plain in (its, ots, haze4k):
        assert not on(plain)
        assert plain.tint == 0
        assert plain.share == 1
