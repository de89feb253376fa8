"""What the scaling study counts, and what its model assumes. Every assumption is a field."""

import dataclasses
from typing import Literal

from dehaze_jax import data, training
from dehaze_jax.methods import BilateralConfig, DehazeFlowConfig, ObjectiveConfig


@dataclasses.dataclass(frozen=True, kw_only=True)
class Accelerator:
    """Figures of one accelerator and of the machine it is in.

    Peak figures are those of its makers, and `sustained` is the share of the first that a step is
    assumed to reach: put the seconds of your own step into `StudyConfig.seconds` instead.
    """

    name: str
    """What it is called."""
    source: str
    """Where the figures come from."""
    flops: float
    """Peak operations a second in float32, which the steps here compute in."""
    sustained: float = 0.25
    """Share of the peak that a step reaches. An assumption."""
    link: float
    """Bytes a second that it sends to others in its group, one way."""
    network: float
    """Bytes a second that it sends beyond the group, one way: its part of what the machine has."""
    group: int
    """How many are joined by links."""
    cores: float
    """Processor cores of the machine for each of its accelerators."""


H100 = Accelerator(
    name="H100 SXM",
    source="NVIDIA's data sheets of H100 SXM and DGX H100: 8 x 400 Gb/s, 2 x 56 cores",
    flops=67e12,
    link=450e9,
    network=50e9,
    group=8,
    cores=14,
)
A100 = Accelerator(
    name="A100 SXM",
    source="NVIDIA's data sheets of A100 SXM and DGX A100: 8 x 200 Gb/s, 2 x 64 cores",
    flops=19.5e12,
    link=300e9,
    network=25e9,
    group=8,
    cores=16,
)
V5E = Accelerator(
    name="TPU v5e",
    source="Google's page of TPU v5e: 197 Tflop/s in bfloat16, of which six products make one of "
    "float32; 400 GB/s both ways, 256 in a pod, 2 x 100 Gb/s a host of 8 with 224 virtual cores",
    flops=197e12 / 6,
    link=200e9,
    network=3.1e9,
    group=256,
    cores=14,
)

AXES = {
    "data": "devices divide the batch",
    "space": "devices divide the rows of every picture",
    "fsdp": "devices divide the batch, the parameters, their averages and moments",
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class StudyConfig:
    """Everything that the results depend on."""

    methods: tuple[DehazeFlowConfig | BilateralConfig, ...] = (
        DehazeFlowConfig(objective=ObjectiveConfig(rollout_solver="euler", rollout_steps=4)),
        BilateralConfig(),
    )
    """What is trained, as in `experiments/configs/*_4k.py`, but for the flow's solver: four Euler
    steps evaluate the field as often as one of RK4."""
    crop_size: int = 512
    """Side of the crops from 4K frames."""
    axes: tuple[Literal["data", "space", "fsdp"], ...] = ("data", "space", "fsdp")
    """Names in `AXES`."""
    devices: tuple[int, ...] = (2, 4, 8)
    """Numbers of simulated devices that are counted."""
    weak_batch: int = 2
    """Examples for each device, whatever their number: weak scaling is counted with these."""
    strong_batch: int = 8
    """Examples of all devices together: strong scaling is counted with these."""
    divided_above: int = 1000
    """With `fsdp`, arrays of at least so many values are divided."""

    accelerators: tuple[Accelerator, ...] = (H100, A100, V5E)
    """What the model is of."""
    modelled: tuple[int, ...] = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
    """Numbers of accelerators that the model is of."""
    batch_per_device: int = 16
    """Examples for each accelerator where the model scales weakly."""
    global_batch: int = 128
    """Examples of all accelerators together where it scales strongly."""
    seconds: float | None = None
    """Of one example on one accelerator, if you have measured it; None counts operations."""
    hop: float = 5e-6
    """Seconds from one accelerator to the next for a message of no bytes. An assumption."""
    overlap: float = 0.0
    """Share of the computing that hides reductions. XLA hides some; none is assumed."""
    crop_seconds: float = 0.027
    """Of one processor core for one crop from tiles of 256, JPEG 95: `bench/results/data.md`."""
    reader_share: float = 0.75
    """Share of the cores that loader processes get. An assumption."""
    critical_batch: int = 512
    """Examples beyond which a larger batch saves less than half of the steps that it should. An
    assumption: it differs from task to task and grows as training goes on."""
    worth: float = 0.1
    """A share of the step that is called the limit."""

    def train_config(
        self,
        method: DehazeFlowConfig | BilateralConfig,
        axis: Literal["data", "space", "fsdp"],
        devices: int,
        batch: int,
    ) -> training.TrainConfig:
        """The run whose step is counted; `batch` is of all devices together."""
        mesh = training.MeshConfig(
            data=1 if axis == "space" else devices,
            space=devices if axis == "space" else 1,
            fsdp=self.divided_above if axis == "fsdp" else 0,
        )
        return training.TrainConfig(
            method=method,
            data=data.DataConfig(batch_size=batch, crop_size=self.crop_size),
            mesh=mesh,
        )


VARIANTS = {
    "full": StudyConfig(),
    # A little of everything; its figures mean nothing.
    "smoke": StudyConfig(
        methods=(
            BilateralConfig(
                backbone="studies.pointwise:Pointwise",
                proxy_size=16,
                grid_size=2,
                grid_depth=2,
                width=4,
            ),
        ),
        crop_size=32,
        devices=(2,),
        weak_batch=1,
        strong_batch=2,
        divided_above=100,
        modelled=(1, 8, 64),
    ),
}
