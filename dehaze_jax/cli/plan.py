"""`dehaze-jax plan`: what a model and its training cost, before anything is run."""

import dataclasses
import os
from typing import TYPE_CHECKING, Annotated

import tyro
from rich.console import Console
from rich.table import Table

from dehaze_jax.cli.parsing import parse
from dehaze_jax.cli.solving import Solver, Steps, solver_options
from dehaze_jax.cli.train import read_config
from dehaze_jax.data.config import DataConfig
from dehaze_jax.haze.config import HazeConfig
from dehaze_jax.methods.config import MethodConfig, OptimiserConfig, RestoreOptions
from dehaze_jax.training.config import MeshConfig, TrainConfig

if TYPE_CHECKING:  # it starts JAX
    from dehaze_jax.methods.protocol import Method
    from dehaze_jax.training.cost import TrainingCost


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plan:
    """Print parameters and multiplications of a model, counted from the program.

    Of a configuration file also what training takes: multiplications, memory of each device, and
    whether it fits; behind CONFIG.py, --help lists the options for it. No data is read, nothing is
    trained, and nothing runs on a device.
    """

    model: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="MODEL")]
    """A configuration file as for train (CONFIG.py or CONFIG.py:VARIANT), weights that come with
    the package, a folder of weights, or a run directory."""
    height: int = 2160
    """Rows of the picture."""
    width: int = 3840
    """Columns of the picture."""
    solver: Solver = None
    """ODE solver, see restore."""
    steps: Steps = None
    """Steps of the solver."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class PlanTraining(Plan):
    """Print what a model and its training cost, counted from the program.

    No data is read, nothing is trained, and nothing runs on a device. The exit code is 1 where the
    training does not surely fit into the memory that is given.
    """

    devices: Annotated[int | None, tyro.conf.arg(metavar="INT")] = None
    """Devices to train on, which need not be here; the default is what mesh.data and mesh.space
    say, or those that are here."""
    memory: Annotated[float | None, tyro.conf.arg(metavar="GB")] = None
    """GB of one device that JAX may use (three quarters of a GPU's unless told otherwise); the
    default is what the devices here say."""
    method: MethodConfig
    """What is trained."""
    data: DataConfig
    """What it is trained on."""
    haze: HazeConfig | None
    """Haze that is rendered onto the clear pictures in every step."""
    optimiser: OptimiserConfig
    """How it is trained."""
    mesh: MeshConfig
    """How devices share the work."""


_GROUPS = ("method", "data", "haze", "optimiser", "mesh")


def main(args: list[str]) -> int:
    """Runs the command; 1 if a training does not surely fit."""
    # Asking devices for their memory is not to take it.
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    file = next((each for each in args if each.partition(":")[0].endswith(".py")), None)
    if file is None:
        options = parse(Plan, args=args, prog="dehaze-jax plan")
        from dehaze_jax.restoring.loading import load

        method = load(options.model).method
        _print_restoring(options, method, _restore_options(options, method))
        return 0
    from dehaze_jax import methods

    config = read_config(file)
    groups = {name: getattr(config, name) for name in _GROUPS}
    options = parse(
        PlanTraining,
        default=PlanTraining(model=file, **groups),
        args=args,
        prog=f"dehaze-jax plan {file}",
        config=(tyro.conf.AvoidSubcommands,),
    )
    groups = {name: getattr(options, name) for name in _GROUPS}
    config = dataclasses.replace(config, **groups)
    method = methods.build(config.method)
    restore = _restore_options(options, method)  # refuses before anything is counted
    cost = _count_training(options, config)
    _print_restoring(options, method, restore)
    return _print_training(options, config, cost)


def _restore_options(options: Plan, method: "Method") -> RestoreOptions:
    from dehaze_jax.errors import InputError
    from dehaze_jax.restoring.loading import choose_options

    if min(options.height, options.width) < 1:
        raise InputError("size", f"must be at least 1 x 1, not {options.height} x {options.width}")
    return choose_options(method, **solver_options(options), source=options.model)


def _print_restoring(options: Plan, method: "Method", restore: RestoreOptions) -> None:
    from dehaze_jax.programs import KINDS
    from dehaze_jax.restoring.cost import count_cost

    cost = count_cost(method, options.height, options.width, restore)
    pixels = options.height * options.width
    how = ""
    if method.evaluations is not None:
        how = f", {restore}"
    out = _console()
    out.print(f"{method.name}{how}: {cost.parameters:,} parameters")
    table = _table(
        f"multiplications for {options.width} x {options.height}",
        ("low resolution, G", "full size, G", "full size, a pixel"),
    )
    for kind in (*KINDS, "all"):
        low, full = (
            sum(part.values()) if kind == "all" else part[kind]
            for part in (cost.summarise, cost.render)
        )
        table.add_row(kind, f"{low / 1e9:.3f}", f"{full / 1e9:.3f}", f"{full / pixels:,.0f}")
    out.print(table)


def _count_training(options: PlanTraining, config: TrainConfig) -> "TrainingCost":
    from dehaze_jax.errors import InputError
    from dehaze_jax.training.cost import count_training_cost

    if options.devices is not None and options.devices < 1:
        raise InputError("devices", f"must be at least 1, not {options.devices}")
    if options.memory is not None and not options.memory > 0:
        raise InputError("memory", f"must be positive, not {options.memory}")
    return count_training_cost(config, devices=options.devices or _count_devices(config.mesh))


def _print_training(options: PlanTraining, config: TrainConfig, cost: "TrainingCost") -> int:
    """Returns the exit code."""
    from dehaze_jax.training.cost import WORST

    out = _console()
    size, batch = config.data.crop_size, config.data.batch_size
    data, space = cost.mesh.shape["data"], cost.mesh.shape["space"]
    parts = ", ".join(f"{name} {count:,}" for name, count in cost.parameters.items())
    out.print(f"parameters of its parts: {parts}")
    out.print(
        f"a step of training: {batch} x {size} x {size} pictures on {data} x {space} devices "
        "(data x space)"
    )

    table = _table(
        "multiplications of a step, forward and backward", ("all devices, G", "a picture, G")
    )
    for kind, count in {**cost.multiplications, "all": sum(cost.multiplications.values())}.items():
        table.add_row(kind, f"{count / 1e9:,.3f}", f"{count / batch / 1e9:,.3f}")
    out.print(table)
    table = _table("memory of each device", ("MB",))
    for part, count in cost.held.items():
        table.add_row(part, f"{count / 1e6:,.1f}")
    table.add_row("gradients and intermediate values, estimated", f"{cost.step / 1e6:,.1f}")
    table.add_row("all", f"{cost.total / 1e6:,.1f}")
    out.print(table)

    memory = _find_memory() if options.memory is None else options.memory * 1e9
    if memory is None:
        out.print("the devices here do not tell their memory: give --memory to learn if it fits")
        return 0
    fits, room = cost.fits(memory), f"{memory / 1e9:,.1f} GB"
    if fits:
        out.print(f"fits into {room}")
        return 0
    said = "does not fit into" if fits is False else "may not fit into"
    doubt = "" if fits is False else f": a compiler may take {WORST} times the estimate"
    out.print(f"{said} {room}{doubt}; see {', '.join(cost.remedies)}")
    return 1


def _count_devices(mesh: MeshConfig) -> int:
    """Those that a mesh asks for, or are here."""
    if mesh.data != -1:
        return mesh.data * mesh.space
    import jax

    return len(jax.devices())


def _find_memory() -> int | None:
    """Bytes that JAX may use of the smallest device here, if they tell."""
    import jax

    told = [device.memory_stats() or {} for device in jax.local_devices()]
    return min((each["bytes_limit"] for each in told if "bytes_limit" in each), default=None)


def _console() -> Console:
    return Console(soft_wrap=True, highlight=False, markup=False)


def _table(title: str, columns: tuple[str, ...]) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column("")
    for column in columns:
        table.add_column(column, justify="right")
    return table
