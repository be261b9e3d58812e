"""The label store as a run uses it: the run submits queries and receives answers, the same ones after a restart.

The store is one file, shared by the training process, the annotators (desk.py) and exports. An answer is on the disk
before a call returns. The set of answers that a round absorbs is stored before it is returned, and the same round
always receives the same set, so that a run that was killed learns from the same labels in the same rounds.
"""

import json
import sqlite3
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from rl_rewards.core.checks import require
from rl_rewards.labelers.clips import pack_array
from rl_rewards.labelers.database import Database, room, write_answer
from rl_rewards.labelers.instructions import Instructions, instructions_from
from rl_rewards.labelers.records import (
    Absorbed,
    Clip,
    NewQuery,
    Source,
    check_labeler,
    check_scores,
    packed,
    unpacked,
)
from rl_rewards.labelers.run_store import RunStore

STORE_NAME = "labels.sqlite"
"""The file's name in a run folder."""


class LabelStore(RunStore):
    """Opens the label store at ``path``, and creates it if it does not exist.

    Args:
        clock: returns seconds since 1970.

    Raises:
        ConfigError: when the file at ``path`` is not a label store.
    """

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        self.path = path
        self.database = Database(path)
        self._clock = clock

    def close(self) -> None:
        self.database.close()

    def describe(self, run: str, told: Instructions) -> None:
        with self.database.writing() as connection:
            connection.execute("INSERT OR REPLACE INTO instructions VALUES (?, ?)", (run, told.as_text()))

    def told(self, run: str) -> Instructions | None:
        """Return what people are told about the questions of ``run``; None if it has not said that."""
        with self.database.reading() as connection:
            row = connection.execute("SELECT told FROM instructions WHERE run = ?", (run,)).fetchone()
        return row and instructions_from(row["told"], f"{self.path}, run {run},")

    def set_budget(self, run: str, seed: int, labels: int) -> None:
        require(labels >= 0, f"the label budget is {labels}; it must be 0 or more.")
        with self.database.writing() as connection:
            connection.execute("INSERT OR REPLACE INTO budgets VALUES (?, ?, ?)", (run, seed, labels))

    def submit(self, queries: Sequence[NewQuery], clips: Iterable[Clip]) -> None:
        with self.database.writing() as connection:
            for clip in clips:
                _add_clip(connection, clip)
            for query in queries:
                self._ask(connection, query)

    def _ask(self, connection: sqlite3.Connection, query: NewQuery) -> None:
        for clip in query.clips:
            known = connection.execute("SELECT 1 FROM clips WHERE hash = ?", (clip,)).fetchone()
            require(known is not None, f"query {query.query_id} is about the clip {clip}, which is not in the store.")
        old = connection.execute(
            "SELECT number, kind, clips FROM queries WHERE run = ? AND seed = ? AND query_id = ? "
            "AND repeat_of IS NULL AND superseded = 0",
            (query.run, query.seed, query.query_id),
        ).fetchone()
        if old is not None:
            if (old["kind"], old["clips"]) == (query.kind, packed(query.clips)):
                return
            connection.execute(
                "UPDATE queries SET superseded = 1 WHERE number = ? OR repeat_of = ?", (old["number"], old["number"])
            )
            connection.execute("DELETE FROM leases WHERE query IN (SELECT number FROM queries WHERE superseded = 1)")
        connection.execute(
            "INSERT INTO queries (run, seed, query_id, round, kind, clips, env, acquisition, created) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *(query.run, query.seed, query.query_id, query.round, query.kind, packed(query.clips)),
                *(query.env, query.acquisition, self._clock()),
            ),
        )

    def record(
        self, run: str, seed: int, labeler: str, source: Source, answers: Mapping[int, Sequence[float] | None]
    ) -> int:
        labeler = check_labeler(labeler)
        new = 0
        with self.database.writing() as connection:
            for query_id, scores in answers.items():
                query = connection.execute(
                    "SELECT * FROM queries WHERE run = ? AND seed = ? AND query_id = ? AND repeat_of IS NULL "
                    "AND superseded = 0",
                    (run, seed, query_id),
                ).fetchone()
                require(query is not None, f"query {query_id} of run {run}, seed {seed} is not in the store.")
                if query["answer"] is None and (scores is None or room(connection, run, seed) > 0):
                    values = check_scores(scores, len(unpacked(query["clips"]) or ()), query["kind"])
                    row = {"labeler": labeler, "source": source, "scores": packed(values)}
                    write_answer(connection, query["number"], row | {"answered_at": self._clock()})
                    new += 1
        return new

    def open(self, run: str, seed: int, round: int) -> int:
        with self.database.reading() as connection:
            waiting = connection.execute(
                "SELECT count(*) FROM queries WHERE run = ? AND seed = ? AND round <= ? AND answer IS NULL "
                "AND superseded = 0 AND repeat_of IS NULL",
                (run, seed, round),
            ).fetchone()[0]
            return int(min(waiting, room(connection, run, seed)))

    def unanswered(self, run: str, seed: int) -> set[int]:
        with self.database.reading() as connection:
            rows = connection.execute(
                "SELECT query_id FROM queries WHERE run = ? AND seed = ? AND answer IS NULL AND superseded = 0 "
                "AND repeat_of IS NULL",
                (run, seed),
            ).fetchall()
        return {row["query_id"] for row in rows}

    def absorb(self, run: str, seed: int, round: int, limit: int) -> list[Absorbed]:
        with self.database.writing() as connection:
            newest = connection.execute(
                "SELECT max(absorbed_round) FROM rounds WHERE run = ? AND seed = ?", (run, seed)
            ).fetchone()[0]
            decided = connection.execute("INSERT OR IGNORE INTO rounds VALUES (?, ?, ?)", (run, seed, round))
            if decided.rowcount and (newest is None or round > newest):
                connection.execute(
                    "INSERT INTO absorbed (run, seed, query_id, absorbed_round, position, query, answer) "
                    "SELECT run, seed, query_id, ?, row_number() OVER (ORDER BY answer) - 1, number, answer "
                    "FROM queries q WHERE run = ? AND seed = ? AND answer IS NOT NULL AND repeat_of IS NULL "
                    "AND superseded = 0 AND NOT EXISTS (SELECT 1 FROM absorbed WHERE query = q.number) "
                    "ORDER BY answer LIMIT ?",
                    (round, run, seed, limit),
                )
            return _absorbed(connection, run, seed, round)

    def recorded(self, run: str, seed: int, round: int) -> list[Absorbed]:
        with self.database.reading() as connection:
            return _absorbed(connection, run, seed, round)

    def runs(self) -> list[tuple[str, int]]:
        """Return the runs and seeds that have queries in the store."""
        with self.database.reading() as connection:
            rows = connection.execute("SELECT DISTINCT run, seed FROM queries ORDER BY run, seed").fetchall()
        return [(row["run"], row["seed"]) for row in rows]

    def asked(self, run: str, seed: int) -> dict[int, tuple[str, ...]]:
        with self.database.reading() as connection:
            rows = connection.execute(
                "SELECT query_id, clips FROM queries WHERE run = ? AND seed = ? AND repeat_of IS NULL "
                "AND superseded = 0",
                (run, seed),
            ).fetchall()
        return {row["query_id"]: tuple(unpacked(row["clips"]) or ()) for row in rows}


