"""The exceptions of this package; quick to import, so that a user's mistake is reported at once."""

import errno
import os

_OF_THE_SYSTEM = {errno.ENOSPC: "No space left", errno.EROFS: "Read-only file", errno.EFBIG: "File too large"}


class ConfigError(Exception):
    """Invalid input from a user; its message is one sentence: what is wrong, where, and what would be right."""


class EnvironmentFault(ConfigError):
    """An environment raised an error or returned an invalid value; the message names the problem, copy and step.

    Attributes:
        trace: the traceback of the environment's error; None if it returned an invalid value.
    """

    def __init__(self, message: str, trace: str | None = None) -> None:
        super().__init__(message)
        self.trace = trace


class FolderInUse(ConfigError):
    """The run folder is in use by another process, which the message names."""


class Stopped(Exception):
    """The run was asked to stop and has saved everything; the message says how to resume it."""


class TrainingFailed(Exception):
    """Training cannot continue; the message says why and where, and is also in FAILED.json."""


class CannotDraw(Exception):
    """A scene cannot be drawn on this machine; the message says why. The run continues without a video."""


def as_os_error(error: Exception, where: object) -> OSError | None:
    """Return the operating system's error that a storage library may have wrapped in its own; None if it is another."""
    if isinstance(error, OSError):
        return error if error.filename else OSError(error.errno, error.strerror, str(where))
    for number, words in _OF_THE_SYSTEM.items():
        if words in str(error):
            return OSError(number, os.strerror(number), str(where))
    return None


def one_line(error: BaseException) -> str:
    """Return the first line of an error's message without its full stop, or its type if the message is empty."""
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__


def warn(sentence: str) -> None:
    """Print a warning about something that is allowed but probably not intended."""
    print(f"Warning: {sentence}", flush=True)
