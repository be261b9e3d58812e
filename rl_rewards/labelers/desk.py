"""The label store as people use it: take a question, answer it, take the answer back. Several at once.

A question on lease is nobody else's until the time is up. The order in which its clips are shown follows from the
question and the annotator alone, so that a page which was reloaded, or is open twice, means the same by "left".
"""

import json
import random
import sqlite3
import time
from collections.abc import Callable, Sequence

from rl_rewards.core.checks import require
from rl_rewards.labelers.database import Database, insert, leased, room, write_answer
from rl_rewards.labelers.records import Conflict, Leased, check_labeler, check_scores, packed

MOST_LEASES = 50
"""Questions that annotators have at once, each of them one: whoever may label may do so by any name."""
SPACING = 5
"""At least so many answers lie between a pair and its repeat, or it would be remembered."""


class Desk:
    """Where annotators work on the store ``database``.

    Args:
        run: only this run's questions; of all runs if None.
        lease_seconds: how long a question is one annotator's; then others may get it.
        repeat_share: of an annotator's pairs that are asked a second time, to measure agreement with oneself.
        clock: seconds since 1970.
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
        self._random = random.Random()  # which pair is repeated: nothing that a run's numbers depend on

    def lease(self, annotator: str) -> Leased | None:
        """A question for ``annotator`` alone: the one they have, or the oldest that is free.

        None if there is none, or others have MOST_LEASES already.
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
        """The oldest query that nobody else has, for whose answer there is room in the budget."""
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
        """A new query that asks one of the annotator's pairs again, when one is due."""
        repeats = connection.execute(
            "SELECT repeat_of, answer IS NOT NULL AS answered FROM queries WHERE repeat_of IS NOT NULL "
            "AND repeat_for = ?",
            (annotator,),
        ).fetchall()
        given = connection.execute(  # an index alone tells; repeats are among them
            "SELECT count(*) FROM queries WHERE labeler = ? AND answer IS NOT NULL", (annotator,)
        ).fetchone()[0]
        answered = given - sum(row["answered"] for row in repeats)
        if len(repeats) >= int(self._repeat_share * answered):  # nearly always: the pairs need not be read
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
            shown=tuple(_order(number, annotator, len(clips))),
            until=until,
            is_repeat=row["repeat_of"] is not None,
        )

    def release(self, annotator: str) -> None:
        """Give back what ``annotator`` has, so that others get it at once."""
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
        """Write down a person's answer to the query ``number``, which they have or had on lease.

        Args:
            scores_shown: one for each clip in the order shown, higher is better, equal is a tie; None refuses.
            token: names this answer; saying the same again under the same token does nothing.

        Raises:
            Conflict: when it has been given to someone else, answered, taken back by the run, or is beyond the budget.
        """
        annotator = check_labeler(annotator)
        with self.database.writing() as connection:
            query = connection.execute("SELECT * FROM queries WHERE number = ?", (number,)).fetchone()
            if query is None:
                raise Conflict("There is no such question.")
            shown = _order(number, annotator, len(json.loads(query["clips"])))
            given = check_scores(scores_shown, len(shown), query["kind"])
            scores = None if given is None else [given[shown.index(clip)] for clip in range(len(shown))]
            if _said_before(connection, token, annotator, number, packed(scores)):
                return
            if not _may_answer(connection, query, annotator):
                raise Conflict("This question was not yours any more: it took too long, or it is no longer asked.")
            if given is not None and query["repeat_of"] is None and room(connection, query["run"], query["seed"]) < 1:
                raise Conflict("The label budget is used up; this answer was not needed any more.")
            row = {"labeler": annotator, "source": "human", "scores": packed(scores), "shown": packed(shown)}
            row |= {"shown_at": shown_at, "answered_at": self._clock(), "replays": replays, "token": token}
            write_answer(connection, number, row)

    def undo(self, annotator: str, *, token: str) -> Leased | None:
        """Take back the annotator's newest answer that stands and ask its query again, in the same order.

        Returns:
            The query; None when there is nothing to take back.

        Raises:
            Conflict: when the reward has learned from it already.
        """
        annotator = check_labeler(annotator)
        with self.database.writing() as connection:
            again = connection.execute(
                "SELECT query, labeler, undo_of FROM answers WHERE token = ?", (token,)
            ).fetchone()
            if again is not None:  # said before: the question is on lease already, or answered anew
                own = again["undo_of"] is not None and again["labeler"] == annotator
                require(own, "this token names something else that was said.")
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
                raise Conflict("Your last answer cannot be taken back: the reward has learned from it already.")
            row = {"labeler": annotator, "source": "human", "answered_at": self._clock(), "token": token}
            insert(connection, "answers", row | {"query": last["query"], "undo_of": last["number"]})
            connection.execute(
                "UPDATE queries SET answer = NULL, labeler = NULL, refused = 0 WHERE number = ?", (last["query"],)
            )
            return self._give(connection, last["query"], annotator)

    def media(self, clip: str) -> bytes | None:
        """The picture of a clip, by its hash."""
        with self.database.reading() as connection:
            row = connection.execute("SELECT media FROM clips WHERE hash = ?", (clip,)).fetchone()
        return row and row["media"]

    def sheets(self, clips: Sequence[str]) -> list[dict | None]:
        """How the frames lie in the pictures of ``clips``; None for a clip without one."""
        with self.database.reading() as connection:
            rows = [connection.execute("SELECT sheet FROM clips WHERE hash = ?", (clip,)).fetchone() for clip in clips]
        return [row and json.loads(row["sheet"]) for row in rows]


def _order(number: int, annotator: str, clips: int) -> list[int]:
    """Entry i is the clip that is shown at place i."""
    order = list(range(clips))
    random.Random(f"{number} {annotator}").shuffle(order)
    return order


def _may_answer(connection: sqlite3.Connection, query: sqlite3.Row, annotator: str) -> bool:
    """Whether ``annotator`` has or had it on lease, nobody else got it since, and it is still asked."""
    held = connection.execute(
        "SELECT 1 FROM leases WHERE query = ? AND annotator = ?", (query["number"], annotator)
    ).fetchone()
    return held is not None and query["answer"] is None and not query["superseded"]


def _said_before(connection: sqlite3.Connection, token: str, annotator: str, number: int, scores: str | None) -> bool:
    """Whether just this was said under this token.

    Raises:
        ConfigError: when the token names an answer to another question.
        Conflict: when it names another answer, or one that was taken back since.
    """
    said = connection.execute(
        "SELECT number, query, labeler, scores, undo_of FROM answers WHERE token = ?", (token,)
    ).fetchone()
    if said is None:
        return False
    same = (said["query"], said["labeler"], said["undo_of"]) == (number, annotator, None)
    require(same, "this token names an answer to another question.")
    if said["scores"] != scores:
        raise Conflict("Not saved: another answer to this question was saved under the same token.")
    if connection.execute("SELECT 1 FROM answers WHERE undo_of = ?", (said["number"],)).fetchone():
        raise Conflict("Not saved: this answer was taken back since.")
    return True
