"""Exports and imports of label stores: JSON lines, PreferenceTransformer's arrays, chosen and rejected pairs.

JSON lines are lossless and can be imported. The first line names the format and its version; every other line is one
row of a table, ``{"table": ..., column: value, ...}``, with bytes as base64. Leases are left out. Nothing is unpickled.
"""

import base64
import binascii
import itertools
import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import numpy as np

from rl_rewards.core.checks import require
from rl_rewards.core.errors import ConfigError
from rl_rewards.core.files import replaced
from rl_rewards.labelers.clips import Sheet, segment_hash, unpack_array
from rl_rewards.labelers.database import VERSION, Database, passage_of
from rl_rewards.labelers.records import NewQuery, Source, check_labeler, check_scores, unpacked

FORMAT = "rl_rewards labels"
TABLES = {  # in this order, rows come after the rows that they refer to
    "clips": "hash",
    "details": "hash, name",
    "budgets": "run, seed",
    "rounds": "run, seed, absorbed_round",
    "queries": "number",
    "answers": "number",
    "absorbed": "number",
}
BYTES = {"clips": ("media", "obs", "action"), "details": ("value",)}
NAMES = {  # columns with the number of another row
    "queries": {"repeat_of": "queries", "answer": "answers"},
    "answers": {"query": "queries", "undo_of": "answers"},
    "absorbed": {"query": "queries", "answer": "answers"},
}
STANDING = (
    "SELECT q.number, q.run, q.seed, q.query_id, q.env, q.clips, a.labeler, a.source, a.scores FROM queries q "
    "JOIN answers a ON a.number = q.answer WHERE q.repeat_of IS NULL AND q.refused = 0 AND q.superseded = 0 "
)


def export_lines(database: Database, path: Path) -> int:
    """Write the whole store as JSON lines; return the number of rows."""
    rows = 0
    with replaced(path) as file, database.reading() as connection:
        file.write(json.dumps({"format": FORMAT, "version": VERSION}) + "\n")
        for table, order in TABLES.items():
            for row in connection.execute(f"SELECT * FROM {table} ORDER BY {order}"):
                values = dict(row)
                for key in BYTES.get(table, ()):
                    values[key] = None if values[key] is None else base64.b64encode(values[key]).decode()
                file.write(json.dumps({"table": table, **values}) + "\n")
                rows += 1
    return rows


def import_lines(database: Database, path: Path) -> int:
    """Add a file of :func:`export_lines` to the store, all of it or nothing; return the number of rows.

    Raises:
        ConfigError: when a line is not valid, or the store has labels of the same run already.
    """
    numbers: dict[str, dict[int, int]] = {"queries": {}, "answers": {}, "absorbed": {}}
    rows, where = 0, f"{path}"
    try:
        with path.open(encoding="utf-8") as file, database.writing() as connection:
            _check_head(path, file.readline())
            known = {row["run"] for row in connection.execute("SELECT DISTINCT run FROM queries")}
            connection.execute("PRAGMA defer_foreign_keys = ON")  # a query refers to its answer, which comes later
            answer_of: list[tuple[int, int]] = []
            for count, line in enumerate(file, start=2):
                where = f"{path}, line {count}"
                table, row = _read_row(connection, where, line)
                run = row.get("run")
                require(
                    run not in known,
                    f"{where}: the store already has labels of the run {run}; import into another store.",
                )
                if table == "queries" and row["answer"] is not None:
                    answer_of.append((row["number"], row.pop("answer")))
                _insert(connection, table, row, numbers)
                rows += 1
            for query, answer in answer_of:
                mapped = (numbers["answers"][answer], numbers["queries"][query])
                connection.execute("UPDATE queries SET answer = ? WHERE number = ?", mapped)
    except (sqlite3.Error, KeyError, TypeError, ValueError, RecursionError, OverflowError) as error:
        raise ConfigError(f"{where} does not fit into the label store: {type(error).__name__}: {error}.") from error
    return rows


def _check_head(path: Path, line: str) -> None:
    try:
        head = json.loads(line)
    except ValueError:
        head = None
    right = head == {"format": FORMAT, "version": VERSION}
    require(right, f"{path} is not a label export of version {VERSION}: its first line does not say so.")


