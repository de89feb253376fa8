"""The report as one HTML page: tables, plots, then pictures with the worst case first.

Styles and plots stand in the page, pictures beside it; nothing is fetched.
"""

import html
from collections.abc import Mapping, Sequence
from string import Template

from dehaze_jax.evaluation.baselines import BASELINES, HAZY
from dehaze_jax.evaluation.plots import psnr_plots
from dehaze_jax.evaluation.report import Report, Row, scores_of

TITLES = {"psnr": "PSNR, dB ↑", "ssim": "SSIM ↑", "ciede2000": "CIEDE2000 ↓", "lpips": "LPIPS ↓"}
"""Names of scores in tables, with the direction that is better."""

DIGITS = {"psnr": 2, "ssim": 4, "ciede2000": 2, "lpips": 4}
"""Decimals of scores."""

_LESS = ("ciede2000", "lpips")  # of which less is better

_PAGE = Template("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title>
<style>
:root { color-scheme: light; --line: #d8dee4; --soft: #f6f8fa; --quiet: #57606a; }
body { font: 15px/1.5 system-ui, sans-serif; color: #1f2328; margin: 0 auto; max-width: 1200px;
  padding: 2rem 1.5rem 4rem; }
h1 { font-size: 1.6rem; margin: 0 0 .2rem; }
h2 { font-size: 1.15rem; margin: 2.2rem 0 .6rem; }
p, figcaption, .quiet { color: var(--quiet); }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
.wide { overflow-x: auto; }
th, td { padding: .35rem .8rem; text-align: right; border-bottom: 1px solid var(--line);
  white-space: nowrap; }
th { font-weight: 600; }
th:first-child, td:first-child { text-align: left; }
thead tr:first-child th { text-align: center; border-bottom: 0; }
thead { background: var(--soft); }
.best { font-weight: 700; }
small { display: block; color: var(--quiet); font-size: .78rem; font-weight: 400; }
svg { max-width: 100%; height: auto; }
.pair { border-top: 1px solid var(--line); padding: .9rem 0 1.1rem; }
.pair header { display: flex; gap: .8rem; align-items: baseline; margin-bottom: .4rem; }
.pair h3 { font-size: .95rem; margin: 0; overflow-wrap: anywhere; }
.gain { font-weight: 600; color: #1a7f37; white-space: nowrap; }
.gain.loss { color: #cf222e; }
.row { display: grid; grid-template-columns: repeat($columns, minmax(0, 1fr)); gap: .6rem; }
figure { margin: 0; }
figure img { width: 100%; display: block; border-radius: 4px; }
figcaption { font-size: .82rem; margin-top: .25rem; font-variant-numeric: tabular-nums; }
figcaption b { color: #1f2328; }
.warning { background: #fff8c5; border: 1px solid #d4a72c66; border-radius: 6px;
  padding: .6rem 1rem; }
.warning li { overflow-wrap: anywhere; }
</style>
</head>
<body>
<h1>$title</h1>
<p>$subtitle</p>
$skipped
<h2>Scores</h2>
<div class="wide">$table</div>
<p class="quiet">Mean over $count pictures, with the median below. Best mean of a column in bold.
Time is the median of a picture. Every picture: <a href="scores.csv">scores.csv</a>; protocols in
full: <a href="summary.json">summary.json</a>.</p>
<h2>PSNR, picture by picture ($protocol)</h2>
$plots
<h2>Pictures, smallest gain first</h2>
$gallery
</body>
</html>
""")


def render_page(
    report: Report, pictures: Mapping[str, Mapping[str, str]], *, full_pictures: bool
) -> str:
    """The page as text.

    Args:
        report: what was found.
        pictures: id -> method or `clear` -> path without suffix, relative to the page.
        full_pictures: the paths exist as PNG too.
    """
    models = [name for name in report.methods if name not in BASELINES] or [report.shown]
    columns = [HAZY, *models, "clear"]
    rows = {(row.id, row.method): row for row in report.rows}
    gallery = "\n".join(
        _pair(report, id, gain, columns, rows, pictures[id], full=full_pictures)
        for id, gain in report.gains().items()
    )
    return _PAGE.substitute(
        title=html.escape(f"{report.dataset}: {report.shown}"),
        subtitle=f"{_count(len(report.ids), 'pair')}, content {report.fingerprint[:12]}",
        skipped=_skipped(report),
        table=_table(report),
        count=len(report.ids),
        protocol=html.escape(report.protocols[0]),
        plots=psnr_plots(report),
        columns=len(columns),
        gallery=gallery,
    )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _skipped(report: Report) -> str:
    if not report.skipped:
        return ""
    items = "".join(f"<li>{html.escape(str(error))}</li>" for error in report.skipped)
    heading = f"{_count(len(report.skipped), 'pair')} could not be scored and is in no figure here"
    return f'<div class="warning"><b>{heading}:</b><ul>{items}</ul></div>'


def _table(report: Report) -> str:
    columns = [(name, score) for name in report.protocols for score in scores_of(name)]
    heads = "".join(
        f'<th colspan="{len(scores_of(name))}">{html.escape(name)}</th>'
        for name in report.protocols
    )
    names = "".join(f"<th>{TITLES[score]}</th>" for _, score in columns)
    summary, seconds = report.summary(), report.seconds()
    best = {
        (name, score): (min if score in _LESS else max)(
            summary[method][name][score]["mean"] for method in report.methods
        )
        for name, score in columns
    }
    body = []
    for method in report.methods:
        cells = []
        for name, score in columns:
            value, digits = summary[method][name][score], DIGITS[score]
            mark = ' class="best"' if value["mean"] == best[name, score] else ""
            median = f"<small>{value['median']:.{digits}f}</small>"
            cells.append(f"<td{mark}>{value['mean']:.{digits}f}{median}</td>")
        body.append(
            f"<tr><td>{html.escape(method)}</td>{''.join(cells)}"
            f"<td>{seconds[method]:.2f} s</td></tr>"
        )
    return (
        f"<table><thead><tr><th></th>{heads}<th></th></tr>"
        f"<tr><th>method</th>{names}<th>time</th></tr></thead>"
        f"<tbody>{''.join(body)}</tbody></table>"
    )


def _pair(
    report: Report,
    id: str,
    gain: float,
    columns: Sequence[str],
    rows: Mapping[tuple[str, str], Row],
    paths: Mapping[str, str],
    *,
    full: bool,
) -> str:
    figures = []
    for name in columns:
        caption = f"<b>{html.escape(name)}</b>"
        if (id, name) in rows:
            scores = rows[id, name].scores[report.protocols[0]]
            caption += " · " + " · ".join(
                f"{TITLES[score].split(',')[0].split()[0]} {scores[score]:.{DIGITS[score]}f}"
                for score in scores_of(report.protocols[0])
            )
        path = html.escape(paths[name], quote=True)
        target = f"{path}.png" if full else f"{path}.jpg"
        figures.append(
            f'<figure><a href="{target}"><img src="{path}.jpg" loading="lazy" '
            f'alt="{html.escape(f"{id}, {name}", quote=True)}"></a>'
            f"<figcaption>{caption}</figcaption></figure>"
        )
    sign = " loss" if gain < 0 else ""
    return (
        f'<section class="pair"><header><h3>{html.escape(id)}</h3>'
        f'<span class="gain{sign}">{gain:+.2f} dB</span></header>'
        f'<div class="row">{"".join(figures)}</div></section>'
    )
