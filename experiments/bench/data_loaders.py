"""The loaders that the benchmark compares: ours on three kinds of sets, and PyTorch's."""

import pathlib
from collections.abc import Generator, Sequence
from typing import Any

import numpy as np
from data_sets import pair_files

CROP, BATCH = 512, 8


def our_batches(folder: pathlib.Path, workers: int) -> Generator[Any, None, None]:
    """Batches of native crops of a prepared set, flipped and turned."""
    from dehaze_jax.data import DataConfig, train_batches

    config = DataConfig(
        train=(str(folder),), crop="native", crop_size=CROP, batch_size=BATCH, workers=workers
    )
    return train_batches(config, seed=0)


class DecodeAndCrop:
    """The usual dataset of PyTorch code: decodes both frames, and crops, flips and turns them.

    Args:
        files: hazy and clear file of each pair.
    """

    def __init__(self, files: Sequence[tuple[pathlib.Path, pathlib.Path]]):
        self.files = files

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        import torch  # pyright: ignore[reportMissingImports]
        from PIL import Image

        frames = [Image.open(path).convert("RGB") for path in self.files[index]]
        width, height = frames[0].size
        left = int(torch.randint(width - CROP + 1, ()))
        top = int(torch.randint(height - CROP + 1, ()))
        flip, turns = bool(torch.randint(2, ())), int(torch.randint(4, ()))
        crops = []
        for frame in frames:
            pixels = np.asarray(frame.crop((left, top, left + CROP, top + CROP)))
            crop = torch.from_numpy(pixels.copy()).permute(2, 0, 1).float().div_(255)
            crop = crop.flip(-1) if flip else crop
            crops.append(crop.rot90(turns, (-2, -1)).contiguous())
        return crops[0], crops[1]


def torch_batches(root: pathlib.Path, workers: int) -> Generator[Any, None, None]:
    """Batches of PyTorch's DataLoader without end."""
    import torch  # pyright: ignore[reportMissingImports]

    dataset: Any = DecodeAndCrop(pair_files(root))
    draws = torch.utils.data.RandomSampler(dataset, replacement=True, num_samples=10**6)
    yield from torch.utils.data.DataLoader(dataset, BATCH, sampler=draws, num_workers=workers)
