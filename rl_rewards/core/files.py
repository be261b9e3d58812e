"""Small files that are whole or absent, read in one sentence each, and locks that die with their process."""

import errno
import fcntl
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from rl_rewards.core.errors import ConfigError

NO_LOCKS = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS)
"""Errors of a file system that has no locks."""
HOLDER = "{holder}"
"""In the sentence of a refused lock: the process that holds it, and its machine."""


@contextmanager
def replaced(path: Path, *, binary: bool = False, private: bool = False) -> Iterator[IO[Any]]:
    """A file that appears at ``path`` at once and whole, and is on the disk when the block is left.

    Args:
        private: only its owner may read it (mode 0600).

    Raises:
        OSError: when it cannot be written; what was at ``path`` stays.
    """
    temporary = path.with_name(path.name + ".tmp")
    mode = 0o600 if private else 0o666
    try:
        temporary.unlink(missing_ok=True)  # of a process that was killed, with whatever mode
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
    """Put ``text`` at ``path`` as :func:`replaced` does."""
    with replaced(path, private=private) as file:
        file.write(text)


def _sync_folder(folder: Path) -> None:
    """Put the new name itself on the disk, where the file system can."""
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
    """The text of a file.

    Raises:
        ConfigError: when it cannot be read, or is not text.
    """
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror or error}.") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} cannot be read: it is not a text file (byte {error.start} is no UTF-8).") from error


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in a file.

    Raises:
        ConfigError: when it cannot be read, or holds anything else.
    """
    text = read_text(path)
    if not text.strip():
        raise ConfigError(f"{path} is empty; it must hold one JSON object.")
    content = parse_json(text, str(path))
    if not isinstance(content, dict):
        raise ConfigError(f"{path} must hold one JSON object.")
    return content


def parse_json(text: str, where: str) -> Any:
    """Returns what ``text`` says.

    Raises:
        ConfigError: when it is not JSON; the sentence begins with ``where``.
    """
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:  # a number of too many digits is no JSONDecodeError
        raise ConfigError(f"{where} is not valid JSON: {error}.") from error


@contextmanager
def locked(path: Path, busy: str, refusal: type[ConfigError] = ConfigError) -> Iterator[None]:
    """Holds the lock file ``path`` while the block runs; the lock dies with the process, the file stays.

    The file names the process and the machine that hold it. Where the file system has no locks that alone tells: of a
    process of this machine whether it still lives, and a warning of any other.

    Args:
        busy: the sentence of the refusal, in which ``HOLDER`` stands for who holds the lock.
        refusal: what is raised when another process holds it.

    Raises:
        ConfigError: ``refusal``.
        OSError: when the file cannot be opened.
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
            yield
        finally:
            file.truncate(0)


def _holder(path: Path) -> dict[str, Any]:
    """Process and machine that the lock file names; empty where it names none."""
    try:
        found = read_json(path)
    except ConfigError:
        return {}
    return found if {"pid", "host"} <= set(found) else {}


def _in_words(holder: dict[str, Any]) -> str:
    return f"process {holder['pid']} on {holder['host']}" if holder else "another process"


def _ask_the_file(path: Path, busy: str, refusal: type[ConfigError]) -> None:
    """Returns what is known, without locks, about the process that the file names."""
    holder = _holder(path)
    if not holder:
        return
    if holder["host"] == socket.gethostname():
        if holder["pid"] != os.getpid() and Path(f"/proc/{holder['pid']}").exists():
            raise refusal(busy.replace(HOLDER, _in_words(holder)))
        return
    print(
        f"Warning: {path.parent} lies on a file system without locks, and {_in_words(holder)} was the last to use it; "
        "see that it has ended, or both will write there.",
        flush=True,
    )
