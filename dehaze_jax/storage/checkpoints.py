"""Orbax checkpoints of a training state and its place in the data.

A checkpoint is a folder named by its step. It is written in the background under a temporary name
and renamed when it is whole, so an interruption at any point leaves the earlier ones.
"""

import contextlib
import json
import logging
import os
import pathlib
import re
import shutil
import sys
from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp

from dehaze_jax.arrays import Tree
from dehaze_jax.errors import InputError
from dehaze_jax.storage.files import as_input_error

_SIZES = "sizes.json"
_TEMPORARY = "orbax-checkpoint-tmp"


class Checkpoints:
    """The checkpoints of one run, newest last; a context manager that waits for the last save.

    Args:
        folder: created where it is missing, unless `read_only`.
        keep: how many of the newest are kept.
        read_only: nothing is created or deleted.

    Raises:
        InputError: the folder cannot be used.
    """

    def __init__(self, folder: str | os.PathLike[str], *, keep: int = 3, read_only: bool = False):
        _quieten()
        self.folder = pathlib.Path(folder).absolute()
        with as_input_error(self.folder, "cannot hold checkpoints"):
            if not read_only:
                self.folder.mkdir(parents=True, exist_ok=True)
            elif not self.folder.is_dir():
                raise InputError(self.folder, "no checkpoints here")
            self._manager = ocp.CheckpointManager(
                self.folder,
                options=ocp.CheckpointManagerOptions(
                    max_to_keep=None if read_only else keep,
                    create=False,
                    read_only=read_only,
                    cleanup_tmp_directories=not read_only,
                    async_options=ocp.AsyncOptions(post_finalization_callback=self._note_sizes),
                ),
                item_handlers={
                    "state": ocp.PyTreeCheckpointHandler(),
                    "position": ocp.JsonCheckpointHandler(),
                },
            )

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        try:
            if kind is None:
                self.wait()
        finally:
            # Where something failed before, that is what is to be told.
            masked = contextlib.suppress(InputError) if kind else contextlib.nullcontext()
            with masked, _SavingErrors(self.folder):
                self._manager.close()

    def latest(self) -> int | None:
        """Step of the newest whole checkpoint."""
        return self._manager.latest_step()

    def steps(self) -> list[int]:
        """Steps of all whole checkpoints, in order."""
        return sorted(self._manager.all_steps())

    def save(self, step: int, state: Tree, position: Mapping[str, Any]) -> None:
        """Starts saving and returns once the state may be changed.

        Args:
            step: name of the checkpoint.
            state: pytree of arrays, sharded in any way.
            position: place in the data and whatever else the run needs to go on; JSON.

        Raises:
            InputError: this or the preceding save failed; names the folder. Earlier checkpoints
                are intact. What is half-written is removed, at the latest when the folder is opened
                the next time: arrays of the same state may still be under way.
        """
        self.wait()
        size = sum(leaf.nbytes for leaf in jax.tree.leaves(state))
        with as_input_error(self.folder, f"checkpoint of step {step} not saved"):
            free = shutil.disk_usage(self.folder).free
            if free < size:
                raise InputError(
                    self.folder,
                    f"checkpoint of step {step} not saved: it takes {size / 1e6:.1f} MB and the "
                    f"disk has {free / 1e6:.1f} MB left",
                )
        with _SavingErrors(self.folder):
            self._manager.save(
                step,
                args=ocp.args.Composite(
                    state=ocp.args.PyTreeSave(state),
                    position=ocp.args.JsonSave(dict(position)),
                ),
                force=True,
            )

    def wait(self) -> None:
        """Returns when the last save is on disk.

        Raises:
            InputError: that save failed.
        """
        with _SavingErrors(self.folder):
            self._manager.wait_until_finished()

    def restore(self, target: Tree, step: int | None = None) -> tuple[Tree, dict[str, Any]]:
        """Reads a checkpoint onto the devices that `target` names.

        Args:
            target: pytree of `jax.ShapeDtypeStruct` with shardings. The number of devices may
                differ from the one that saved.
            step: which checkpoint; the newest by default.

        Returns:
            The state in the structure of `target`, and the position.

        Raises:
            InputError: no checkpoint, one that is cut off, or one of another model.
        """
        step = self._checked(step)
        self._match(step, target)
        return self._read(
            step,
            ocp.args.PyTreeRestore(
                item=target, restore_args=ocp.checkpoint_utils.construct_restore_args(target)
            ),
        )

    def restore_part(self, name: str, step: int | None = None) -> Tree:
        """One top-level field of a saved state as NumPy arrays, without a target.

        Raises:
            InputError: no checkpoint, one that is cut off, or no such field.
        """
        step = self._checked(step)
        saved = self._saved(step)
        if name not in saved:
            raise InputError(self.folder / str(step), f"holds no {name}")
        part = {name: saved[name]}
        state, _ = self._read(
            step,
            ocp.args.PyTreeRestore(
                item=jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), part),
                restore_args=jax.tree.map(lambda _: ocp.RestoreArgs(restore_type=np.ndarray), part),
                partial_restore=True,
            ),
        )
        return state[name]

    def _read(self, step: int, how: ocp.args.PyTreeRestore) -> tuple[Tree, dict[str, Any]]:
        try:
            read = self._manager.restore(
                step, args=ocp.args.Composite(state=how, position=ocp.args.JsonRestore())
            )
        except Exception as error:  # TensorStore and JSON errors have no common class
            if _is_of_devices(error):
                raise
            raise _damaged(self.folder / str(step), str(error)) from error
        return read["state"], read["position"]

    def _checked(self, step: int | None) -> int:
        """The step to read, once its files are known to be whole."""
        if step is None:
            step = self.latest()
        if step is None or step not in self.steps():
            wanted = "no checkpoints here" if step is None else f"no checkpoint of step {step}"
            raise InputError(self.folder, wanted)
        # TensorStore reports a short file from its own threads, past any handler.
        folder = self.folder / str(step)
        try:
            sizes = json.loads((folder / _SIZES).read_bytes())
        except (OSError, ValueError) as error:
            raise _damaged(folder, f"no list of its files ({_SIZES})") from error
        for name, size in sizes.items():
            file = folder / name
            if not file.is_file():
                raise _damaged(folder, f"{name} is missing")
            if file.stat().st_size != size:
                raise _damaged(folder, f"{name} has {file.stat().st_size} bytes of {size}")
        return step

    def _saved(self, step: int) -> Tree:
        """Shapes and types of the saved state, as nested dictionaries and lists."""
        return self._manager.item_metadata(step)["state"].tree

    def _match(self, step: int, target: Tree) -> None:
        saved = _named(self._saved(step))
        wanted = _named(target)
        for name in [*wanted, *saved]:
            if saved.get(name) != wanted.get(name):
                raise InputError(
                    self.folder / str(step),
                    f"belongs to another model: {name} is {_describe(saved.get(name))}, "
                    f"expected {_describe(wanted.get(name))}",
                )

    def _note_sizes(self) -> None:
        """Writes the list of files into the checkpoint that is about to get its name."""
        if jax.process_index() != 0:
            return
        for folder in self.folder.glob(f"*.{_TEMPORARY}"):
            sizes = {
                str(file.relative_to(folder)): file.stat().st_size
                for item in ("state", "position")
                for file in sorted((folder / item).rglob("*"))
                if file.is_file()
            }
            (folder / _SIZES).write_text(json.dumps(sizes))


