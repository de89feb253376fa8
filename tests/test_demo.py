import pytest
from rich.console import Console

from dehaze_jax.demo import DemoConfig, run_demo
from dehaze_jax.errors import InputError
from dehaze_jax.image.files import read
from dehaze_jax.storage.runs import RunDirectory


@pytest.mark.parametrize("method", ["dehazeflow", "bilateral"])
def test_the_demo_does_all_it_says(method, tmp_path):
    output = tmp_path / "demo"
    config = DemoConfig(method=method, output=str(output), steps=4, scenes=3, width=96)
    result = run_demo(config, console=Console(quiet=True))
    assert {"hazy", "dark-channel", "trained here", "shipped weights"} == set(result.report.methods)
    assert len(result.report.ids) >= 1
    assert not result.report.skipped
    psnr = result.report.summary()["trained here"]["rgb-full"]["psnr"]["mean"]
    hazy = result.report.summary()["hazy"]["rgb-full"]["psnr"]["mean"]
    assert result.gain_over("hazy") == psnr - hazy
    assert result.page.is_file()
    assert [read(picture).pixels.shape[1] for picture in result.pictures[:2]] == [96, 96]
    assert result.pictures[2].is_file()
    record = RunDirectory(output / "run").path / "run.json"
    assert '"checkpoint"' in record.read_text()  # the second call resumed


def test_a_folder_that_is_no_demo_is_left_alone(tmp_path):
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(InputError, match="no earlier demo"):
        run_demo(DemoConfig(output=str(tmp_path)), console=Console(quiet=True))
    assert (tmp_path / "thesis.tex").exists()


@pytest.mark.parametrize("field", ["width", "steps"])
def test_too_little_is_refused_at_once(field):
    with pytest.raises(InputError, match=f"{field}: must be at least 2, not 1"):
        DemoConfig(**{field: 1})
