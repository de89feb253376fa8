"""What a run was started on: versions, devices, data, code."""

import datetime
import importlib.metadata
import pathlib
import platform
import subprocess
from typing import Any

import jax

import dehaze_jax

_PACKAGES = (
    "dehaze-jax",
    "jax",
    "jaxlib",
    "flax",
    "optax",
    "diffrax",
    "orbax-checkpoint",
    "grain",
    "tensorflow-datasets",
    "numpy",
)


def machine() -> dict[str, Any]:
    """Versions, platform and devices as JSON values."""
    devices = jax.devices()
    return {
        "time": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "versions": {name: _version(name) for name in _PACKAGES},
        "python": platform.python_version(),
        "platform": platform.platform(),
        "backend": jax.default_backend(),
        "devices": [device.device_kind for device in devices],
        "processes": jax.process_count(),
        "git": revision(pathlib.Path(dehaze_jax.__file__)),
    }


def revision(file: pathlib.Path) -> dict[str, Any] | None:
    """Commit of the checkout that tracks `file` and whether it was changed; None outside of one."""

    def git(*arguments: str) -> str:
        done = subprocess.run(
            ["git", "-C", str(file.parent), *arguments],
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
        return done.stdout.strip()

    try:
        # A package installed into somebody else's checkout is not tracked by it.
        git("ls-files", "--error-unmatch", file.name)
        return {
            "commit": git("rev-parse", "HEAD"),
            "changed": bool(git("status", "--porcelain", "--untracked-files=no")),
        }
    except (OSError, subprocess.SubprocessError):
        return None


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
