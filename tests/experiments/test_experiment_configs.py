"""Every variant of every configuration file can be read, and its method built."""

import dataclasses
import json
import pathlib

import pytest

from dehaze_jax import methods, storage
from dehaze_jax.cli.train import read_config
from dehaze_jax.errors import InputError

FOLDER = pathlib.Path(__file__).parents[2] / "experiments" / "configs"
VARIANTS = {
    "bilateral": ("base", "scaled", "released", "published", "smoke"),
    "bilateral_4k": ("base", "rendered", "short"),
    "dehazeflow": (
        *("base", "whole", "cuts", "tiny_base", "tiny_whole", "tiny_cuts", "matching", "smoke"),
    ),
    "dehazeflow_4k": ("base", "rendered", "short"),
    "nedr": ("base", "plain", "published", "released", "smoke"),
    "your_pairs": ("base", "fine_tune", "clear", "bilateral", "unpaired", "smoke"),
}


def test_none_is_left_out():
    assert {path.stem for path in FOLDER.glob("*.py")} == set(VARIANTS)


@pytest.mark.parametrize(
    ("name", "variant"), [(name, variant) for name, all_ in VARIANTS.items() for variant in all_]
)
def test_variants(name, variant):
    config = read_config(f"{FOLDER / name}.py:{variant}")
    method = methods.build(config.method, config.optimiser, total_steps=config.steps)
    assert method.unpaired == bool(config.data.train and config.data.clear)
    assert config.data.train or (config.data.clear and config.haze)
    with pytest.raises(InputError, match="no such variant"):
        read_config(f"{FOLDER / name}.py:nonsense")


def test_short_4k_runs_differ_in_size_alone():
    for name in ("dehazeflow_4k", "bilateral_4k"):
        rendered, short = (read_config(f"{FOLDER / name}.py:{v}") for v in ("rendered", "short"))
        assert short.method == rendered.method
        assert short.data.crop == "native"
        assert short.data.crop_size == rendered.data.crop_size == 512
        assert short.steps < rendered.steps


@pytest.mark.parametrize("variant", ["fine_tune", "clear", "bilateral", "unpaired"])
def test_fine_tuning_has_the_model_of_the_weights(variant):
    ours = read_config(f"{FOLDER / 'your_pairs'}.py:{variant}")
    assert ours.init_from is not None
    shipped = storage.find_weights(ours.init_from).config
    assert storage.config_to_dict(ours.method) | {"objective": shipped["objective"]} == shipped


@pytest.mark.parametrize(("name", "prefix"), [("dehazeflow", ""), ("dehazeflow-tiny", "tiny_")])
def test_the_cards_of_the_flows_have_these_recipes(name, prefix):
    def recipe(stage):
        variant = f"{prefix}{stage}"
        config = read_config(f"{FOLDER / 'dehazeflow'}.py:{variant}")
        fields = storage.config_to_dict(dataclasses.replace(config, workdir=f"runs/{variant}"))
        return json.loads(json.dumps(fields))

    base = recipe("base")
    stages = {stage: recipe(stage) for stage in ("whole", "cuts")}
    assert all(stage["init_from"] == base["workdir"] for stage in stages.values())
    expected = {stage["workdir"]: {**stage, "began from": base} for stage in stages.values()}
    assert storage.find_weights(name).card["recipe"] == {"mean of": expected}
