"""What is refused, the published values, and configs that were stored."""

import dataclasses
import json

import pytest

from dehaze_jax.errors import InputError
from dehaze_jax.methods import (
    RELEASED,
    BilateralConfig,
    BilateralObjectiveConfig,
    DehazeFlowConfig,
    MethodConfig,
)
from dehaze_jax.storage import config_from_dict, config_to_dict

SPATIAL = {"size": "released", "grid_layout": "spatial"}
SCRAMBLED = {"size": "released", "grid_layout": "released", "proxy_size": 256}


@pytest.mark.parametrize(
    ("values", "field", "reason"),
    [
        ({"proxy_size": 0}, "proxy_size", "0 must be at least 1"),
        ({"feature_size": 0}, "feature_size", "0 must be at least 1"),
        ({"grid_size": -1}, "grid_size", "-1 must be at least 1"),
        ({"grid_depth": 0}, "grid_depth", "0 must be at least 1"),
        ({"width": 0}, "width", "0 must be at least 1"),
        ({"proxy_size": 66}, "grid_size", "16 does not divide a quarter of proxy_size 66"),
        ({"proxy_size": 72}, "grid_size", "16 does not divide a quarter of proxy_size 72"),
        ({"grid_size": 3}, "grid_size", "3 does not divide a quarter of proxy_size 128"),
        ({"grid_size": 64}, "grid_size", "64 does not divide a quarter of proxy_size 128"),
        ({"grid_layout": "released"}, "grid_layout", "'released' is of size 'released' only"),
        ({**SPATIAL, "grid_size": 12}, "grid_size", "12 does not divide proxy_size 128"),
        ({**SPATIAL, "proxy_size": 15}, "proxy_size", "15 must be at least 16"),
        ({**SPATIAL, "feature_size": 15}, "feature_size", "15 must be at least 16"),
        ({**SCRAMBLED, "grid_size": 32}, "grid_size", "32 squared does not divide proxy_size 256"),
        ({**SCRAMBLED, "grid_depth": 12}, "grid_depth", "12 times 4 does not divide proxy_size"),
    ],
    ids=str,
)
def test_refusals_name_the_field(values, field, reason):
    with pytest.raises(InputError) as caught:
        BilateralConfig(**values)
    assert caught.value.subject == f"BilateralConfig.{field}"
    assert str(caught.value).startswith(f"BilateralConfig.{field}: {reason}")


@pytest.mark.parametrize(
    "values",
    [
        {"feature_size": 1},
        {"proxy_size": 4, "grid_size": 1},
        {**SPATIAL, "proxy_size": 36, "grid_size": 12, "feature_size": 16},
        {**SCRAMBLED, "grid_depth": 64},
        {**SCRAMBLED, "proxy_size": 36, "grid_size": 6, "grid_depth": 9},
    ],
    ids=str,
)
def test_values_at_the_border_are_taken(values):
    assert dataclasses.asdict(BilateralConfig(**values)).items() >= values.items()


def test_a_negative_weight():
    with pytest.raises(
        InputError, match=r"ObjectiveConfig\.ssim_weight: -0\.1 must not be negative"
    ):
        BilateralObjectiveConfig(ssim_weight=-0.1)


def test_the_published_network():
    """Sizes of the authors' code: copies, grid, levels of the guide, channels; plain L1 loss."""
    assert dataclasses.asdict(RELEASED) == {
        "name": "bilateral",
        "size": "released",
        "grid_layout": "released",
        "coefficients": "positive",
        "guides": "convolutions",
        "proxy_size": 256,
        "feature_size": 320,
        "grid_size": 16,
        "grid_depth": 16,
        "width": 64,
        "objective": {"ssim_weight": 0.0},
        "backbone": BilateralConfig().backbone,  # of no effect
    }


@pytest.mark.parametrize(
    "config",
    [
        BilateralConfig(),
        RELEASED,
        BilateralConfig(objective=BilateralObjectiveConfig(ssim_weight=0.5), backbone="mine:Net"),
        "other",
    ],
    ids=["defaults", "released", "changed", "other"],
)
def test_a_stored_config_comes_back_as_the_method_it_was(config):
    config = DehazeFlowConfig(width=8) if config == "other" else config
    values = json.loads(json.dumps(config_to_dict(config)))
    found = config_from_dict(MethodConfig, values, source="config.json")
    assert found == config
    assert type(found) is type(config)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"name": "bilaterla"}, "name 'bilaterla' is none of bilateral, dehazeflow"),
        ({"size": "large"}, "'large' is none of 'slim', 'released'"),
        ({"grid_layout": "flat"}, "'flat' is none of 'spatial', 'released'"),
        ({"coefficients": "any"}, "'any' is none of 'signed', 'positive'"),
        ({"guides": "none"}, "'none' is none of 'curves', 'convolutions'"),
        ({"lut_size": 9}, "unknown field lut_size"),
        ({"width": 0}, "BilateralConfig.width: 0 must be at least 1"),
    ],
    ids=str,
)
def test_a_stored_config_that_does_not_fit(change, reason):
    values = {**config_to_dict(BilateralConfig()), **change}
    with pytest.raises(InputError) as caught:
        config_from_dict(MethodConfig, values, source="config.json")
    assert caught.value.subject == "config.json"
    assert reason in str(caught.value)
