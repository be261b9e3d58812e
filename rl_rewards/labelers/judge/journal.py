"""Every prompt and every raw reply of a judge, in SQLite in the run's folder; the cache of what has been asked before.

A reply is on the disk before its answer counts. Tables: ``calls``, one row a request, failed ones too; ``tasks``, what
was told of every query, so that a restarted run can go on asking, and what was understood.
"""

import errno
import hashlib
import json
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from rl_rewards.core.checks import require
from rl_rewards.core.errors import ConfigError
from rl_rewards.labelers.judge.prompts import Told

JOURNAL_NAME = "judge.sqlite"
"""In the folder of a run, beside the label store; all its seeds write there."""
WAIT_SECONDS = 30.0
"""How long to wait for another seed that is writing."""
VERSION = 1
TABLES = """
CREATE TABLE calls (
  number INTEGER PRIMARY KEY AUTOINCREMENT, seed INTEGER NOT NULL, key TEXT NOT NULL, asked_at REAL NOT NULL,
  seconds REAL NOT NULL, tokens INTEGER NOT NULL, request TEXT NOT NULL, reply TEXT, error TEXT
);
CREATE INDEX replies ON calls(key) WHERE error IS NULL;
CREATE TABLE tasks (
  seed INTEGER NOT NULL, query_id INTEGER NOT NULL, told TEXT NOT NULL,
  pairs INTEGER, flips INTEGER, refused TEXT, PRIMARY KEY (seed, query_id)
) WITHOUT ROWID;
"""


class Call(NamedTuple):
    """One request, for the record."""

    key: str
    asked_at: float  # seconds since 1970
    seconds: float
    tokens: int
    request: dict[str, Any]
    reply: str | None
    error: str | None


class Totals(NamedTuple):
    """Of one seed, over all its restarts."""

    calls: int
    tokens: int
    pairs: int
    flips: int
    refused: int


class Journal:
    """Of one seed; several threads may use it.

    Raises:
        ConfigError: when the file is something else.
    """

    def __init__(self, path: Path, seed: int) -> None:
        self._path, self._seed, self._lock = path, seed, threading.Lock()
        self._connection = sqlite3.connect(path, timeout=WAIT_SECONDS, isolation_level=None, check_same_thread=False)
        try:
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = FULL")  # in WAL mode: every commit is on the disk
            self._prepare()
        except (sqlite3.DatabaseError, ConfigError) as error:
            self._connection.close()
            raise ConfigError(f"{path} is not a judge's journal of version {VERSION}: {error}.") from error

    def _prepare(self) -> None:
        with self._writing() as connection:
            found = connection.execute("PRAGMA user_version").fetchone()[0]
            tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
            require(not tables or found == VERSION, f"it is a database of another kind or version ({found})")
            if not tables:
                for statement in TABLES.split(";"):
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version = {VERSION}")

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    def reply(self, key: str) -> str | None:
        """The raw reply to a request that was made before, by whichever seed."""
        row = self._row("SELECT reply FROM calls WHERE key = ? AND error IS NULL LIMIT 1", key)
        return None if row is None else row[0]

    def add(self, call: Call) -> None:
        self._do(
            "INSERT INTO calls (seed, key, asked_at, seconds, tokens, request, reply, error) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            *(self._seed, call.key, call.asked_at, call.seconds, call.tokens),
            *(json.dumps(call.request), call.reply, call.error),
        )

    def remember(self, tasks: Mapping[int, Sequence[Told]]) -> None:
        """What is told of queries, by their ids; a query told otherwise than before is a new one."""
        with self._writing() as connection:
            for query, told in tasks.items():
                connection.execute(
                    "INSERT INTO tasks (seed, query_id, told) VALUES (?, ?, ?) ON CONFLICT (seed, query_id) DO "
                    "UPDATE SET told = excluded.told, pairs = NULL, flips = NULL, refused = NULL "
                    "WHERE told <> excluded.told",
                    (self._seed, query, json.dumps(list(told))),
                )

    def tasks(self) -> dict[int, list[Told]]:
        """Everything told so far, in the order of the ids."""
        with self._lock:
            rows = self._connection.execute(
                "SELECT query_id, told FROM tasks WHERE seed = ? ORDER BY query_id", (self._seed,)
            ).fetchall()
        return {query: json.loads(told) for query, told in rows}

    def judged(self, query: int, pairs: int, flips: int, refused: str | None) -> None:
        """What was understood: pairs asked both ways, how many of them contradict, why there is no answer."""
        self._do(
            "UPDATE tasks SET pairs = ?, flips = ?, refused = ? WHERE seed = ? AND query_id = ?",
            *(pairs, flips, refused, self._seed, query),
        )

    def totals(self) -> Totals:
        calls = self._row("SELECT count(*), coalesce(sum(tokens), 0) FROM calls WHERE seed = ?", self._seed)
        judged = self._row(
            "SELECT coalesce(sum(pairs), 0), coalesce(sum(flips), 0), count(refused) FROM tasks WHERE seed = ?",
            self._seed,
        )
        return Totals(*calls, *judged)

    def _row(self, statement: str, *values: Any) -> Any:
        with self._lock:
            return self._connection.execute(statement, values).fetchone()

    def _do(self, statement: str, *values: Any) -> None:
        with self._writing() as connection:
            connection.execute(statement, values)

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction: all of it is durable when the block is left, or none of it. OSError when it cannot be."""
        try:
            with self._lock, self._connection as connection:
                connection.execute("BEGIN IMMEDIATE")
                yield connection
        except sqlite3.OperationalError as error:  # the disk is full, or another process writes for long
            raise OSError(errno.EIO, str(error), str(self._path)) from error


def request_key(request: Mapping[str, Any]) -> str:
    """64 hex digits that name a request by its content: model, messages and parameters."""
    return hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()
