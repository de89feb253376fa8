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
        {"train": ("a", "b"), "weights": (1.0,)},
        {"train": ("a",), "weights": (0.0,)},
    ],
)
def test_values_out_of_range_are_refused_by_name(wrong):
    field = "weights" if "weights" in wrong else next(iter(wrong))
    with pytest.raises(InputError, match=rf"DataConfig\.{field}"):
        DataConfig(**wrong)
