"""How long work on many examples tells of itself."""

from collections.abc import Callable
from typing import TypeAlias

Progress: TypeAlias = Callable[[int, int], None]
"""Called with the examples done and the examples in all."""
