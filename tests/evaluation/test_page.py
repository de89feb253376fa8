import html.parser
import re

import pytest

from dehaze_jax.errors import InputError
from dehaze_jax.evaluation import Report, Row
from dehaze_jax.evaluation.page import render_page

PSNR = {"hazy": (10.0, 20.0, 30.0), "dark-channel": (11.0, 12.0, 13.0), "model": (18.0, 21.0, 29.0)}


@pytest.fixture
def report():
    rows = [
        Row(
            id=f"<{index}>",
            method=method,
            seconds=0.5,
            scores={
                "rgb-full": {"psnr": values[index], "ssim": 0.5, "ciede2000": 40 - values[index]},
                "y-full": {"psnr": values[index] + 1, "ssim": 0.6},
            },
        )
        for index in range(3)
        for method, values in PSNR.items()
    ]
    return Report(
        dataset="set & more",
        fingerprint="0",
        protocols=("rgb-full", "y-full"),
        methods=tuple(PSNR),
        rows=tuple(rows),
        skipped=(InputError("x.png", "is <broken>"),),
    )


@pytest.fixture
def page(report):
    paths = {
        id: {name: f"pictures/{index}-{name}" for name in (*PSNR, "clear")}
        for index, id in enumerate(report.ids)
    }
    return render_page(report, paths, full_pictures=False)


class _Tags(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.open, self.links = [], []

    def handle_starttag(self, tag, attrs):
        self.links += [value for name, value in attrs if name in ("src", "href") and tag != "use"]
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        pass

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_tags_close_and_nothing_is_fetched(page):
    tags = _Tags()
    tags.feed(page)
    assert tags.open == []
    assert all(re.match(r"pictures/|scores.csv|summary.json", link) for link in tags.links)


def test_worst_gain_comes_first(report, page):
    assert report.gains() == {"<2>": -1.0, "<1>": 1.0, "<0>": 8.0}
    gains = re.findall(r'class="gain( loss)?">([+-][\d.]+) dB', page)
    assert gains == [(" loss", "-1.00"), ("", "+1.00"), ("", "+8.00")]


def test_text_is_escaped(page):
    assert "&lt;2&gt;" in page
    assert "<broken>" not in page
    assert "<title>set &amp; more: model</title>" in page


def test_best_of_a_column_is_marked(page):
    best = re.findall(r"<tr><td>([\w-]+)</td>(.*?)</tr>", page)
    marked = {name: cells.count('class="best"') for name, cells in best}
    # PSNR twice and CIEDE2000 for the model; SSIM is a tie of all.
    assert marked == {"hazy": 2, "dark-channel": 2, "model": 5}
    assert "22.67<small>21.00</small>" in page


def test_skipped_pairs_are_told(page):
    assert "1 pair could not be scored" in page


def test_without_a_model_the_page_shows_the_last_baseline(report):
    rows = tuple(row for row in report.rows if row.method != "model")
    alone = Report(
        dataset="set",
        fingerprint="0",
        protocols=report.protocols,
        methods=("hazy", "dark-channel"),
        rows=rows,
    )
    assert alone.shown == "dark-channel"
    assert list(alone.gains().values()) == [-17.0, -8.0, 1.0]
