"""The progress of the labelling, and how consistently annotators answer repeated pairs."""

import time
from dataclasses import dataclass

from rl_rewards.labelers.database import Database
from rl_rewards.labelers.records import unpacked


@dataclass(frozen=True)
class LabelCounts:
    """Counts over all seeds of one run or of all runs; only ``repeats`` and ``agreements`` include repeated pairs."""

    labels: int  # answers with scores
    refused: int
    absorbed: int  # answers and refusals that the reward has received
    open: int  # queries without an answer
    leased: int  # open queries that annotators have now
    budget: int | None  # None: unlimited for at least one run and seed
    repeats: int  # repeated pairs with two answers to compare
    agreements: int  # repeated pairs that were answered the same way


def progress(database: Database, run: str | None = None) -> LabelCounts:
    """Return the counts of ``run``, or of all runs."""
    mine, chosen = "(? IS NULL OR q.run = ?)", (run, run)
    with database.reading() as connection:
        labels, refused, waiting = (  # three statements, because each has its own index
            connection.execute(
                f"SELECT count(*) FROM queries q WHERE {which} AND repeat_of IS NULL AND {mine}", chosen
            ).fetchone()[0]
            for which in (
                "answer IS NOT NULL AND refused = 0",
                "refused = 1 AND superseded = 0",
                "answer IS NULL AND superseded = 0",
            )
        )
        absorbed = connection.execute(f"SELECT count(*) FROM absorbed q WHERE {mine}", chosen).fetchone()[0]
        leased = connection.execute(
            "SELECT count(*) FROM leases l JOIN queries q ON q.number = l.query WHERE l.until > ? AND "
            f"q.repeat_of IS NULL AND {mine}",
            (time.time(), *chosen),
        ).fetchone()[0]
        budgets = connection.execute(f"SELECT count(*), sum(labels) FROM budgets q WHERE {mine}", chosen).fetchone()
        asked = connection.execute(
            f"SELECT count(*) FROM (SELECT DISTINCT q.run, q.seed FROM queries q WHERE repeat_of IS NULL "
            f"AND superseded = 0 AND {mine})",
            chosen,
        ).fetchone()[0]
    agreements, repeats = consistency(database, run)
    budget = budgets[1] if budgets[0] and budgets[0] >= asked else None
    return LabelCounts(labels, refused, absorbed, waiting, leased, budget, repeats, agreements)


def consistency(database: Database, run: str | None = None, annotator: str | None = None) -> tuple[int, int]:
    """Return how many repeated pairs were answered the same way (or as a tie both times), and how many there are.

    Refusals, and pairs whose first answer was taken back later, are left out.
    """
    with database.reading() as connection:
        rows = connection.execute(
            "SELECT a.scores AS first, b.scores AS second FROM queries q JOIN queries o ON o.number = q.repeat_of "
            "JOIN answers a ON a.number = o.answer JOIN answers b ON b.number = q.answer "
            "WHERE q.repeat_of IS NOT NULL AND a.labeler = b.labeler AND a.scores IS NOT NULL "
            "AND b.scores IS NOT NULL AND (? IS NULL OR q.run = ?) AND (? IS NULL OR q.repeat_for = ?)",
            (run, run, annotator, annotator),
        ).fetchall()
    same = sum(_side(row["first"]) == _side(row["second"]) for row in rows)
    return same, len(rows)


def _side(scores: str) -> int:
    first, second = unpacked(scores) or (0, 0)
    return (first > second) - (first < second)
