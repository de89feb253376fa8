import cv2
import numpy as np
import pytest

from dehaze_jax.data import Look, draw_contact_sheet
from dehaze_jax.errors import InputError


def _look(number, colours, *, psnr=None, known=None, shape=(60, 90), size=(600, 900)):
    pictures = {
        key: np.full((*shape, 3), colour, np.uint8)
        for key, colour in zip(("hazy", "clear", "transmission"), colours, strict=False)
    }
    return Look("train", f"id{number}", size, psnr, known or {}, pictures)


def _share(path, colour):
    pixels = cv2.imread(str(path))[..., ::-1]
    return np.mean(np.all(pixels == colour, axis=-1))


def test_every_picture_is_on_the_sheet(tmp_path):
    colours = [(250, 10, 10), (10, 250, 10), (10, 10, 250), (250, 250, 10)]
    looks = [_look(n, colours[2 * n : 2 * n + 2], psnr=12.0 + n) for n in range(2)]
    draw_contact_sheet(looks, tmp_path / "sheet.png", title="name", facts="2 train")
    shares = [_share(tmp_path / "sheet.png", colour) for colour in colours]
    assert min(shares) > 0.02
    np.testing.assert_allclose(shares, shares[0], rtol=0.05)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_examples_of_one_two_or_three_pictures(tmp_path, count):
    colours = [(250, 10, 10), (10, 250, 10), (10, 10, 250)][:count]
    looks = [_look(n, colours, psnr=20.0 if count > 1 else None) for n in range(7)]
    draw_contact_sheet(looks, tmp_path / "sheet.png", title="name", facts="")
    for colour in colours:
        assert _share(tmp_path / "sheet.png", colour) > 0.05


def test_the_sheet_grows_with_its_rows_and_many_sizes_fit(tmp_path):
    heights = []
    for count in (3, 9):
        looks = [
            _look(n, [(9, 9, 9), (99, 99, 99)], psnr=10.0 + n, known={"beta": 1.0}, size=(5 + n, 9))
            for n in range(count)
        ]
        looks += [_look(n, [], psnr=20.0, size=(n, 7)) for n in range(20)]
        draw_contact_sheet(looks, tmp_path / "sheet.png", title="name", facts="")
        heights.append(cv2.imread(str(tmp_path / "sheet.png")).shape[0])
    assert heights[1] > 1.5 * heights[0]


def test_a_folder_that_is_not_there_is_told(tmp_path):
    with pytest.raises(InputError, match=r"its folder .*nowhere does not exist"):
        draw_contact_sheet([], tmp_path / "nowhere/sheet.png", title="", facts="")
