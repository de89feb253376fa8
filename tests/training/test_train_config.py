import ast
import dataclasses
import inspect
import json
import re
import subprocess
import sys

import pytest

from dehaze_jax.data import DataConfig
from dehaze_jax.errors import InputError
from dehaze_jax.haze import PRESETS
from dehaze_jax.storage import config_from_dict, config_to_dict
from dehaze_jax.training import MeshConfig, TrainConfig
from dehaze_jax.training import config as config_module


@pytest.mark.parametrize("haze", [None, PRESETS["reside_ots"]])
def test_a_config_survives_json(haze):
    config = TrainConfig(
        data=DataConfig(train=("a", "b"), weights=(1.0, 2.0)),
        haze=haze,
        mesh=MeshConfig(space=2),
        seed=3,
    )
    text = json.dumps(config_to_dict(config))
    assert config_from_dict(TrainConfig, json.loads(text), source="config.json") == config


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("steps", 0),
        ("log_every", 0),
        ("save_every", -1),
        ("evaluate_every", 0),
        ("keep_checkpoints", 0),
        ("seed", -1),
        ("validation_pictures", -1),
        ("stop_after", 0),
        ("profile_steps", (3, 2)),
        ("profile_steps", (0, 2)),
    ],
)
def test_values_out_of_range_are_refused_by_name(field, value):
    with pytest.raises(InputError, match=re.escape(f"TrainConfig.{field}: {value} must")):
        TrainConfig(**{field: value})


def test_an_unknown_way_with_what_is_not_finite_is_refused():
    with pytest.raises(InputError, match=r"run\.json: .*ignore"):
        config_from_dict(TrainConfig, {"not_finite": "ignore"}, source="run.json")


def test_haze_that_is_rendered_anew_is_not_scaled():
    data = DataConfig(train=("a",), haze_scale=(0.5, 1.0))
    haze = PRESETS["reside_ots"]
    with pytest.raises(InputError, match=r"TrainConfig\.haze: .* leave out data\.haze_scale"):
        TrainConfig(data=data, haze=dataclasses.replace(haze, share=1.0))
    assert TrainConfig(data=data, haze=dataclasses.replace(haze, share=0.5)).haze.share == 0.5


@pytest.mark.parametrize("changes", [{"data": 0}, {"data": -2}, {"space": 0}, {"fsdp": -1}])
def test_mesh_values_out_of_range_are_refused(changes):
    with pytest.raises(InputError, match=rf"MeshConfig\.{next(iter(changes))}: "):
        MeshConfig(**changes)


def test_configs_are_read_without_jax():
    code = "import sys, dehaze_jax.training.config; sys.exit('jax' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_every_field_is_commented():
    for node in ast.parse(inspect.getsource(config_module)).body:
        if isinstance(node, ast.ClassDef):
            for field, comment in zip(node.body, node.body[1:], strict=False):
                if isinstance(field, ast.AnnAssign):
                    assert isinstance(comment, ast.Expr), ast.unparse(field)


def test_fields_that_may_change_exist():
    names = {field.name for field in dataclasses.fields(TrainConfig)}
    assert {name.partition(".")[0] for name in config_module.MAY_CHANGE} <= names