class _SavingErrors:
    """Orbax's failure to save as one line; removes what was half-written."""

    def __init__(self, folder: pathlib.Path):
        self.folder = folder

    def __enter__(self):
        return self

    def __exit__(self, kind, error, _):
        if error is None or not isinstance(error, Exception) or _is_of_devices(error):
            return
        for folder in self.folder.glob(f"*.{_TEMPORARY}"):
            shutil.rmtree(folder, ignore_errors=True)
        if isinstance(error, OSError) and error.strerror:
            reason = error.strerror
        elif number := re.search(r"os_error_code='(\d+)'", str(error)):
            # TensorStore tells a long story; the operating system's own word is in it.
            reason = os.strerror(int(number[1]))
        else:
            reason = str(error).split("[tensorstore_spec")[0]
        raise InputError(self.folder, f"checkpoint not saved: {reason}") from error


def _damaged(folder: pathlib.Path, how: str) -> InputError:
    return InputError(folder, f"is damaged: {how}; without this folder the one before is taken")


def _is_of_devices(error: Exception) -> bool:
    """Whether processes that save or read together have lost one another."""
    return jax.process_count() > 1 and isinstance(error, jax.errors.JaxRuntimeError)


def _named(tree: Tree) -> dict[str, tuple[tuple[int, ...], str]]:
    leaves, _ = jax.tree_util.tree_flatten_with_path(tree)
    return {
        "/".join(_key(key) for key in path): (tuple(leaf.shape), str(np.dtype(leaf.dtype)))
        for path, leaf in leaves
    }


def _key(key: Any) -> str:
    for attribute in ("key", "idx", "name"):
        if hasattr(key, attribute):
            return str(getattr(key, attribute))
    return str(key)


def _describe(leaf: tuple[tuple[int, ...], str] | None) -> str:
    return "absent" if leaf is None else f"{leaf[1]}{list(leaf[0])}"


def _quieten() -> None:
    """Of a failure the user hears once, through the exception.

    Orbax tells of its work through absl's logger. Where one array cannot be written it leaves the
    others to themselves, and each complains: of its own failure, or that nobody listens to it.
    """
    for name, wanted in (("absl", _not_orbax), ("asyncio", _not_left_alone)):
        logger = logging.getLogger(name)
        if wanted not in logger.filters:
            logger.addFilter(wanted)
    if not isinstance(sys.unraisablehook, _Unraisable):
        sys.unraisablehook = _Unraisable(sys.unraisablehook)


def _not_orbax(record: logging.LogRecord) -> bool:
    return f"{os.sep}orbax{os.sep}" not in record.pathname


def _not_left_alone(record: logging.LogRecord) -> bool:
    return "[tensorstore_spec" not in record.getMessage()


class _Unraisable:
    """Passes on what cannot be raised, but for writes that end after orbax stopped to listen."""

    def __init__(self, others: Callable[[Any], object]):
        self._others = others

    def __call__(self, unraisable: Any) -> None:
        if unraisable.object is not None or str(unraisable.exc_value) != "Event loop is closed":
            self._others(unraisable)
