"""One connection to an SQLite file in WAL mode, shared by the threads of a process; durable at every commit.

Several processes may use the file at once. What cannot be read or written is an OSError that names the file, and a
file that was deleted or renamed while it is open is told instead of written to: SQLite itself would go on in silence.
"""

import contextlib
import errno
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

WAIT_SECONDS = 30.0
"""How long to wait for another process that is writing."""
OWNER_ALONE = 0o600
"""The mode of a file that is made: it holds what people and judges say."""


class SqliteFile:
    """Open the file at ``path``, which is made where it is not there.

    Args:
        prepare: called once, inside a transaction; makes the tables, or refuses the file.

    Raises:
        sqlite3.DatabaseError: when the file is no database.
        OSError: when it cannot be used now.
    """

    def __init__(self, path: Path, prepare: Callable[[sqlite3.Connection], None]) -> None:
        self.path, self._lock = path, threading.RLock()
        self._files: tuple[Path, ...] = ()
        _make(path)
        self._connection = sqlite3.connect(path, timeout=WAIT_SECONDS, isolation_level=None, check_same_thread=False)
        self._connection.row_factory = sqlite3.Row
        try:
            with self._told():
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
        """A transaction of its own; all of it is durable when the block is left, or none of it.

        Raises:
            OSError: when the file cannot be written, or is another one than was opened.
        """
        with self._lock:
            with self._transaction("BEGIN IMMEDIATE") as connection:
                yield connection
            self._check_identity()  # again: nothing is acknowledged that lies in a file without a name

    def reading(self) -> contextlib.AbstractContextManager[sqlite3.Connection]:
        """One consistent view of all tables.

        Raises:
            OSError: when the file cannot be read, or is another one than was opened.
        """
        return self._transaction("BEGIN")

    @contextlib.contextmanager
    def _transaction(self, begin: str) -> Iterator[sqlite3.Connection]:
        """A transaction that is committed when the block is left, and rolled back when the block raises."""
        with self._lock, self._told():
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
    def _told(self) -> Iterator[None]:
        """What SQLite says of a file that is locked, full, gone or damaged, as an OSError; its other errors pass."""
        try:
            yield
        except sqlite3.DatabaseError as error:
            damaged = type(error) is sqlite3.DatabaseError and self._files  # before that it means: no database at all
            if damaged or isinstance(error, sqlite3.OperationalError):
                raise OSError(errno.EIO, str(error), str(self.path)) from error
            raise

    def _identities(self) -> list[tuple[int, int] | None]:
        return [_identity(path) for path in self._files]

    def _check_identity(self) -> None:
        if self._files and self._identities() != self._identity:
            said = "it was deleted, renamed or replaced while it was in use"
            raise OSError(errno.ENOENT, said, str(self.path))


def _make(path: Path) -> None:
    """An empty file for the owner alone, where there is none; SQLite gives its -wal and -shm the same mode.

    One that is there is not opened: to close it would end the locks of this process's other connections to it.
    """
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path.resolve(), os.O_RDWR | os.O_CREAT | os.O_EXCL, OWNER_ALONE))


def _identity(path: Path) -> tuple[int, int] | None:
    """Device and number of the file that has the name ``path``; None where there is none."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino
