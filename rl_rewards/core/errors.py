"""What is raised for mistakes of the user's; light to import, so that they are told at once."""

import errno
import os

_OF_THE_SYSTEM = {errno.ENOSPC: "No space left", errno.EROFS: "Read-only file", errno.EFBIG: "File too large"}


class ConfigError(Exception):
    """Bad input from a user; its text is one plain sentence: what is wrong, where, and what would be right."""


class EnvironmentFault(ConfigError):
    """An environment raised or returned what cannot be used; the text says what, in which copy of it, at which step.

    Attributes:
        trace: the traceback of what its code raised; None where it returned.
    """

    def __init__(self, message: str, trace: str | None = None) -> None:
        super().__init__(message)
        self.trace = trace


class FolderInUse(ConfigError):
    """Another process runs in the folder of a run; its text names the process."""


class Stopped(Exception):
    """Asked to stop from outside, with everything saved; its text says how to go on."""


class TrainingFailed(Exception):
    """Training cannot go on; its text says why and where. FAILED.json holds the same."""


class CannotDraw(Exception):
    """A scene cannot be drawn on this machine; its text says why. A run goes on without its video."""


def as_os_error(error: Exception, where: object) -> OSError | None:
    """The operating system's error that a storage library has wrapped in one of its own, if that is what it is."""
    if isinstance(error, OSError):
        return error if error.filename else OSError(error.errno, error.strerror, str(where))
    for number, words in _OF_THE_SYSTEM.items():
        if words in str(error):
            return OSError(number, os.strerror(number), str(where))
    return None


def one_line(error: BaseException) -> str:
    """The first line of an error's text, or its kind where it has none, without a full stop."""
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__


def warn(sentence: str) -> None:
    """Tell the person at the console about something that is allowed, and probably not what is wanted."""
    print(f"Warning: {sentence}", flush=True)
