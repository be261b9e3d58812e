"""The tables of a label store (an SQLite file, see sqlite_file.py), and the statements that several modules use.

Queries and answers are only ever added: an undo is a new row of ``answers``, and a query that is asked again with other
clips supersedes the old one. ``details`` holds other arrays of a clip by name: next_obs (of its last step), env_reward,
info.KEY, and the texts that people read. Four columns of ``queries`` could be derived from the answers, and are kept
for speed: ``answer`` (the current answer), its ``labeler``, ``refused`` (1 if the answer has no scores) and
``superseded``.
"""

import sqlite3
from pathlib import Path
from typing import Any

from rl_rewards.core.checks import require
from rl_rewards.core.errors import ConfigError
from rl_rewards.labelers.clips import unpack_array
from rl_rewards.labelers.records import PROMPT, RESPONSE, as_text
from rl_rewards.labelers.sqlite_file import SqliteFile

VERSION = 1

DETAILS = (
    "CREATE TABLE IF NOT EXISTS details (hash TEXT NOT NULL REFERENCES clips, name TEXT NOT NULL, "
    "value BLOB NOT NULL, PRIMARY KEY (hash, name)) WITHOUT ROWID"
)
"""A table that older stores lack; it is added, empty, when such a store is opened."""
REFUSALS = "CREATE INDEX IF NOT EXISTS refusals ON queries(run, seed) WHERE refused = 1"
"""An index that older stores lack, too."""
INSTRUCTIONS = "CREATE TABLE IF NOT EXISTS instructions (run TEXT PRIMARY KEY, told TEXT NOT NULL) WITHOUT ROWID"
"""The table of the instructions that people get for each run of a shared store, as JSON. Older stores lack it."""
TABLES = """
CREATE TABLE clips (
  hash TEXT PRIMARY KEY, media BLOB, sheet TEXT NOT NULL, obs BLOB NOT NULL, action BLOB NOT NULL
) WITHOUT ROWID;
CREATE TABLE queries (
  number INTEGER PRIMARY KEY AUTOINCREMENT, run TEXT NOT NULL, seed INTEGER NOT NULL,
  query_id INTEGER NOT NULL, round INTEGER NOT NULL, kind TEXT NOT NULL, clips TEXT NOT NULL, env TEXT NOT NULL,
  acquisition TEXT NOT NULL, created REAL NOT NULL,
  repeat_of INTEGER REFERENCES queries, repeat_for TEXT,
  answer INTEGER, labeler TEXT, refused INTEGER NOT NULL DEFAULT 0, superseded INTEGER NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX one_query ON queries(run, seed, query_id) WHERE repeat_of IS NULL AND superseded = 0;
CREATE INDEX open_queries ON queries(round, number) WHERE answer IS NULL AND superseded = 0;
CREATE INDEX labelled ON queries(run, seed) WHERE answer IS NOT NULL AND refused = 0 AND repeat_of IS NULL;
CREATE INDEX answered_by ON queries(labeler, answer) WHERE answer IS NOT NULL;
CREATE INDEX repeats ON queries(repeat_for) WHERE repeat_of IS NOT NULL;
CREATE TABLE leases (
  query INTEGER PRIMARY KEY REFERENCES queries, annotator TEXT NOT NULL, until REAL NOT NULL
);
CREATE INDEX leases_of ON leases(annotator);
CREATE TABLE answers (
  number INTEGER PRIMARY KEY AUTOINCREMENT, query INTEGER NOT NULL REFERENCES queries, labeler TEXT NOT NULL,
  source TEXT NOT NULL, scores TEXT, shown TEXT, shown_at REAL, answered_at REAL NOT NULL, replays INTEGER,
  undo_of INTEGER REFERENCES answers, token TEXT UNIQUE
);
CREATE INDEX answers_of ON answers(labeler, number);
CREATE UNIQUE INDEX one_undo ON answers(undo_of) WHERE undo_of IS NOT NULL;
CREATE TABLE absorbed (
  number INTEGER PRIMARY KEY AUTOINCREMENT, run TEXT NOT NULL, seed INTEGER NOT NULL, query_id INTEGER NOT NULL,
  absorbed_round INTEGER NOT NULL, position INTEGER NOT NULL, query INTEGER NOT NULL UNIQUE REFERENCES queries,
  answer INTEGER NOT NULL UNIQUE REFERENCES answers, UNIQUE (run, seed, absorbed_round, position)
);
CREATE TABLE rounds (
  run TEXT NOT NULL, seed INTEGER NOT NULL, absorbed_round INTEGER NOT NULL, PRIMARY KEY (run, seed, absorbed_round)
) WITHOUT ROWID;
CREATE TABLE budgets (
  run TEXT NOT NULL, seed INTEGER NOT NULL, labels INTEGER NOT NULL, PRIMARY KEY (run, seed)
) WITHOUT ROWID;
"""


