"""Statements that both sides of the label store share."""

import sqlite3
from typing import Any


def room(connection: sqlite3.Connection, run: str, seed: int) -> float:
    """Labels that the budget still allows."""
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
    """Queries that annotators have now and will answer."""
    return connection.execute(
        "SELECT count(*) FROM leases l JOIN queries q ON q.number = l.query WHERE q.run = ? AND q.seed = ? "
        "AND q.repeat_of IS NULL AND q.answer IS NULL AND l.until > ?",
        (run, seed, now),
    ).fetchone()[0]


def write_answer(connection: sqlite3.Connection, number: int, row: dict[str, Any]) -> None:
    answer = insert(connection, "answers", row | {"query": number})
    connection.execute(
        "UPDATE queries SET answer = ?, labeler = ?, refused = ? WHERE number = ?",
        (answer, row["labeler"], row["scores"] is None, number),
    )
    connection.execute("DELETE FROM leases WHERE query = ?", (number,))


def insert(connection: sqlite3.Connection, table: str, row: dict[str, Any]) -> int | None:
    names, marks = ", ".join(row), ", ".join("?" * len(row))
    return connection.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", tuple(row.values())).lastrowid
