"""Ends commands: one sentence and an exit code for each thing that can go wrong. Light to import."""

import logging
import os
import re
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

from hydra.errors import HydraException, OverrideParseException

from rl_rewards.command_line.arguments import missing_choice, moved_key, unknown_key, unreadable
from rl_rewards.core.errors import ConfigError, Stopped, TrainingFailed

FAILED, REFUSED = 1, 2
INTERRUPTED = 130
"""The exit code that shells give a program ended by Ctrl-C."""
REQUEUE = 75
"""Exit code (EX_TEMPFAIL) of a run that was asked to stop and has saved everything: start it again."""

_ASKED_FOR_TRACEBACKS = os.environ.get("HYDRA_FULL_ERROR") == "1"


def raise_here() -> None:
    """Let Hydra raise instead of printing its own traceback, so that :func:`guarded` sees every failure."""
    os.environ["HYDRA_FULL_ERROR"] = "1"
    logging.raiseExceptions = False  # no traceback for a log that cannot be written
    # Threads of the storage library print through each of these.
    sys.excepthook, sys.unraisablehook, threading.excepthook = _excepthook, _unraisablehook, _thread_excepthook


def _is_late_writer(error: BaseException | None) -> bool:
    """Return True for the error of a thread whose checkpoint could not be written; that was reported before."""
    return str(error) == "Event loop is closed"


def _excepthook(kind: type[BaseException], error: BaseException, trace: Any) -> None:
    if not _is_late_writer(error):
        sys.__excepthook__(kind, error, trace)


def _unraisablehook(unraisable: Any) -> None:
    if not _is_late_writer(unraisable.exc_value):
        sys.__unraisablehook__(unraisable)


def end_with_the_reader() -> None:
    """Let the process end silently when its output is no longer read, as in ``--help | head``."""
    if hasattr(signal, "SIGPIPE"):
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)


def _thread_excepthook(failure: threading.ExceptHookArgs) -> None:
    """Report nothing for a checkpoint's writer: its failure is raised where the run waits for the checkpoint."""
    if not type(failure.thread).__module__.startswith("orbax."):
        threading.__excepthook__(failure)


@contextmanager
def guarded() -> Iterator[None]:
    """Turn every failure of the block into one sentence and an exit code."""
    try:
        yield
    except ConfigError as error:
        leave(f"Error: {error}", REFUSED)
    except HydraException as error:
        if _ASKED_FOR_TRACEBACKS:
            raise
        leave(f"Error: {composition_sentence(error)}", REFUSED)
    except TrainingFailed as error:
        leave(f"Error: {error}", FAILED)
    except Stopped as stopped:
        leave(str(stopped), REQUEUE)
    except OSError as error:
        leave(f"Error: {file_sentence(error)}", FAILED)
    except KeyboardInterrupt:
        leave("Stopped at once by Ctrl-C; everything saved before is kept.", INTERRUPTED)
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        leave(f"Error: {memory_sentence(error)}", FAILED)
    except ValueError as error:
        if not isinstance(error.__cause__, OSError):  # from Hydra's log, which it opens in the run's folder
            raise
        leave(f"Error: {file_sentence(error.__cause__)}", FAILED)


@contextmanager
def as_config_errors() -> Iterator[None]:
    """Turn Hydra's errors about a configuration into ConfigErrors with the command line's sentences."""
    try:
        yield
    except HydraException as error:
        raise ConfigError(composition_sentence(error)) from None


def leave(message: str, code: int) -> NoReturn:
    """Print ``message`` as an error and end the process with ``code``."""
    print(message, file=sys.stderr)
    sys.exit(code)


def composition_sentence(error: HydraException) -> str:
    """Return Hydra's message about a command line that does not compose, in one line without its search path."""
    if isinstance(error, OverrideParseException):
        return unreadable(error.override, str(error).splitlines()[0])
    said = str(error).removeprefix("In 'config': ").partition("Config search path:")[0]
    head, *rest = [line.strip() for line in said.splitlines() if line.strip()]
    rest = [line for line in rest if not line.startswith(("To append to your config", "Did you mean", "See https"))]
    if (several := re.match(r"Ambiguous value for argument '(.*)'$", head)) is not None:
        return unreadable(
            several[1], "it has several values; add --multirun to sweep over them, or write a list as [a,b]"
        )
    if (instead := missing_choice(head)) is not None:
        return instead
    if (instead := moved_key(head) or unknown_key(head)) is not None:
        return instead
    if rest and rest[0].startswith("Available options"):
        return f"{head}. {rest[0]} {', '.join(rest[1:])}."
    return " ".join([head, *rest])


def file_sentence(error: OSError) -> str:
    """Return a sentence that says which file could not be read or written, and that nothing is lost."""
    where = f" {error.filename}" if error.filename else ""
    return (
        f"cannot read or write{where}: {error.strerror or error}. Everything written before is kept; once this is "
        "fixed, the same command with the same hydra.run.dir continues the run."
    )


def is_out_of_memory(error: BaseException) -> bool:
    """Return True if an allocation failed, on the host or, as JAX reports it, on a device."""
    return isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in str(error)


def memory_sentence(error: BaseException) -> str:
    """Return the sentence for a run that does not fit in memory."""
    told = str(error).partition("RESOURCE_EXHAUSTED: ")[2] or str(error) or "an allocation failed"
    return (
        f"the run does not fit in memory ({told.splitlines()[0].rstrip('.')}). Use fewer seeds or environments, "
        "smaller batches or smaller networks (num_seeds, algorithm.num_envs, keys with batch or hidden in their "
        "names). Everything saved before is kept."
    )
