"""The one exception that a user's input can cause."""

import os


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