def _absorbed(connection: sqlite3.Connection, run: str, seed: int, round: int) -> list[Absorbed]:
    raters = connection.execute(
        "SELECT a.labeler FROM absorbed b JOIN answers a ON a.number = b.answer "
        "WHERE b.run = ? AND b.seed = ? GROUP BY a.labeler ORDER BY min(b.number)",
        (run, seed),
    ).fetchall()
    rows = connection.execute(
        "SELECT b.query_id, a.scores, a.labeler, a.source FROM absorbed b "
        "JOIN answers a ON a.number = b.answer JOIN queries q ON q.number = b.query AND q.superseded = 0 "
        "WHERE b.run = ? AND b.seed = ? AND b.absorbed_round = ? ORDER BY b.position",
        (run, seed, round),
    ).fetchall()
    number = {row["labeler"]: index for index, row in enumerate(raters)}
    return [
        Absorbed(row["query_id"], unpacked(row["scores"]), number[row["labeler"]], row["labeler"], row["source"])
        for row in rows
    ]


def _add_clip(connection: sqlite3.Connection, clip: Clip) -> None:
    sheet = json.dumps(clip.sheet.as_dict() if clip.sheet else None)
    connection.execute(
        "INSERT INTO clips VALUES (?, ?, ?, ?, ?) ON CONFLICT (hash) DO UPDATE SET media = excluded.media, "
        "sheet = excluded.sheet WHERE clips.media IS NULL AND excluded.media IS NOT NULL",
        (clip.hash, clip.media, sheet, pack_array(clip.obs), pack_array(clip.action)),
    )
    for name, value in clip.details.items():
        row = (clip.hash, name, pack_array(np.asarray(value)))
        connection.execute("INSERT OR IGNORE INTO details VALUES (?, ?, ?)", row)
