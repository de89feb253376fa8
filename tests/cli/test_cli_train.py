import sys

import pytest

from dehaze_jax.cli import main as cli
from dehaze_jax.cli import train as command
from dehaze_jax.training import HostsConfig, TrainConfig, TrainResult, hosts, loop

CONFIG = """
from dehaze_jax.training import TrainConfig

def get_config(variant="base"):
    return TrainConfig(steps={"base": 100, "small": 3}[variant], workdir="from config")
"""


@pytest.fixture
def config(tmp_path, monkeypatch):
    monkeypatch.setenv("DEHAZE_JAX_CACHE", "")
    monkeypatch.setattr(sys, "path", list(sys.path))
    path = tmp_path / "study" / "config.py"
    path.parent.mkdir()
    path.write_text(CONFIG)
    return path


@pytest.fixture
def trained(monkeypatch):
    """The configs that the command trains with."""
    configs = []

    def train(config, *, console, force):
        configs.append(config)
        assert not force
        return TrainResult(None, 3, True, None, {})

    monkeypatch.setattr(loop, "train", train)
    return configs


def test_options_change_the_config(config, trained):
    arguments = ["--workdir", "w", "--data.batch-size", "2", "--method.objective.times"]
    code = cli.main(["train", str(config), *arguments, "logit_normal", "--init-from", "x"])
    assert code == 0
    (used,) = trained
    assert used.workdir == "w"
    assert used.steps == 100
    assert used.data.batch_size == 2
    assert used.method.objective.times == "logit_normal"
    assert used.init_from == "x"


def test_force_is_passed_on(config, monkeypatch):
    given = []

    def train(config, *, console, force):
        given.append(force)
        return TrainResult(None, 3, True, None, {})

    monkeypatch.setattr(loop, "train", train)
    assert cli.main(["train", str(config), "--force"]) == 0
    assert given == [True]


def test_folders_of_unpaired_pictures_are_options(config, trained):
    folders = ["--data.train", "fog", "--data.clear", "sun", "more sun"]
    shares = ["--data.clear-weights", "1", "0.5"]
    assert cli.main(["train", str(config), *folders, *shares]) == 0
    (used,) = trained
    assert used.data.train == ("fog",)
    assert used.data.clear == ("sun", "more sun")
    assert used.data.clear_weights == (1.0, 0.5)


def test_without_options_the_config_is_as_it_is(config, trained):
    assert cli.main(["train", str(config)]) == 0
    assert trained == [TrainConfig(steps=100, workdir="from config")]


def test_a_variant_is_chosen_after_a_colon(config, trained):
    assert cli.main(["train", f"{config}:small"]) == 0
    assert trained[0].steps == 3


@pytest.mark.parametrize("number", [2, 15])
def test_a_stopped_run_ends_with_the_signal_as_exit_code(config, monkeypatch, number):
    monkeypatch.setattr(loop, "train", lambda *_, **__: TrainResult(None, 3, False, number, {}))
    assert cli.main(["train", str(config)]) == 128 + number


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--data.bath-size", "2"], "Unrecognized options: --data.bath-size"),
        (["--steps", "many"], "Error parsing --steps: invalid literal"),
        (["--steps"], "--steps"),
        (["--profile-steps", "5"], "Error parsing --profile-steps: expected INT INT, not '5'; see"),
        (["--not-finite", "go"], "for argument '--not-finite'. Expected one of stop, skip; see"),
        (["--data.crop", "no"], "Expected one of"),
        (["--method.lut-mode", "x"], "--method.lut-mode"),
        (["--steps", "0"], "TrainConfig.steps: 0 must be positive"),
        (["--data.batch-size", "0"], "DataConfig.batch_size: 0 must be at least 1"),
    ],
)
def test_bad_options_are_refused(config, trained, capsys, options, said):
    assert cli.main(["train", str(config), *options]) == 2
    error = capsys.readouterr().err
    assert error.startswith("dehaze-jax: error: ")
    assert said in error
    assert error.count("\n") == 1
    assert trained == []


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "config.py: no such configuration file"),
        ("", "config.py: defines no get_config"),
        ("x = ", "config.py: SyntaxError: invalid syntax"),
        ("import nothing_here", "config.py: ModuleNotFoundError: No module named 'nothing_here'"),
        ("def get_config(): return 3", "config.py: get_config gives int, not a TrainConfig"),
        ("def get_config(): raise OSError('x')", "config.py: OSError: x"),
    ],
)
def test_bad_configuration_files_are_one_line(config, trained, capsys, content, reason):
    if content is None:
        config.unlink()
    else:
        config.write_text(content)
    assert cli.main(["train", str(config)]) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"dehaze-jax: error: {config.parent}/{reason}")
    assert error.count("\n") == 1
    assert trained == []


def test_a_variant_that_is_not_there_is_named(config, trained, capsys):
    assert cli.main(["train", f"{config}:huge"]) == 1
    assert "config.py:huge: no such variant: 'huge'" in capsys.readouterr().err


def test_modules_beside_the_config_and_in_the_current_folder_are_found(
    config, trained, monkeypatch, tmp_path
):
    (config.parent / "own_backbone_a.py").write_text("STEPS = 4")
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "own_backbone_b.py").write_text("SEED = 5")
    monkeypatch.chdir(tmp_path / "here")
    config.write_text(
        "import own_backbone_a, own_backbone_b\n"
        "from dehaze_jax.training import TrainConfig\n"
        "def get_config():\n"
        "    return TrainConfig(steps=own_backbone_a.STEPS, seed=own_backbone_b.SEED)\n"
    )
    assert cli.main(["train", str(config)]) == 0
    assert (trained[0].steps, trained[0].seed) == (4, 5)


def test_help_lists_every_field(config, capsys):
    assert cli.main(["train", str(config), "--help"]) == 0
    out = capsys.readouterr().out
    for option in ("--workdir", "--data.crop-size", "--method.lut-size", "--optimiser.b1"):
        assert option in out


@pytest.mark.parametrize(
    ("batch_size", "expected"),
    [("6", []), ("8", [HostsConfig(coordinator="h:1", processes=4, process=0)])],
)
def test_a_batch_is_checked_before_others_are_waited_for(
    config, trained, monkeypatch, capsys, batch_size, expected
):
    connected = []
    monkeypatch.setattr(hosts, "connect", connected.append)
    joined = ["--hosts.coordinator", "h:1", "--hosts.processes", "4", "--hosts.process", "0"]
    code = cli.main(["train", str(config), "--data.batch-size", batch_size, *joined])
    assert (code, connected) == (0 if expected else 1, expected)
    said = "dehaze-jax: error: TrainConfig.data.batch_size: 6 is not divisible by the 4 processes"
    assert capsys.readouterr().err == ("" if expected else f"{said}\n")


@pytest.mark.parametrize(("arguments", "code"), [([], 2), (["--help"], 0)])
def test_usage_without_a_config(arguments, code, capsys, monkeypatch):
    monkeypatch.setenv("DEHAZE_JAX_CACHE", "")
    assert cli.main(["train", *arguments]) == code
    assert "CONFIG.py" in capsys.readouterr().out


def test_an_option_before_the_config_is_refused(capsys, monkeypatch):
    monkeypatch.setenv("DEHAZE_JAX_CACHE", "")
    assert cli.main(["train", "--steps", "3"]) == 2
    assert "the configuration file comes first, not --steps" in capsys.readouterr().err


def test_the_config_class_is_what_the_command_offers(config):
    assert command.read_config(str(config)) == TrainConfig(steps=100, workdir="from config")
