"""Atomic writing of small files, reading with clear errors, and locks that are released when their process ends."""

import errno
import fcntl
import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any

from rl_rewards.core.errors import ConfigError

NO_LOCKS = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS)
"""The errors of a file system that does not support locks."""
HOLDER = "{holder}"
"""In the message about a lock that is taken, this stands for the process that holds it and its machine."""


@contextmanager
def replaced(path: Path, *, binary: bool = False, private: bool = False) -> Iterator[IO[Any]]:
    """Open a file that replaces ``path`` atomically and is flushed to disk at the end of the block.

    Args:
        binary: write bytes, not text.
        private: only the owner may read the file (mode 0600).

    Raises:
        OSError: if it cannot be written; an earlier file at ``path`` is kept.
    """
    temporary = path.with_name(path.name + ".tmp")
    mode = 0o600 if private else 0o666
    try:
        temporary.unlink(missing_ok=True)  # a killed process may have left one, with another mode
        with open(
            temporary,
            "wb" if binary else "w",
            encoding=None if binary else "utf-8",
            opener=lambda name, flags: os.open(name, flags, mode),
        ) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    _sync_folder(path.parent)


def write_whole(path: Path, text: str, *, private: bool = False) -> None:
    """Write ``text`` to ``path`` atomically, as :func:`replaced` does."""
    with replaced(path, private=private) as file:
        file.write(text)


def _sync_folder(folder: Path) -> None:
    """Flush the folder's entry of the new file to disk if the file system supports it."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(handle)
    except OSError:
        pass
    finally:
        os.close(handle)


def read_text(path: Path) -> str:
    """Return the text of a file.

    Raises:
        ConfigError: if it cannot be read, or is not UTF-8 text.
    """
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror or error}.") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} cannot be read: it is not a text file (byte {error.start} is not UTF-8).") from error


def read_json(path: Path) -> dict[str, Any]:
    """Return the JSON object in a file.

    Raises:
        ConfigError: if the file cannot be read or holds anything else.
    """
    text = read_text(path)
    if not text.strip():
        raise ConfigError(f"{path} is empty; it must hold one JSON object.")
    content = parse_json(text, str(path))
    if not isinstance(content, dict):
        raise ConfigError(f"{path} must hold one JSON object.")
    return content


def parse_json(text: str, where: str) -> Any:
    """Return the value that the JSON ``text`` encodes.

    Raises:
        ConfigError: if it is not JSON; the message begins with ``where``.
    """
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:  # a number with too many digits raises a plain ValueError
        raise ConfigError(f"{where} is not valid JSON: {error}.") from error


@contextmanager
def locked(path: Path, busy: str, refusal: type[ConfigError] = ConfigError) -> Iterator[IO[str]]:
    """Hold the lock file ``path`` while the block runs; the lock ends with the process, the file stays.

    The block gets the open file: a child process that inherits it holds the lock, too, until it ends.

    The file names the process and the machine that hold the lock. On a file system without locks, only this entry is
    checked: if its process runs on this machine, the lock is taken; if it ran on another machine, a warning is printed.

    Args:
        busy: the message if the lock is taken, in which ``HOLDER`` stands for the process that holds it.
        refusal: the exception to raise if another process holds the lock.

    Raises:
        ConfigError: ``refusal``, if the lock is taken.
        OSError: if the file cannot be opened.
    """
    with path.open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in NO_LOCKS:
                raise refusal(busy.replace(HOLDER, _in_words(_holder(path)))) from error
            _ask_the_file(path, busy, refusal)
        file.truncate(0)
        file.write(json.dumps({"pid": os.getpid(), "host": socket.gethostname()}) + "\n")
        file.flush()
        try:
            yield file
        finally:
            file.truncate(0)


@contextmanager
def locked_within(seconds: float, path: Path, busy: str, refusal: type[ConfigError] = ConfigError) -> Iterator[IO[str]]:
    """Hold the lock file ``path`` as :func:`locked` does, after waiting until it is free for up to ``seconds``."""
    until, pause = time.monotonic() + seconds, 0.02
    with ExitStack() as held:
        while True:
            try:
                file = held.enter_context(locked(path, busy, refusal))
                break
            except refusal:
                if time.monotonic() >= until:
                    raise
            time.sleep(pause)
            pause = min(1.5 * pause, 0.5)
        yield file


def is_held(path: Path) -> bool:
    """Return True if a process holds the lock file ``path``, without taking the lock from a process that starts now.

    On a file system without locks, the process that the file names may hold it if it still runs on this machine, or if
    it ran on another.
    """
    if not (holder := _holder(path)):
        return False
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in NO_LOCKS:
            return holder["host"] != socket.gethostname() or Path(f"/proc/{holder['pid']}").exists()
        return True
    return False


def _holder(path: Path) -> dict[str, Any]:
    """Return the process and the machine that the lock file names; empty if it names none."""
    try:
        found = read_json(path)
    except ConfigError:
        return {}
    return found if {"pid", "host"} <= set(found) else {}


def _in_words(holder: dict[str, Any]) -> str:
    return f"process {holder['pid']} on {holder['host']}" if holder else "another process"


def _ask_the_file(path: Path, busy: str, refusal: type[ConfigError]) -> None:
    """Raise ``refusal`` if the process that the file names still runs here; warn if it ran on another machine."""
    holder = _holder(path)
    if not holder:
        return
    if holder["host"] == socket.gethostname():
        if holder["pid"] != os.getpid() and Path(f"/proc/{holder['pid']}").exists():
            raise refusal(busy.replace(HOLDER, _in_words(holder)))
        return
    print(
        f"Warning: {path.parent} is on a file system without locks, and {_in_words(holder)} was the last to use it; "
        "make sure that it has ended, or both will write there.",
        flush=True,
    )
