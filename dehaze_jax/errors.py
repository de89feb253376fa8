"""The one exception that a user's input can cause."""

import os
from collections.abc import Mapping
from typing import Any, Literal, get_args, get_origin, get_type_hints


class InputError(ValueError):
    """Something the user gave cannot be used.

    The message is one line that names the thing and the reason; the command line prints it as it
    is and exits non-zero.

    Args:
        subject: the file, folder, field or name that is at fault.
        reason: what is wrong with it, in a few words.
    """

    def __init__(self, subject: str | os.PathLike[str], reason: str):
        self.subject = os.fspath(subject)
        self.reason = reason
        super().__init__(" ".join(f"{self.subject}: {reason}".split()))

    def __reduce__(self):  # crosses process borders (loader workers)
        return type(self), (self.subject, self.reason)


def check_fields(config: Any, rules: Mapping[str, tuple[bool, str]]) -> None:
    """Checks values of a configuration; those of `Literal` fields against the type.

    Args:
        config: a dataclass.
        rules: for each field whether its value is right, and what it has to be.

    Raises:
        InputError: names the class, the field and its value.
    """
    for field, kind in get_type_hints(type(config)).items():
        options = get_args(kind)
        if get_origin(kind) is Literal and getattr(config, field) not in options:
            raise InputError(
                f"{type(config).__name__}.{field}",
                f"{getattr(config, field)!r} is none of {', '.join(map(str, options))}",
            )
    for field, (holds, rule) in rules.items():
        if not holds:
            raise InputError(
                f"{type(config).__name__}.{field}", f"{getattr(config, field)!r} {rule}"
            )
