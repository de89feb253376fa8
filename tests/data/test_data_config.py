import pytest

from dehaze_jax.data import DataConfig
from dehaze_jax.errors import InputError


@pytest.mark.parametrize(
    "wrong",
    [
        {"batch_size": 0},
        {"crop_size": 0},
        {"crop_size": 2**14 + 1},
        {"crop_scale": (0.0, 1.0)},
        {"crop_scale": (0.9, 0.5)},
        {"crop_scale": (0.5, 1.5)},
        {"workers": -1},
        {"haze_scale": (0.9, 0.8)},
        {"haze_scale": (-0.1, 0.8)},
        {"haze_scale": (0.5, float("inf"))},
        {"haze_scale": (0.0, 0.0)},
        {"haze_scale": (0.5, 1.0), "train": ("a",), "clear": ("b",)},
        {"max_bad_share": -0.1},
        {"max_bad_share": 1.0},
        {"weights": (1.0,), "train": ("a", "b")},
        {"weights": (0.0,), "train": ("a",)},
        {"clear_weights": (1.0,), "train": ("a",)},
        {"clear_weights": (1.0,), "train": ("a",), "clear": ("b", "c")},
        {"clear_weights": (1.0, -1.0), "train": ("a",), "clear": ("b", "c")},
        {"weights": (1.0, 1.0), "train": ("a",), "clear": ("b", "c")},
    ],
)
def test_values_out_of_range_are_refused_by_name(wrong):
    field = next(iter(wrong))
    with pytest.raises(InputError, match=rf"DataConfig\.{field}"):
        DataConfig(**wrong)


def test_the_shares_of_the_two_sides_are_told_apart():
    with pytest.raises(InputError, match="one positive number for each folder of clear"):
        DataConfig(train=("a",), weights=(1.0,), clear=("b", "c"), clear_weights=(1.0,))
    config = DataConfig(train=("a",), weights=(1.0,), clear=("b", "c"), clear_weights=(1.0, 2.0))
    assert config.clear_weights == (1.0, 2.0)
