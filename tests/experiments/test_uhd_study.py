import json

import numpy as np
import pytest
from rich.console import Console
from uhd_study.config import StudyConfig
from uhd_study.report import findings, sheet
from uhd_study.run import study
from uhd_study.scenes import make_pair
from uhd_study.ways import fade, in_tiles, make_way, starts, through_reduced

from dehaze_jax import haze, image


def noise(height, width):
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


def tone(picture):
    """Pointwise, so that a picture may be cut anyhow."""
    return 255 - picture // 2


class TestTiles:
    @pytest.mark.parametrize("size", [40, 64, 65, 100, 150, 200])
    def test_cover_every_pixel_and_overlap(self, size):
        begins = starts(size, 64, 16)
        assert begins[0] == 0
        assert begins[-1] == max(size - 64, 0)
        assert max(np.diff(begins), default=0) <= 64 - 16

    @pytest.mark.parametrize("shape", [(40, 50), (64, 64), (130, 201)])
    def test_pointwise_restorer_is_the_same_as_at_full_size(self, shape):
        hazy = noise(*shape)
        assert np.array_equal(in_tiles(tone, hazy, 64, 16), tone(hazy))

    def test_tiles_are_pictures_of_their_own(self):
        def mean(picture):
            return np.full_like(picture, round(picture.mean()))

        hazy = np.zeros((64, 112, 3), np.uint8)
        hazy[:, 64:] = 200
        restored = in_tiles(mean, hazy, 64, 16)
        assert np.all(restored[:, :48] == 0)  # of the first alone
        assert np.all(restored[:, 64:] == 150)  # of the second, a quarter of which is black
        middle = restored[0, 48:64, 0].astype(int)
        expected = 150 * np.arange(1, 17) / 17
        assert np.abs(middle - expected).max() <= 0.5 + 1e-3

    def test_weights(self):
        assert fade(6, 2) == pytest.approx([1 / 3, 2 / 3, 1, 1, 2 / 3, 1 / 3])
        assert np.all(fade(5, 0) == 1)


def test_reduced_sees_the_reduced_picture():
    seen = []

    def look(picture):
        seen.append(picture)
        return picture

    ramp = np.repeat(np.arange(0, 128, dtype=np.uint8)[None, :, None], 64, 0).repeat(3, -1)
    restored = through_reduced(look, ramp, 4)
    assert np.array_equal(seen[0][0, :, 0], np.round(np.arange(1.5, 128, 4)))
    assert np.abs(restored.astype(int) - ramp)[:, 8:-8].max() <= 1  # a ramp survives


def test_ways_by_name():
    hazy = noise(48, 64)
    config = StudyConfig(tile=32, overlap=8, reduction=2)
    assert np.array_equal(make_way("full size", tone, config)(hazy), tone(hazy))
    assert np.array_equal(make_way("tiles", tone, config)(hazy), tone(hazy))
    assert not np.array_equal(make_way("reduced", tone, config)(hazy), tone(hazy))


def test_haze_has_the_transmission_asked_for():
    config = StudyConfig(height=60, width=80, transmission=(1.0, 0.2), non_homogeneity=0.0)
    hazy, clear = make_pair(config, 0)
    assert np.abs(hazy.astype(int) - clear).max() <= 1
    # Linear in the transmission: what haze takes off is the distance from the airlight by 1 - T.
    hazy, clear = make_pair(config, 1)
    _, depth = haze.landscape(config.seed + 1, 60, 80)
    t = 0.2 ** (depth / np.median(depth))
    airlight = (hazy - clear * t[..., None]) / (1 - t[..., None]) / 255
    dense = airlight[t < 0.7]
    assert dense.min() > 0.7
    assert dense.std(axis=0).max() < 0.01  # one colour everywhere, but for rounding


def test_findings_compare_with_full_size():
    def way(psnr, seconds):
        scores = [{"psnr": value, "ssim": 0.5, "ciede2000": 1.0} for value in psnr]
        return {"scores": scores, "seconds": seconds, "megabytes": 100.0}

    results = {"toy": {"full size": way([20, 22], 2.0), "tiles": way([19, 22], 3.0)}}
    assert findings(results) == [
        "**toy, tiles** against full size: -0.50 dB (-1.00 to +0.00 over the pictures), "
        "SSIM +0.0000, 1.50 times the time, 1.00 times the memory."
    ]


def test_sheet_shows_the_middle():
    picture = noise(50, 70)
    shown = sheet([{"label": picture, "longer": 255 - picture}], side=20)
    # No room for the labels: nothing is written.
    assert np.array_equal(shown[:, :20], picture[15:35, 25:45])
    assert np.array_equal(shown[:, -20:], 255 - picture[15:35, 25:45])


def test_whole_study(tmp_path):
    results = study("smoke", tmp_path, console=Console(quiet=True))
    assert set(results["bilateral"]) == {"full size", "tiles"}
    record = json.loads((tmp_path / "results.json").read_text())
    (score,) = results["bilateral"]["full size"]["scores"]
    assert record["results"]["bilateral"]["full size"]["scores"][0]["psnr"] == score["psnr"]
    assert score["psnr"] > record["hazy"][0]["psnr"]
    page = (tmp_path / "report.md").read_text()
    assert f"{score['psnr']:.2f}" in page
    assert image.read(tmp_path / "pictures.png").pixels.shape[0] > 96 - 1
