import numpy as np
import pytest

from dehaze_jax.errors import InputError
from dehaze_jax.restoring import side_by_side
from dehaze_jax.restoring.comparing import thumbnail, to_bytes


@pytest.mark.parametrize(
    "image",
    [
        np.full((2, 3, 3), 51, np.uint8),
        np.full((2, 3, 3), 51 * 257, np.uint16),
        np.full((2, 3, 3), 0.2, np.float32),
        np.full((2, 3), 51, np.uint8),
    ],
)
def test_bytes_of_every_type(image):
    np.testing.assert_array_equal(to_bytes(image), np.full((2, 3, 3), 51, np.uint8))


def test_pictures_stand_in_order_with_a_white_line_between():
    pictures = {"hazy": np.full((4, 5, 3), 10, np.uint8), "clear": np.full((4, 5), 0.5, np.float32)}
    row = side_by_side(pictures)
    assert row.shape == (4, 14, 3)
    # Too small for a label: the pixels are left alone.
    np.testing.assert_array_equal(row[:, :5], 10)
    np.testing.assert_array_equal(row[:, 5:9], 255)
    np.testing.assert_array_equal(row[:, 9:], 128)


def test_labels_touch_the_corner_only():
    row = side_by_side({"restored": np.full((200, 300, 3), 100, np.uint8)})
    corner = row[:40, :120]
    assert corner.max() == 255
    assert corner.min() < 100
    np.testing.assert_array_equal(row[60:], 100)


def test_patches_of_all_labels_are_of_one_height():
    picture = np.full((200, 300, 3), 100, np.uint8)
    row = side_by_side({"hazy": picture, "restored": picture, "clear": picture})
    heights = [np.count_nonzero(row[:, start, 0] < 100) for start in (0, 304, 608)]
    assert heights[0] > 12
    assert len(set(heights)) == 1


def test_width_is_a_limit():
    picture = np.full((100, 200, 3), 77, np.uint8)
    assert side_by_side({"a": picture, "b": picture}, width=50).shape == (25, 104, 3)
    assert side_by_side({"a": picture}, width=500).shape == (100, 200, 3)


def test_a_thumbnail_is_a_mean():
    checks = np.indices((64, 64)).sum(axis=0) % 2 * np.float32(1)
    np.testing.assert_allclose(thumbnail(checks, 8).astype(int), 128, atol=2)
    assert thumbnail(np.zeros((1, 2000, 3), np.uint8), 640).shape == (1, 640, 3)


@pytest.mark.parametrize("sizes", [[], [(2, 2), (2, 3)]])
def test_sizes_must_agree(sizes):
    pictures = {str(size): np.zeros((*size, 3), np.uint8) for size in sizes}
    with pytest.raises(InputError, match="one size"):
        side_by_side(pictures)