def _read_row(connection: sqlite3.Connection, where: str, line: str) -> tuple[str, dict[str, Any]]:
    try:
        row = json.loads(line)
    except ValueError as error:
        raise ConfigError(f"{where} is not JSON: {error}.") from error
    table = str(row.pop("table", None)) if isinstance(row, dict) else ""
    require(table in TABLES, f"{where}: each line must be an object whose table is one of {', '.join(TABLES)}.")
    columns = {column["name"] for column in connection.execute(f"PRAGMA table_info({table})")}
    require(set(row) == columns, f"{where}: a row of {table} must have the keys {', '.join(sorted(columns))}.")
    for key in BYTES.get(table, ()):
        row[key] = None if row[key] is None else _decoded(where, key, row[key])
    if table == "clips":
        content = segment_hash(unpack_array(row["obs"]), unpack_array(row["action"]))
        require(content == row["hash"], f"{where}: the clip's content does not have the hash {row['hash']}.")
    _check_meaning(where, table, row)
    return table, row


def _check_meaning(where: str, table: str, row: dict[str, Any]) -> None:
    """Check the values that the database itself does not check, so that later readers can rely on them."""
    try:
        if table == "clips":
            sheet = json.loads(row["sheet"])
            require((sheet is None) == (row["media"] is None), "media and sheet must both be given or both be null.")
            _ = sheet and Sheet(**sheet)
        elif table == "details":
            unpack_array(row["value"])
        elif table == "queries":
            keys = ("run", "seed", "query_id", "round", "kind")
            clips = unpacked(row["clips"])
            require(clips is not None and all(isinstance(clip, str) for clip in clips), "clips must be hashes.")
            NewQuery(**{key: row[key] for key in keys}, clips=clips or ())
        elif table == "answers":
            scores = unpacked(row["scores"])
            check_scores(scores, len(scores or ()))
            check_labeler(row["labeler"])
            require(row["source"] in get_args(Source), f"source must be one of {', '.join(get_args(Source))}.")
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from error


def _decoded(where: str, key: str, value: Any) -> bytes:
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, TypeError, ValueError) as error:
        raise ConfigError(f"{where}: {key} must be base64.") from error


def _insert(
    connection: sqlite3.Connection, table: str, row: dict[str, Any], numbers: dict[str, dict[int, int]]
) -> None:
    """Insert a row under a new number, and translate its references to the new numbers of other rows."""
    old = row.pop("number", None)
    for key, other in NAMES.get(table, {}).items():
        if row.get(key) is not None:
            row[key] = numbers[other][row[key]]
    names, marks = ", ".join(row), ", ".join("?" * len(row))
    ignore = "OR IGNORE " if table in ("clips", "details") else ""  # a clip with the same content may exist
    cursor = connection.execute(f"INSERT {ignore}INTO {table} ({names}) VALUES ({marks})", tuple(row.values()))
    if table in numbers and old is not None and cursor.lastrowid is not None:
        numbers[table][old] = cursor.lastrowid


def export_preference_transformer(database: Database, path: Path) -> int:
    """Write the pairs as PreferenceTransformer's arrays (Kim et al. 2023, arXiv:2303.00957); return their number.

    The arrays of N pairs of segments of L steps are ``observations`` and ``observations_2`` [N, L, ...], ``actions``
    and ``actions_2`` [N, L, ...], ``timestep_1`` and ``timestep_2`` [N, L] from 1, ``human_labels`` [N] (0: the first
    is better, 1: the second, -1: equal) and ``labels`` [N, 2], the same as probabilities; people's answers with
    ``labeler.strength=true`` are not only 0, 1/2 and 1 there.
    Refusals and repeats are left out.

    Raises:
        ConfigError: when there is no pair, or their segments differ in shape.
    """
    with database.reading() as connection:
        rows = connection.execute(STANDING + "AND q.kind = 'pair' ORDER BY q.answer").fetchall()
        require(len(rows) > 0, f"{database.path} has no answered pair to export.")
        sides = [_segments(connection, [json.loads(row["clips"])[side] for row in rows]) for side in (0, 1)]
    try:
        (obs, action), (obs_2, action_2) = [tuple(np.stack(arrays) for arrays in side) for side in sides]
    except ValueError as error:
        raise ConfigError(f"{database.path}: the pairs' segments differ in shape and cannot form one array.") from error
    scores = np.array([json.loads(row["scores"]) for row in rows])
    human = np.where(scores[:, 0] == scores[:, 1], -1, scores[:, 1] > scores[:, 0]).astype(np.int64)
    hard = np.where(human[:, None] == -1, 0.5, human[:, None] == np.arange(2))
    people = np.array([row["source"] == "human" for row in rows])
    soft = people & (np.abs(scores.sum(axis=1) - 1.0) < 1e-6) & (scores.min(axis=1) >= 0.0)  # how sure people are
    shares = np.where(soft[:, None], scores, hard).astype(np.float32)
    steps = np.tile(np.arange(1, obs.shape[1] + 1), (len(rows), 1))
    arrays = {"observations": obs, "actions": action, "observations_2": obs_2, "actions_2": action_2}
    arrays |= {"timestep_1": steps, "timestep_2": steps, "human_labels": human, "labels": shares}
    with replaced(path, binary=True) as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)
    return len(rows)


