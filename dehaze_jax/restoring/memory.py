"""How much memory there is for pictures."""

import pathlib
from collections.abc import Iterator
from typing import Any

_UNLIMITED = 2**60  # kernels write "no limit" as a number near 2^63


def available_memory(root: pathlib.Path = pathlib.Path("/")) -> int | None:
    """Bytes that this process may still ask for, on Linux; None where that is not known.

    The least of what the machine has left and what the control groups of the process (containers,
    SLURM jobs) leave it.

    Args:
        root: of the file system.
    """
    meminfo = _table(root / "proc/meminfo")
    if "MemAvailable" not in meminfo:
        return None
    return min([meminfo["MemAvailable"] * 1024, *_left_by_groups(root)])


def device_memory(device: Any) -> int | None:
    """Bytes that a device has for itself; None for those that work in the machine's memory."""
    return (device.memory_stats() or {}).get("bytes_limit") if device.platform != "cpu" else None


def readable(size: int) -> str:
    """Bytes for people."""
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"


def _left_by_groups(root: pathlib.Path) -> Iterator[int]:
    """What each limit on the way up leaves."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if not controllers:
            top, limit, usage = root / "sys/fs/cgroup", "memory.max", "memory.current"
        elif "memory" in controllers.split(","):
            top, limit, usage = (
                root / "sys/fs/cgroup/memory",
                "memory.limit_in_bytes",
                "memory.usage_in_bytes",
            )
        else:
            continue
        # In a container the path may be the host's, and the group lies at the top.
        parts = pathlib.PurePosixPath(path.lstrip("/"))
        for group in {top, *(top / part for part in (parts, *parts.parents))}:
            most, used = _number(group / limit), _number(group / usage)
            if most is not None and used is not None and most < _UNLIMITED:
                # Pages of files count as used and are given back when memory is asked for.
                statistics = _table(group / "memory.stat")
                files = statistics.get("total_inactive_file", statistics.get("inactive_file", 0))
                yield max(0, most - used + files)


def _number(file: pathlib.Path) -> int | None:
    """None where there is no such file, or no limit."""
    try:
        return int(file.read_text())
    except (OSError, ValueError):
        return None


def _table(file: pathlib.Path) -> dict[str, int]:
    """Lines of a name and a number; empty where there is no such file."""
    try:
        lines = [line.replace(":", " ").split() for line in file.read_text().splitlines()]
    except OSError:
        return {}
    return {line[0]: int(line[1]) for line in lines if len(line) > 1 and line[1].isdecimal()}
