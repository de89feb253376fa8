import dataclasses
import json

import jax.numpy as jnp
import numpy as np
import pytest
from make_golden import GOLDEN, pairs
from PIL import Image

from dehaze_jax import InputError, metrics

TOLERANCE = {"psnr": 2e-3, "ssim": 2e-5, "ciede2000": 2e-3}


@pytest.mark.parametrize("name", list(pairs()))
def test_every_protocol_equals_the_golden_file(name):
    restored, clear = (jnp.asarray(x) for x in pairs()[name])
    golden = json.loads(GOLDEN.read_text(encoding="utf-8"))[name]
    ours = metrics.score_all(restored[None], clear[None])
    assert list(ours) == list(golden) == list(metrics.PROTOCOLS)
    for protocol, scores in golden.items():
        assert set(ours[protocol]) == set(scores)
        for score, value in scores.items():
            np.testing.assert_allclose(
                ours[protocol][score],
                [value],
                rtol=0,
                atol=TOLERANCE[score],
                err_msg=f"{protocol} {score}",
            )


def test_a_choice_of_protocols():
    restored, clear = (jnp.asarray(x) for x in pairs()["small"])
    own = metrics.Protocol(id="own", scores=("psnr",), rounding=False)
    scores = metrics.score_all(restored, clear, protocols=["y-full", own])
    assert {key: set(value) for key, value in scores.items()} == {
        "y-full": {"psnr", "ssim"},
        "own": {"psnr"},
    }


def test_border():
    restored, clear = (jnp.asarray(x) for x in pairs()["small"])
    cropped = dataclasses.replace(metrics.PROTOCOLS["rgb-full"], border=3)
    inner = (slice(3, -3), slice(3, -3))
    for score, value in metrics.score(cropped, restored, clear).items():
        expected = metrics.score("rgb-full", restored[inner], clear[inner])[score]
        np.testing.assert_allclose(value, expected, rtol=1e-6)
    with pytest.raises(InputError, match="rgb-full: cuts off 3 pixels"):
        metrics.score(cropped, restored[:6], clear[:6])


def test_bad_protocols_are_refused():
    image = jnp.zeros((4, 4, 3))
    with pytest.raises(InputError, match="rgb_full: no such protocol; there are rgb-full"):
        metrics.score("rgb_full", image, image)
    with pytest.raises(InputError, match="CIEDE2000 needs RGB"):
        metrics.Protocol(id="own", rounding=True, channels="y")


@pytest.mark.parametrize(
    ("folder", "psnr", "ssim", "ciede2000"),
    [("o-haze_800", 14.69, 0.613, 15.8), ("nh-haze_800", 11.14, 0.434, 22.5)],
)
def test_hazy_row_of_the_public_table(shared_data, folder, psnr, ssim, ciede2000):
    root = shared_data / folder / "eval"
    rows = []
    for path in sorted((root / "clear").iterdir()):
        images = [
            jnp.asarray(np.asarray(Image.open(root / side / path.name)) / np.float32(255))
            for side in ("hazy", "clear")
        ]
        rows.append(metrics.score("rgb-full", *images))
    mean = {name: np.mean([row[name] for row in rows]) for name in rows[0]}
    assert mean["psnr"] == pytest.approx(psnr, abs=0.01)
    assert mean["ssim"] == pytest.approx(ssim, abs=0.001)
    assert mean["ciede2000"] == pytest.approx(ciede2000, abs=0.1)
