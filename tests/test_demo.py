import pytest
from rich.console import Console

from dehaze_jax.demo import DemoConfig, run_demo
from dehaze_jax.errors import InputError
from dehaze_jax.image.files import read
from dehaze_jax.storage.runs import RunDirectory


@pytest.mark.slow
def test_the_demo_does_all_it_says(tmp_path):
    output = tmp_path / "demo"
    result = run_demo(
        DemoConfig(output=str(output), steps=4, scenes=3, width=96), console=Console(quiet=True)
    )
    for name, report in result.reports.items():
        assert "trained here" in report.methods, name
        assert len(report.ids) >= 1
        assert not report.skipped
    assert all(page.is_file() for page in result.pages.values())
    assert [read(picture).pixels.shape[1] for picture in result.pictures[:2]] == [96, 96]
    assert result.pictures[2].is_file()
    record = RunDirectory(output / "run").path / "run.json"
    assert '"checkpoint"' in record.read_text()  # the second call resumed


def test_a_folder_that_is_no_demo_is_left_alone(tmp_path):
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(InputError, match="no earlier demo"):
        run_demo(DemoConfig(output=str(tmp_path)), console=Console(quiet=True))
    assert (tmp_path / "thesis.tex").exists()
