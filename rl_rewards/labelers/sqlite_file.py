"""A connection to an SQLite file in WAL mode, shared by the threads of a process; every commit is durable.

Several processes may use the file at once. A failure to read or write raises an OSError that names the file. So does a
file that was deleted or renamed while it is open, to which SQLite itself would continue to write without an error.
"""

import contextlib
import errno
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

WAIT_SECONDS = 30.0
"""The longest wait for another process that is writing."""
OWNER_ALONE = 0o600
"""The mode of a new file: only its owner may read what people and judges answered."""


class SqliteFile:
    """Opens the file at ``path``, and creates it if it does not exist.

    Args:
        prepare: called once, inside a transaction; creates the tables, or raises if the file is not suitable.

    Raises:
        sqlite3.DatabaseError: when the file is not a database.
        OSError: when the file cannot be used now.
    """

    def __init__(self, path: Path, prepare: Callable[[sqlite3.Connection], None]) -> None:
        self.path, self._lock = path, threading.RLock()
        self._files: tuple[Path, ...] = ()
        _make(path)
        self._connection = sqlite3.connect(path, timeout=WAIT_SECONDS, isolation_level=None, check_same_thread=False)
        self._connection.row_factory = sqlite3.Row
        try:
            with self._as_os_errors():
                self._connection.execute("PRAGMA journal_mode = WAL")
                self._connection.execute("PRAGMA synchronous = FULL")  # in WAL mode: every commit is on the disk
                self._connection.execute("PRAGMA foreign_keys = ON")
            with self.writing() as connection:
                prepare(connection)
            real = path.resolve()  # SQLite follows links too
            self._files = (real, real.with_name(real.name + "-wal"))
            self._identity = self._identities()
        except BaseException:
            self._connection.close()
            raise

    @contextlib.contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Return a write transaction: at the end of the block either all of it is durable, or nothing.

        Raises:
            OSError: when the file cannot be written, or was deleted or replaced.
        """
        with self._lock:
            with self._transaction("BEGIN IMMEDIATE") as connection:
                yield connection
            self._check_identity()  # again, so that no write to a deleted file is acknowledged

    def reading(self) -> contextlib.AbstractContextManager[sqlite3.Connection]:
        """Return a read transaction, which sees one consistent state of all tables.

        Raises:
            OSError: when the file cannot be read, or was deleted or replaced.
        """
        return self._transaction("BEGIN")

    @contextlib.contextmanager
    def _transaction(self, begin: str) -> Iterator[sqlite3.Connection]:
        """Commit at the end of the block, or roll back if the block raises."""
        with self._lock, self._as_os_errors():
            self._check_identity()
            self._connection.execute(begin)
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    @contextlib.contextmanager
    def _as_os_errors(self) -> Iterator[None]:
        """Convert SQLite's errors about a locked, full, missing or damaged file to OSError; let other errors pass."""
        try:
            yield
        except sqlite3.DatabaseError as error:
            damaged = type(error) is sqlite3.DatabaseError and self._files  # without _files it means: not a database
            if damaged or isinstance(error, sqlite3.OperationalError):
                raise OSError(errno.EIO, str(error), str(self.path)) from error
            raise

    def _identities(self) -> list[tuple[int, int] | None]:
        return [_identity(path) for path in self._files]

    def _check_identity(self) -> None:
        if self._files and self._identities() != self._identity:
            message = "the file was deleted, renamed or replaced while it was in use"
            raise OSError(errno.ENOENT, message, str(self.path))


def _make(path: Path) -> None:
    """Create an empty file with the mode OWNER_ALONE if there is none; SQLite gives its -wal and -shm the same mode.

    An existing file is not opened, because closing it would end the locks of this process's other connections to it.
    """
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path.resolve(), os.O_RDWR | os.O_CREAT | os.O_EXCL, OWNER_ALONE))


def _identity(path: Path) -> tuple[int, int] | None:
    """Return the device and inode number of the file at ``path``, or None if there is none."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino
