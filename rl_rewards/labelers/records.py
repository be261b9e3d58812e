"""Records that go into a label store and come out of it, with the checks of their values."""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import numpy as np

from rl_rewards.core.checks import require
from rl_rewards.core.queries import Question
from rl_rewards.labelers.clips import Sheet, encode_clip, segment_hash

Kind = Literal["pair", "ranking", "rating", "yes_no", "correction", "description"]
"""A ``yes_no`` query shows one state; its score is 1 (yes, the task is done) or 0 (no). A ``correction`` has what the
policy did and what could be done instead; a ``description`` has it and copies of it with one feature higher or lower,
of which only the first has a picture. The highest score is chosen."""
Source = Literal["human", "scripted", "judge"]
DONE = "Is the task done in this picture?"
"""The default question to people where the answer is yes or no."""
MOST_CLIPS = 9
"""The most clips in a query, because people rank clips with the keys 1 to 9."""
CLIPS = {"pair": (2, 2), "ranking": (2, MOST_CLIPS), "correction": (2, MOST_CLIPS), "description": (3, 1000)}
"""The least and the most clips of a query of each kind; those of other kinds have one."""
IN_ORDER = ("correction", "description")
"""Kinds whose clips are shown in the query's order, because the first one is what the policy did."""
MOST_LETTERS = 40
"""The longest name of an annotator, in characters."""


class Conflict(Exception):
    """Raised when a request is no longer possible; the message says why. Nothing was changed."""


PROMPT, RESPONSE = "text.prompt", "text.response"
"""The names under which the details of a clip hold its texts, in UTF-8 as uint8 [bytes]."""


@dataclass(frozen=True, eq=False)
class Clip:
    """A segment, identified by its content: obs [L, ...], action [L, ...], and its picture if there is one."""

    hash: str
    obs: np.ndarray
    action: np.ndarray
    media: bytes | None
    sheet: Sheet | None
    details: Mapping[str, np.ndarray] = field(default_factory=dict)  # other arrays of the segment, by name


def make_clip(
    obs: np.ndarray,
    action: np.ndarray,
    frames: np.ndarray | None = None,
    frames_per_second: float = 15.0,
    details: Mapping[str, np.ndarray] | None = None,
    passage: tuple[str, str] | None = None,
) -> Clip:
    """Return a clip of obs [L, ...] and action [L, ...].

    People need frames, uint8 [F, H, W, 3], to see it; or, to read it, its passage, a prompt and a response.
    """
    obs, action = np.asarray(obs), np.asarray(action)
    plain = all(array.ndim and np.issubdtype(array.dtype, np.number) for array in (obs, action))
    require(plain and len(obs) == len(action) > 0, "a clip needs numbers obs [L, ...] and action [L, ...] with L > 0.")
    media, sheet = (None, None) if frames is None else encode_clip(frames, frames_per_second)
    read = {} if passage is None else dict(zip((PROMPT, RESPONSE), map(as_bytes, passage), strict=True))
    return Clip(segment_hash(obs, action), obs, action, media, sheet, {**(details or {}), **read})


def as_bytes(text: str) -> np.ndarray:
    """Return a text in UTF-8, uint8 [bytes]; a lone surrogate becomes a question mark."""
    return np.frombuffer(text.encode("utf-8", "replace"), np.uint8)


def as_text(array: np.ndarray) -> str:
    """Return the text that :func:`as_bytes` stored; bytes that are not UTF-8 become the replacement character."""
    return np.asarray(array).astype(np.uint8).tobytes().decode("utf-8", "replace")


@dataclass(frozen=True)
class NewQuery:
    """A question about ``clips`` (given by their hashes).

    It asks which of two clips is better, for a ranking of several clips, for a rating of one clip, or whether the task
    is done in one state.
    """

    run: str
    seed: int
    query_id: int
    round: int
    kind: Kind
    clips: tuple[str, ...]
    env: str = ""
    acquisition: str = ""

    def __post_init__(self) -> None:
        require(self.kind in get_args(Kind), f"kind={self.kind} must be one of {', '.join(get_args(Kind))}.")
        low, high = CLIPS.get(self.kind, (1, 1))
        message = f"a query of kind {self.kind} has {len(self.clips)} clips"
        require(low <= len(self.clips) <= high, f"{message}; it must have {low} to {high}.")
        require(self.query_id >= 0, f"query_id={self.query_id} must be 0 or more; -1 marks padding.")


