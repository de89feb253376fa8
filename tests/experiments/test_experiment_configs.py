"""Every variant of every configuration file can be read, and its method built."""

import pathlib

import pytest

from dehaze_jax import methods
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


@pytest.mark.parametrize("variant", ["fine_tune", "clear"])
def test_fine_tuning_has_the_model_of_the_weights(variant):
    ours = read_config(f"{FOLDER / 'your_pairs'}.py:{variant}")
    shipped = read_config(f"{FOLDER / 'dehazeflow'}.py:cuts")
    assert ours.method == shipped.method