class Database(SqliteFile):
    """The connection of a process to a label store.

    Raises:
        ConfigError: when the file is not a label store of this version.
        OSError: when the file cannot be used now.
    """

    def __init__(self, path: Path) -> None:
        require(path.parent.is_dir(), f"{path}: the folder {path.parent} does not exist.")
        try:
            super().__init__(path, self._prepare)
        except sqlite3.DatabaseError as error:
            raise ConfigError(f"{path} is not a label store: {error}.") from error

    def _prepare(self, connection: sqlite3.Connection) -> None:
        found = connection.execute("PRAGMA user_version").fetchone()[0]
        tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if not tables:
            for statement in TABLES.split(";"):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {VERSION}")
            found = VERSION
        message = f"{self.path} is a database of another kind or version ({found})"
        require(found == VERSION, f"{message}; a label store of version {VERSION} is needed.")
        connection.execute(DETAILS)
        connection.execute(REFUSALS)
        connection.execute(INSTRUCTIONS)


def room(connection: sqlite3.Connection, run: str, seed: int) -> float:
    """Return how many labels the budget still allows; infinity without a budget."""
    budget = connection.execute("SELECT labels FROM budgets WHERE run = ? AND seed = ?", (run, seed)).fetchone()
    if budget is None:
        return float("inf")
    used = connection.execute(
        "SELECT count(*) FROM queries WHERE run = ? AND seed = ? AND answer IS NOT NULL AND refused = 0 "
        "AND repeat_of IS NULL",
        (run, seed),
    ).fetchone()[0]
    return budget["labels"] - used


def leased(connection: sqlite3.Connection, run: str, seed: int, now: float) -> int:
    """Return the number of unanswered queries that annotators have on lease now."""
    return connection.execute(
        "SELECT count(*) FROM leases l JOIN queries q ON q.number = l.query WHERE q.run = ? AND q.seed = ? "
        "AND q.repeat_of IS NULL AND q.answer IS NULL AND l.until > ?",
        (run, seed, now),
    ).fetchone()[0]


def passage_of(connection: sqlite3.Connection, clip: str) -> tuple[str, str] | None:
    """Return the prompt and the response that people read of a clip, by its hash; None if it is not a text."""
    rows = connection.execute(
        "SELECT name, value FROM details WHERE hash = ? AND name IN (?, ?)", (clip, PROMPT, RESPONSE)
    )
    found = {row["name"]: as_text(unpack_array(row["value"])) for row in rows}
    return (found[PROMPT], found[RESPONSE]) if len(found) == 2 else None


def write_answer(connection: sqlite3.Connection, number: int, row: dict[str, Any]) -> None:
    """Add the answer ``row`` to the query ``number`` and end its lease."""
    answer = insert(connection, "answers", row | {"query": number})
    connection.execute(
        "UPDATE queries SET answer = ?, labeler = ?, refused = ? WHERE number = ?",
        (answer, row["labeler"], row["scores"] is None, number),
    )
    connection.execute("DELETE FROM leases WHERE query = ?", (number,))


def insert(connection: sqlite3.Connection, table: str, row: dict[str, Any]) -> int | None:
    """Insert ``row`` (column -> value) and return its row number."""
    names, marks = ", ".join(row), ", ".join("?" * len(row))
    return connection.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", tuple(row.values())).lastrowid
