"""The function that users hold: NumPy picture in, NumPy picture out."""

from collections.abc import Generator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from dehaze_jax.arrays import Tree
from dehaze_jax.errors import InputError
from dehaze_jax.methods.config import RestoreOptions
from dehaze_jax.methods.protocol import Method
from dehaze_jax.restoring import strips
from dehaze_jax.restoring.cutting import STRIP_PIXELS, Finish, PixelRows, Progress
from dehaze_jax.restoring.mapping import PictureMaps, map_rows, maps_of
from dehaze_jax.restoring.memory import available_memory, device_memory
from dehaze_jax.restoring.ways import Task, Way, choose_way

_TYPES = ("uint8", "uint16", "float16", "float32", "float64")
_FEW_EVALUATIONS = 1024
_TOLERANCE = 1e-3  # resampling leaves float pictures a little outside [0, 1]


class Restorer:
    """Restores pictures with a trained method.

    Attributes:
        method: what restores.
        variables: its trained variables, on the first device.
        options: solver and steps.
        config: configuration of the method, where it was loaded from disk.
        card: how the weights were made, where they were loaded from disk.

    Args:
        method: what restores.
        variables: its trained variables.
        options: solver and steps; default is the method's own.
        strip_pixels: with one device, pixels that are worked on at once; bounds the memory. A
            method that looks at neighbours gets four rows for each row of its halo at least.
        devices: several devices share the rows of every picture that they have room for; default
            is the first device.
        memory: bytes that pictures may take; default is what is free, see `available_memory`.
        config: see above.
        card: see above.
    """

    def __init__(
        self,
        method: Method,
        variables: Tree,
        options: RestoreOptions | None = None,
        *,
        strip_pixels: int = STRIP_PIXELS,
        devices: Sequence[strips.Device] = (),
        memory: int | None = None,
        config: Any = None,
        card: Any = None,
    ):
        if strip_pixels < 1:
            raise InputError("strip_pixels", f"must be at least 1, not {strip_pixels}")
        if memory is not None and memory < 1:
            raise InputError("memory", f"must be at least 1 byte, not {memory}")
        self.method = method
        self.options = options or method.options
        self.config = config
        self.card = card
        self._strip_pixels = strip_pixels
        self._memory = memory
        self._devices = list(devices) or jax.local_devices()[:1]
        self.variables = jax.device_put(variables, self._devices[0])

    def __call__(
        self, image: np.ndarray, *, progress: Progress | None = None, way: Way | None = None
    ) -> np.ndarray:
        """Restores one picture.

        Args:
            image: `[h, w, 3]` RGB or `[h, w]` grey, sRGB-encoded; uint8 or uint16 in full range, or
                float16, float32 or float64 in [0, 1]. Arithmetic is float32.
            progress: called with rows done and rows in all.
            way: what `choose_way` said of its file; default is the best for a picture that is held
                already.

        Returns:
            The restored picture, of the same shape and type.

        Raises:
            InputError: the picture has another shape or type, is empty, holds values that are not
                finite or outside [0, 1], or the model returned values that are not finite; it
                takes more memory than this restorer was given.
        """
        return self.begin(image, way=way)(progress)

    def begin(self, image: np.ndarray, *, way: Way | None = None) -> Finish:
        """Begins to restore one picture: all that is global in it is under way on the device.

        So the next picture of many can be begun while one is restored.

        Args:
            image: see `__call__`; it is read again when the picture is restored.
            way: see `__call__`.

        Returns:
            What ends it; it holds the picture.

        Raises:
            InputError: see `__call__`.
        """
        image = _check(image)
        way = way or self._choose_way(image)
        context = self._summarise(image)
        return lambda progress: self._render(image, context, progress, way)

    def stream(
        self, picture: PixelRows, *, progress: Progress | None = None
    ) -> Generator[np.ndarray, None, None]:
        """Restores a picture that is never held whole.

        Args:
            picture: of the shapes and types of `__call__`; anything with `shape`, `dtype` and
                `picture[start:stop]`, such as `numpy.memmap`. Rows are asked for from top to
                bottom, twice; all of them at once by a method that has to see every pixel.
            progress: called with rows done and rows in all.

        Yields:
            Restored rows `[rows, w, *c]` from top to bottom, of the type of the picture.

        Raises:
            InputError: see `__call__`.
        """
        checked = _CheckedRows(picture)
        return strips.restore_bands(
            self.method,
            self.variables,
            self._summarise(checked),
            checked,
            strip_pixels=self._strip_pixels,
            progress=progress,
        )

    def choose_way(self, height: int, width: int, pixel_bytes: int, **files: Any) -> Way:
        """In which way a picture is restored, by its size and the memory there is.

        Args:
            height: its rows.
            width: its columns.
            pixel_bytes: bytes of a pixel.
            **files: what its files allow, see `ways.Task`.

        Raises:
            InputError: there is too little memory for every way.
        """
        memory = available_memory() if self._memory is None else self._memory
        return self._choose(height, width, pixel_bytes, memory=memory, **files)

    def _choose(
        self, height: int, width: int, pixel_bytes: int, *, memory: int | None, **files: Any
    ) -> Way:
        task = Task(
            height=height,
            width=width,
            pixel_bytes=pixel_bytes,
            reduction=strips.reduction(self.method, height, width),
            halo=self.method.halo,
            context=self._context_bytes(height, width),
            strip_pixels=self._strip_pixels,
            **files,
        )
        return choose_way(
            task,
            memory=memory,
            devices=len(self._devices),
            device_memory=device_memory(self._devices[0]),
        )

    def maps(self, image: np.ndarray, *, progress: Progress | None = None) -> PictureMaps:
        """What the method finds in a picture beside the restored one, which is not computed.

        For `nedr` these are the planes `transmission` and `depth` and the values `airlight` `[3]`
        and `density` `[]`. They are found strip by strip, with several devices on the first one.

        Args:
            image: see `__call__`.
            progress: called with rows done and rows in all.

        Raises:
            InputError: the method finds no maps; the picture cannot be used, see `__call__`.
        """
        maps_of(self.method)
        image = _check(image)
        self._choose_way(image, maps=True)
        return self._map(image, self._summarise(image), progress)

    def restore_with_maps(
        self, image: np.ndarray, *, progress: Progress | None = None, way: Way | None = None
    ) -> tuple[np.ndarray, PictureMaps]:
        """The restored picture and its maps; what is global in it is computed once for both.

        Args:
            image: see `__call__`.
            progress: called with rows done and rows in all; every row counts twice.
            way: of the restored picture, see `__call__`.

        Returns:
            What `__call__` and `maps` return.

        Raises:
            InputError: see `__call__` and `maps`.
        """
        maps_of(self.method)
        image = _check(image)
        way = way or self._choose_way(image, maps=True)
        context = self._summarise(image)
        restored = self._render(image, context, _half(progress, 0), way)
        return restored, self._map(image, context, _half(progress, 1))

    def _choose_way(self, image: np.ndarray, *, maps: bool = False) -> Way:
        height, width = image.shape[:2]
        # It is held already: what is free is no reason to refuse it, only a bound that was given.
        pixel_bytes = image.nbytes // (height * width)
        return self._choose(height, width, pixel_bytes, memory=self._memory, maps=maps)

    def _context_bytes(self, height: int, width: int) -> int:
        """Of what is global in a picture; it is small but for a solve of very many evaluations."""
        count = self.method.evaluations
        if count is None or count(self.options) <= _FEW_EVALUATIONS:
            return 0
        factor = strips.reduction(self.method, height, width)
        hazy = jax.ShapeDtypeStruct((-(-height // factor), -(-width // factor), 3), jnp.float32)
        context = jax.eval_shape(
            lambda variables, hazy: self.method.summarise(variables, hazy, self.options),
            self.variables,
            hazy,
        )
        return sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(context))

    def _summarise(self, image: PixelRows) -> Tree:
        return strips.summarise_picture(
            self.method, self.variables, image, self.options, device=self._devices[0]
        )

    def _render(
        self, image: np.ndarray, context: Tree, progress: Progress | None, way: Way
    ) -> np.ndarray:
        if way.name == "devices":
            return strips.render_sharded(
                self.method, self.variables, context, image, devices=self._devices
            )
        return strips.restore_rows(
            self.method,
            self.variables,
            context,
            image,
            strip_pixels=self._strip_pixels,
            progress=progress,
        )

    def _map(self, image: np.ndarray, context: Tree, progress: Progress | None) -> PictureMaps:
        return map_rows(
            self.method, context, image, strip_pixels=self._strip_pixels, progress=progress
        )


class _CheckedRows:
    """Rows that are looked at as soon as they are read."""

    def __init__(self, rows: PixelRows):
        self.shape, self.dtype = rows.shape, rows.dtype
        self._rows = rows
        _check_kind(self.shape, self.dtype)

    def __getitem__(self, rows: slice) -> np.ndarray:
        return _check(self._rows[rows])


def _half(progress: Progress | None, number: int) -> Progress | None:
    """Progress of the first or the second of two rounds over the rows."""
    if progress is None:
        return None
    return lambda done, total: progress(number * total + done, 2 * total)


def _check(image: np.ndarray) -> np.ndarray:
    image = np.asarray(image)
    _check_kind(image.shape, image.dtype)
    if image.dtype.kind == "f":
        low, high = float(image.min()), float(image.max())
        if not (np.isfinite(low) and np.isfinite(high)):
            raise InputError("picture", "holds values that are not finite")
        if low < -_TOLERANCE or high > 1 + _TOLERANCE:
            raise InputError("picture", f"float values must lie in [0, 1], not [{low:g}, {high:g}]")
    return image


def _check_kind(shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    if len(shape) not in (2, 3) or (len(shape) == 3 and shape[-1] != 3):
        raise InputError("picture", f"shape must be [h, w, 3] or [h, w], not {shape}")
    if dtype.name not in _TYPES:
        raise InputError("picture", f"type must be one of {', '.join(_TYPES)}, not {dtype}")
    if 0 in shape:
        raise InputError("picture", f"has no pixels: shape {shape}")