def export_chosen_rejected(database: Database, path: Path) -> int:
    """Write every strict preference as a JSON line with ``chosen`` and ``rejected``; return their number.

    Each side is ``{"hash", "obs", "action"}``, and ``scores`` are theirs. A ranking gives all its pairs; ties, ratings,
    yes-or-no answers, descriptions and refusals give none.
    """
    pairs = 0
    with replaced(path) as file, database.reading() as connection:
        for row in connection.execute(
            STANDING + "AND q.kind NOT IN ('rating', 'yes_no', 'description') ORDER BY q.answer"
        ).fetchall():
            clips, scores = json.loads(row["clips"]), unpacked(row["scores"]) or ()
            sides = {clip: _side(connection, clip) for clip in clips}
            source = {key: row[key] for key in ("run", "seed", "query_id", "env", "labeler", "source")}
            for better, high in zip(clips, scores, strict=True):
                for worse, low in zip(clips, scores, strict=True):
                    if high > low:
                        line = {"chosen": sides[better], "rejected": sides[worse], "scores": [high, low], **source}
                        file.write(json.dumps(line) + "\n")
                        pairs += 1
    return pairs


def export_texts(database: Database, path: Path) -> int:
    """Write every strict preference between two responses to a prompt as a JSON line; return their number.

    A line has ``prompt``, ``chosen`` and ``rejected`` as trl has them, so that env=text_prompts reads the file. A
    ranking gives all its pairs. Ties, refusals, and pairs with an empty response or two equal ones are left out.

    Raises:
        ConfigError: when there is no such preference.
    """
    pairs = 0
    with replaced(path) as file, database.reading() as connection:
        for row in connection.execute(STANDING + "AND q.kind IN ('pair', 'ranking') ORDER BY q.answer").fetchall():
            read = [passage_of(connection, clip) for clip in json.loads(row["clips"])]
            scores = unpacked(row["scores"]) or ()
            known = [(*passage, score) for passage, score in zip(read, scores, strict=True) if passage is not None]
            source = {key: row[key] for key in ("run", "seed", "query_id", "labeler", "source")}
            for (prompt, better, high), (asked, worse, low) in itertools.permutations(known, 2):
                if high > low and prompt == asked and better != worse and better.strip() and worse.strip():
                    line = {"prompt": prompt, "chosen": better, "rejected": worse, "scores": [high, low], **source}
                    file.write(json.dumps(line, ensure_ascii=False) + "\n")
                    pairs += 1
        require(pairs > 0, f"{database.path} has no preference between two texts that people read.")
    return pairs


FORMATS: dict[str, Callable[[Database, Path], int]] = {
    "lines": export_lines,
    "preference_transformer": export_preference_transformer,
    "chosen_rejected": export_chosen_rejected,
    "texts": export_texts,
}


def _arrays(connection: sqlite3.Connection, clip: str) -> tuple[np.ndarray, np.ndarray]:
    row = connection.execute("SELECT obs, action FROM clips WHERE hash = ?", (clip,)).fetchone()
    return unpack_array(row["obs"]), unpack_array(row["action"])


def _segments(connection: sqlite3.Connection, clips: list[str]) -> tuple[list[np.ndarray], list[np.ndarray]]:
    arrays = [_arrays(connection, clip) for clip in clips]
    return [obs for obs, _ in arrays], [action for _, action in arrays]


def _side(connection: sqlite3.Connection, clip: str) -> dict[str, Any]:
    obs, action = _arrays(connection, clip)
    return {"hash": clip, "obs": obs.tolist(), "action": action.tolist()}
