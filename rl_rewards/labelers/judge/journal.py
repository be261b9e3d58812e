"""The record of a judge's prompts and raw replies, an SQLite file in the run folder, which is also their cache.

A reply is on the disk before its answer is used. The table ``calls`` has one row for each request, also for failed
ones. The table ``tasks`` has the description of each query, so that a resumed run can go on asking, and the result.
"""

import hashlib
import json
import sqlite3
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

from rl_rewards.core.checks import require
from rl_rewards.core.errors import ConfigError
from rl_rewards.labelers.judge.prompts import Description
from rl_rewards.labelers.sqlite_file import SqliteFile

JOURNAL_NAME = "judge.sqlite"
"""The file's name in a run folder; all seeds of the run write to it."""
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
SAMPLES = """
CREATE TABLE IF NOT EXISTS samples (
  seed INTEGER NOT NULL, query_id INTEGER NOT NULL, agreeing REAL NOT NULL, PRIMARY KEY (seed, query_id)
) WITHOUT ROWID;
"""
"""The table of what samples of one question agree on; older journals lack it."""


class Call(NamedTuple):
    """The record of one request."""

    key: str
    asked_at: float  # seconds since 1970
    seconds: float
    tokens: int
    request: dict[str, Any]
    reply: str | None
    error: str | None


class Totals(NamedTuple):
    """Counts of one seed, over all its restarts."""

    calls: int
    tokens: int
    seconds: float  # of all requests, one after the other
    answered: int
    pairs: int
    flips: int
    reasons: Counter[str]  # reason of a refusal -> number of queries

    @property
    def refused(self) -> int:
        return self.reasons.total()


class Journal(SqliteFile):
    """The journal of one seed; several threads may use it.

    Raises:
        ConfigError: when the file is not a journal of this version.
        OSError: when the file cannot be used now.
    """

    def __init__(self, path: Path, seed: int) -> None:
        self._seed = seed
        try:
            super().__init__(path, _prepare)
        except (sqlite3.DatabaseError, ConfigError) as error:
            raise ConfigError(f"{path} is not a judge's journal of version {VERSION}: {error}.") from error

    def reply(self, key: str) -> str | None:
        """Return the raw reply to an earlier request of any seed, or None if there is none."""
        with self.reading() as connection:
            row = connection.execute(
                "SELECT reply FROM calls WHERE key = ? AND error IS NULL LIMIT 1", (key,)
            ).fetchone()
        return None if row is None else row[0]

    def add(self, call: Call) -> None:
        with self.writing() as connection:
            connection.execute(
                "INSERT INTO calls (seed, key, asked_at, seconds, tokens, request, reply, error) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    *(self._seed, call.key, call.asked_at, call.seconds, call.tokens),
                    *(json.dumps(call.request), call.reply, call.error),
                ),
            )

    def remember(self, tasks: Mapping[int, Sequence[Description]]) -> None:
        """Store the descriptions of queries, by id; a query whose description has changed counts as new."""
        with self.writing() as connection:
            for query, told in tasks.items():
                connection.execute(
                    "INSERT INTO tasks (seed, query_id, told) VALUES (?, ?, ?) ON CONFLICT (seed, query_id) DO "
                    "UPDATE SET told = excluded.told, pairs = NULL, flips = NULL, refused = NULL "
                    "WHERE told <> excluded.told",
                    (self._seed, query, json.dumps(list(told))),
                )

    def tasks(self) -> dict[int, list[Description]]:
        """Return the descriptions of all queries so far, in the order of their ids."""
        with self.reading() as connection:
            rows = connection.execute(
                "SELECT query_id, told FROM tasks WHERE seed = ? ORDER BY query_id", (self._seed,)
            ).fetchall()
        return {query: json.loads(told) for query, told in rows}

    def judged(self, query: int, pairs: int, flips: int, refused: str | None) -> None:
        """Store a query's result: the pairs asked in both orders, how many are flips, and the reason of a refusal."""
        with self.writing() as connection:
            connection.execute(
                "UPDATE tasks SET pairs = ?, flips = ?, refused = ? WHERE seed = ? AND query_id = ?",
                (pairs, flips, refused, self._seed, query),
            )

    def sampled(self, query: int, agreeing: float) -> None:
        """Store the mean share of a query's samples that agree with most of them."""
        with self.writing() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO samples (seed, query_id, agreeing) VALUES (?, ?, ?)",
                (self._seed, query, agreeing),
            )

    def self_consistency(self) -> float | None:
        """Return the mean of these shares over all queries; None if no question was asked several times."""
        with self.reading() as connection:
            return connection.execute("SELECT avg(agreeing) FROM samples WHERE seed = ?", (self._seed,)).fetchone()[0]

    def totals(self) -> Totals:
        with self.reading() as connection:
            return _totals(connection, self._seed)


def read_totals(path: Path) -> dict[int, Totals]:
    """Return seed -> totals from a journal, which may be in use; empty if there is no readable journal."""
    if not path.is_file():
        return {}
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            seeds = [row[0] for row in connection.execute("SELECT DISTINCT seed FROM tasks ORDER BY seed")]
            return {seed: _totals(connection, seed) for seed in seeds}
    except sqlite3.Error:
        return {}


def _prepare(connection: sqlite3.Connection) -> None:
    found = connection.execute("PRAGMA user_version").fetchone()[0]
    tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    require(not tables or found == VERSION, f"it is a database of another kind or version ({found})")
    if not tables:
        for statement in TABLES.split(";"):
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {VERSION}")
    connection.execute(SAMPLES)


def _totals(connection: sqlite3.Connection, seed: int) -> Totals:
    calls, tokens, seconds = connection.execute(
        "SELECT count(*), coalesce(sum(tokens), 0), coalesce(sum(seconds), 0.0) FROM calls WHERE seed = ?", (seed,)
    ).fetchone()
    answered, pairs, flips = connection.execute(
        "SELECT count(pairs) - count(refused), coalesce(sum(pairs), 0), coalesce(sum(flips), 0) FROM tasks "
        "WHERE seed = ?",
        (seed,),
    ).fetchone()
    reasons = connection.execute(
        "SELECT refused, count(*) FROM tasks WHERE seed = ? AND refused IS NOT NULL GROUP BY refused", (seed,)
    )
    return Totals(calls, tokens, seconds, answered, pairs, flips, Counter(dict(map(tuple, reasons))))


def request_key(request: Mapping[str, Any]) -> str:
    """Return 64 hex digits, a hash of a request's model, messages and parameters."""
    return hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()
