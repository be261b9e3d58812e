"""The label store as annotators use it: they take a question, answer it, and may take the answer back.

Several annotators may work at once. A question on lease is reserved for one annotator until the time is up. The order
in which its clips are shown depends only on the question and the annotator, so that "left" means the same clip on a
page that was reloaded or is open twice.
"""

import json
import random
import sqlite3
import statistics
import time
from collections.abc import Callable, Sequence

from rl_rewards.core.checks import require
from rl_rewards.labelers.database import Database, insert, leased, passage_of, room, write_answer
from rl_rewards.labelers.records import (
    IN_ORDER,
    Conflict,
    Leased,
    check_labeler,
    check_scores,
    packed,
)

MOST_LEASES = 50
"""The most questions on lease at once, one for each annotator, because a visitor may use any number of names."""
UNNAMED = "person"
"""The name under which the page answers until a name is typed."""
PACE_ANSWERS, PACE_LEAST = 20, 3
"""The newest answers by which the time left is estimated, and the least number of them."""
SPACING = 5
"""The least number of answers between a pair and its repeat, so that people do not answer from memory."""


class Desk:
    """Gives the questions of the store ``database`` to annotators and records their answers.

    Args:
        run: the run whose questions are asked; None asks those of all runs.
        lease_seconds: how long a question is reserved for one annotator.
        repeat_share: the share of an annotator's pairs that are asked twice, to measure their consistency.
        clock: returns seconds since 1970.
    """

    def __init__(
        self,
        database: Database,
        *,
        run: str | None = None,
        lease_seconds: float = 120.0,
        repeat_share: float = 0.05,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.database, self.run = database, run
        self._lease_seconds, self._repeat_share, self._clock = lease_seconds, repeat_share, clock
        self._random = random.Random()  # chooses the pairs to repeat; no result of a run depends on it

    def lease(self, annotator: str) -> Leased | None:
        """Return a question reserved for ``annotator``: the one they have, or else the oldest free one.

        Returns None if no question is free, or others have MOST_LEASES questions already.
        """
        annotator, now, run = check_labeler(annotator), self._clock(), self.run
        with self.database.writing() as connection:
            held = connection.execute(
                "SELECT l.query FROM leases l JOIN queries q ON q.number = l.query WHERE l.annotator = ? "
                "AND l.until > ? AND (? IS NULL OR q.run = ?)",
                (annotator, now, run, run),
            ).fetchone()
            if held is not None:
                return self._give(connection, held["query"], annotator)
            others = connection.execute(
                "SELECT count(*) FROM leases WHERE until > ? AND annotator <> ?", (now, annotator)
            ).fetchone()[0]
            query = self._free(connection, annotator, now) if others < MOST_LEASES else None
            if query is None:
                return None
            repeat = self._repeat(connection, annotator, now) if query["repeat_of"] is None else None
            return self._give(connection, repeat or query["number"], annotator)

    def _free(self, connection: sqlite3.Connection, annotator: str, now: float) -> sqlite3.Row | None:
        """Return the oldest query that nobody else has and whose answer fits into the budget."""
        rows = connection.execute(
            "SELECT q.number, q.run, q.seed, q.repeat_of FROM queries q WHERE q.answer IS NULL "
            "AND q.superseded = 0 AND (? IS NULL OR q.run = ?) AND (q.repeat_of IS NULL OR q.repeat_for = ?) "
            "AND NOT EXISTS (SELECT 1 FROM leases l WHERE l.query = q.number AND l.until > ? AND l.annotator <> ?) "
            "ORDER BY q.round, q.number",
            (self.run, self.run, annotator, now, annotator),
        )
        left: dict[tuple[str, int], float] = {}
        for row in rows:
            whose = (row["run"], row["seed"])
            if row["repeat_of"] is None and whose not in left:
                left[whose] = room(connection, *whose) - leased(connection, *whose, now)
            if row["repeat_of"] is not None or left[whose] > 0:
                return row
        return None

    def _repeat(self, connection: sqlite3.Connection, annotator: str, now: float) -> int | None:
        """Return the number of a new query that repeats one of the annotator's pairs, if a repeat is due."""
        repeats = connection.execute(
            "SELECT repeat_of, answer IS NOT NULL AS answered FROM queries WHERE repeat_of IS NOT NULL "
            "AND repeat_for = ?",
            (annotator,),
        ).fetchall()
        given = connection.execute(  # answered from an index alone; this includes repeats
            "SELECT count(*) FROM queries WHERE labeler = ? AND answer IS NOT NULL", (annotator,)
        ).fetchone()[0]
        answered = given - sum(row["answered"] for row in repeats)
        if len(repeats) >= int(self._repeat_share * answered):  # the usual case: skip reading the pairs
            return None
        pairs = [
            row["number"]
            for row in connection.execute(
                "SELECT number FROM queries WHERE labeler = ? AND answer IS NOT NULL AND repeat_of IS NULL "
                "AND refused = 0 AND kind = 'pair' AND superseded = 0 AND (? IS NULL OR run = ?) ORDER BY answer",
                (annotator, self.run, self.run),
            )
        ]
        choice = sorted(set(pairs[:-SPACING]) - {row["repeat_of"] for row in repeats})
        if not choice or len(repeats) >= int(self._repeat_share * len(pairs)):
            return None
        return connection.execute(
            "INSERT INTO queries (run, seed, query_id, round, kind, clips, env, acquisition, created, repeat_of, "
            "repeat_for) SELECT run, seed, query_id, round, kind, clips, env, acquisition, ?, number, ? "
            "FROM queries WHERE number = ?",
            (now, annotator, self._random.choice(choice)),
        ).lastrowid

    def _give(self, connection: sqlite3.Connection, number: int, annotator: str) -> Leased:
        until = self._clock() + self._lease_seconds
        connection.execute("DELETE FROM leases WHERE annotator = ? AND query <> ?", (annotator, number))
        connection.execute("INSERT OR REPLACE INTO leases VALUES (?, ?, ?)", (number, annotator, until))
        row = connection.execute("SELECT * FROM queries WHERE number = ?", (number,)).fetchone()
        clips = json.loads(row["clips"])
        return Leased(
            **{key: row[key] for key in ("number", "run", "seed", "query_id", "round", "kind")},
            clips=tuple(clips),
            shown=tuple(_order(number, annotator, len(clips), row["kind"])),
            until=until,
            is_repeat=row["repeat_of"] is not None,
        )

    def release(self, annotator: str) -> None:
        """End the lease of ``annotator``, so that others can get the question at once."""
        with self.database.writing() as connection:
            connection.execute("DELETE FROM leases WHERE annotator = ?", (check_labeler(annotator),))

    def answer(
        self,
        annotator: str,
        number: int,
        scores_shown: Sequence[float] | None,
        *,
        token: str,
        shown_at: float | None = None,
        replays: int | None = None,
    ) -> None:
        """Store a person's answer to the query ``number``, which they have or had on lease.

        Args:
            scores_shown: one for each clip in the order shown; higher is better, equal is a tie, None refuses.
            token: identifies this answer; sending the same answer again with the same token does nothing.

        Raises:
            Conflict: when the query is on lease to someone else, answered or superseded, or the budget is used up.
        """
        annotator = check_labeler(annotator)
        with self.database.writing() as connection:
            query = connection.execute("SELECT * FROM queries WHERE number = ?", (number,)).fetchone()
            if query is None:
                raise Conflict("There is no such question.")
            shown = _order(number, annotator, len(json.loads(query["clips"])), query["kind"])
            given = check_scores(scores_shown, len(shown), query["kind"])
            scores = None if given is None else [given[shown.index(clip)] for clip in range(len(shown))]
            if _said_before(connection, token, annotator, number, packed(scores)):
                return
            if not _may_answer(connection, query, annotator):
                raise Conflict(
                    "This question was no longer reserved for you: your time was up, or it is no longer asked."
                )
            if given is not None and query["repeat_of"] is None and room(connection, query["run"], query["seed"]) < 1:
                raise Conflict("The label budget is used up; this answer is no longer needed.")
            row = {"labeler": annotator, "source": "human", "scores": packed(scores), "shown": packed(shown)}
            row |= {"shown_at": shown_at, "answered_at": self._clock(), "replays": replays, "token": token}
            write_answer(connection, number, row)

    def undo(self, annotator: str, *, token: str) -> Leased | None:
        """Take back the annotator's newest valid answer and ask its query again, in the same order.

        Returns:
            The query, or None when there is nothing to take back.

        Raises:
            Conflict: when the reward has learned from the answer already.
        """
        annotator = check_labeler(annotator)
        with self.database.writing() as connection:
            again = connection.execute(
                "SELECT query, labeler, undo_of FROM answers WHERE token = ?", (token,)
            ).fetchone()
            if again is not None:  # a repeated request: the question is on lease already, or answered again
                own = again["undo_of"] is not None and again["labeler"] == annotator
                require(own, "this token belongs to another request; use a new one.")
                held = connection.execute(
                    "SELECT 1 FROM leases WHERE annotator = ? AND query = ?", (annotator, again["query"])
                ).fetchone()
                return self._give(connection, again["query"], annotator) if held else None
            last = connection.execute(
                "SELECT a.* FROM queries q JOIN answers a ON a.number = q.answer WHERE q.labeler = ? AND "
                "q.answer IS NOT NULL AND a.source = 'human' AND q.superseded = 0 AND (? IS NULL OR q.run = ?) "
                "ORDER BY q.answer DESC LIMIT 1",
                (annotator, self.run, self.run),
            ).fetchone()
            if last is None:
                return None
            if connection.execute("SELECT 1 FROM absorbed WHERE answer = ?", (last["number"],)).fetchone():
                raise Conflict("Your last answer cannot be taken back, because the reward has learned from it already.")
            row = {"labeler": annotator, "source": "human", "answered_at": self._clock(), "token": token}
            insert(connection, "answers", row | {"query": last["query"], "undo_of": last["number"]})
            connection.execute(
                "UPDATE queries SET answer = NULL, labeler = NULL, refused = 0 WHERE number = ?", (last["query"],)
            )
            return self._give(connection, last["query"], annotator)

    def has_named_annotators(self) -> bool:
        """Return True if people have answered under other names than ``UNNAMED``."""
        with self.database.reading() as connection:
            row = connection.execute(
                "SELECT 1 FROM answers WHERE source = 'human' AND labeler <> ? LIMIT 1", (UNNAMED,)
            ).fetchone()
        return row is not None

    def seconds_each(self, annotator: str) -> float | None:
        """Return the median seconds of the annotator's newest answers, or None if there are too few to tell."""
        with self.database.reading() as connection:
            rows = connection.execute(
                "SELECT answered_at - shown_at AS seconds FROM answers WHERE labeler = ? AND undo_of IS NULL "
                "AND shown_at IS NOT NULL ORDER BY number DESC LIMIT ?",
                (annotator, PACE_ANSWERS),
            ).fetchall()
        taken = [row["seconds"] for row in rows if row["seconds"] >= 0]  # clocks of two machines may differ
        return statistics.median(taken) if len(taken) >= PACE_LEAST else None

    def media(self, clip: str) -> bytes | None:
        """Return the picture of a clip, a PNG, by its hash; None if there is none."""
        with self.database.reading() as connection:
            row = connection.execute("SELECT media FROM clips WHERE hash = ?", (clip,)).fetchone()
        return row and row["media"]

    def sheets(self, clips: Sequence[str]) -> list[dict | None]:
        """Return the layouts of the pictures of ``clips``; None for a clip without a picture."""
        with self.database.reading() as connection:
            rows = [connection.execute("SELECT sheet FROM clips WHERE hash = ?", (clip,)).fetchone() for clip in clips]
        return [row and json.loads(row["sheet"]) for row in rows]

    def passages(self, clips: Sequence[str]) -> list[tuple[str, str] | None]:
        """Return the prompts and responses of ``clips``; None for a clip that is not a text."""
        with self.database.reading() as connection:
            return [passage_of(connection, clip) for clip in clips]


def _order(number: int, annotator: str, clips: int, kind: str) -> list[int]:
    """Return the order of clips: entry i is the index of the clip that is shown at position i."""
    order = list(range(clips))
    if kind not in IN_ORDER:
        random.Random(f"{number} {annotator}").shuffle(order)
    return order


def _may_answer(connection: sqlite3.Connection, query: sqlite3.Row, annotator: str) -> bool:
    """Return True if the query is still asked, and ``annotator`` was the last one to have it on lease."""
    held = connection.execute(
        "SELECT 1 FROM leases WHERE query = ? AND annotator = ?", (query["number"], annotator)
    ).fetchone()
    return held is not None and query["answer"] is None and not query["superseded"]


def _said_before(connection: sqlite3.Connection, token: str, annotator: str, number: int, scores: str | None) -> bool:
    """Return True if the same answer is stored under this token.

    Raises:
        ConfigError: when the token belongs to an answer to another question.
        Conflict: when it belongs to another answer, or to one that was taken back later.
    """
    said = connection.execute(
        "SELECT number, query, labeler, scores, undo_of FROM answers WHERE token = ?", (token,)
    ).fetchone()
    if said is None:
        return False
    same = (said["query"], said["labeler"], said["undo_of"]) == (number, annotator, None)
    require(same, "this token belongs to an answer to another question; use a new one.")
    if said["scores"] != scores:
        raise Conflict("Not saved: another answer to this question was saved under the same token.")
    if connection.execute("SELECT 1 FROM answers WHERE undo_of = ?", (said["number"],)).fetchone():
        raise Conflict("Not saved: this answer was taken back in the meantime.")
    return True
