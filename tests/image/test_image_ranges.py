import numpy as np
import pytest

from dehaze_jax.image import from_float, to_float


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_every_integer_comes_back(dtype):
    values = np.arange(np.iinfo(dtype).max + 1, dtype=dtype)
    floats = to_float(values)
    assert floats.dtype == np.float32
    assert floats[0] == 0
    assert floats[-1] == 1
    np.testing.assert_array_equal(from_float(floats, dtype), values)


def test_rounds_to_nearest_and_clips():
    values = np.array([-0.2, 0.499 / 255, 0.501 / 255, 1.7], np.float32)
    np.testing.assert_array_equal(from_float(values, np.uint8), np.array([0, 0, 1, 255], np.uint8))
    np.testing.assert_array_equal(
        from_float(values[[0, 3]], np.float32), np.array([0, 1], np.float32)
    )


def test_floats_are_only_cast():
    values = np.array([-1.5, 0.25, 3.0])
    assert to_float(values).dtype == np.float32
    np.testing.assert_array_equal(to_float(values), values.astype(np.float32))


def test_refuses_other_types_and_nan():
    with pytest.raises(TypeError, match="int32"):
        to_float(np.zeros(2, np.int32))
    with pytest.raises(TypeError, match="bool"):
        from_float(np.zeros(2, np.float32), np.bool_)
    with pytest.raises(ValueError, match="NaN"):
        from_float(np.array([np.nan], np.float32), np.uint8)