def as_queries(
    ids: np.ndarray,
    obs: np.ndarray,
    action: np.ndarray,
    *,
    run: str,
    seed: int,
    round: int,
    env: str = "",
    acquisition: str = "",
    draw: Callable[[int, int], np.ndarray] | None = None,
    frames_per_second: float = 15.0,
    details: Mapping[str, np.ndarray] | None = None,
    question: Question = "quality",
    read: Callable[[int, int], tuple[str, str]] | None = None,
) -> tuple[list[NewQuery], list[Clip]]:
    """Convert the arrays of a ``Query`` to the arguments of :meth:`LabelStore.submit`; id -1 marks padding rows.

    Args:
        ids: [Q]; obs: [Q, K, L, ...]; action: [Q, K, L, ...]. K = 1 is a rating, K = 2 a pair, K > 2 a ranking.
        draw: (row, k) -> uint8 frames [F, H, W, 3] of that segment; needed if people look at it.
        details: name -> [Q, K, ...], other arrays of the segments.
        question: "success" asks for yes or no about one state, so that K is 1.
        read: (row, k) -> the prompt and the response of that segment; needed if people read it.
    """
    kind: Kind = "rating" if obs.shape[1] == 1 else "pair" if obs.shape[1] == 2 else "ranking"
    asked: dict[Question, Kind] = {"success": "yes_no", "correction": "correction", "description": "description"}
    kind = asked.get(question, kind)
    drawn = 1 if kind == "description" else obs.shape[1]
    queries, clips = [], []
    for row in np.flatnonzero(np.asarray(ids) >= 0):
        own = [
            make_clip(
                obs[row, k],
                action[row, k],
                draw(int(row), k) if draw is not None and k < drawn else None,
                frames_per_second,
                {name: values[row, k] for name, values in (details or {}).items()},
                read and read(int(row), k),
            )
            for k in range(obs.shape[1])
        ]
        clips += own
        names = tuple(clip.hash for clip in own)
        queries.append(NewQuery(run, seed, int(ids[row]), round, kind, names, env, acquisition))
    return queries, clips


@dataclass(frozen=True)
class Leased:
    """A query that is reserved for one annotator until ``until`` (seconds since 1970)."""

    number: int  # the row number of the query in the store
    run: str
    seed: int
    query_id: int
    round: int
    kind: Kind
    clips: tuple[str, ...]  # hashes, in the query's order
    shown: tuple[int, ...]  # shown[i] is the index of the clip that is shown at position i
    until: float
    is_repeat: bool


@dataclass(frozen=True)
class Absorbed:
    """An answer that the reward learns from: scores [K] in the query's order, or None for a refusal."""

    query_id: int
    scores: tuple[float, ...] | None
    rater: int  # 0, 1, ... in the order in which this run first absorbed an answer of each rater
    labeler: str
    source: Source


def label_arrays(absorbed: Sequence[Absorbed], rows: int, clips: int) -> dict[str, np.ndarray]:
    """Return the fields of a ``Labels`` of fixed length.

    They are id [rows] int32 (padding: -1), scores [rows, clips] float32 (padding and refusals: NaN) and rater [rows]
    int32 (padding: 0).
    """
    require(len(absorbed) <= rows, f"{len(absorbed)} answers do not fit into {rows} rows of labels.")
    arrays = {
        "id": np.full(rows, -1, np.int32),
        "scores": np.full((rows, clips), np.nan, np.float32),
        "rater": np.zeros(rows, np.int32),
    }
    for row, answer in enumerate(absorbed):
        arrays["id"][row], arrays["rater"][row] = answer.query_id, answer.rater
        if answer.scores is not None:
            arrays["scores"][row, : len(answer.scores)] = answer.scores
    return arrays


def check_scores(scores: Any, clips: int, kind: str | None = None) -> tuple[float, ...] | None:
    """Return ``scores`` as floats, one for each clip, or None for a refusal.

    Args:
        kind: the query's kind, if it is known; a ``yes_no`` query allows only the scores 1 and 0.

    Raises:
        ConfigError: when ``scores`` is anything else.
    """
    if scores is None:
        return None
    listed = isinstance(scores, list | tuple) and len(scores) == clips and all(map(_is_score, scores))
    require(listed, f"scores must be {clips} numbers from -1000 to 1000, one for each clip, or null for a refusal.")
    decided = kind != "yes_no" or scores[0] in (0, 1)
    require(decided, "scores of a yes_no query must be [1] for yes, [0] for no, or null for a refusal.")
    return tuple(map(float, scores))


def _is_score(value: Any) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and -1000 <= value <= 1000 and math.isfinite(value)


def changes(features: Sequence[str]) -> list[str]:
    """Return in words the alternatives of a description, in their order."""
    return [f"{name} {way}" for name in features for way in ("higher", "lower")]


def check_labeler(name: Any) -> str:
    """Return the name of a rater without surrounding spaces.

    Raises:
        ConfigError: when it is no printable text of 1 to MOST_LETTERS characters.
    """
    right = isinstance(name, str) and name.isprintable() and 1 <= len(name.strip()) <= MOST_LETTERS
    require(right, f"a labeler's name must be a printable text of 1 to {MOST_LETTERS} characters.")
    return name.strip()


def packed(values: Sequence[Any] | None) -> str | None:
    """Return a list as the JSON text that the store's columns hold."""
    return None if values is None else json.dumps(list(values))


def unpacked(text: str | None) -> tuple[Any, ...] | None:
    """Return the tuple that :func:`packed` wrote."""
    return None if text is None else tuple(json.loads(text))
