"""What goes into a label store and what comes out of it, as plain records; each checks itself."""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import numpy as np

from rl_rewards.core.checks import require
from rl_rewards.core.queries import Question
from rl_rewards.labelers.clips import Sheet, encode_clip, segment_hash

Kind = Literal["pair", "ranking", "rating", "yes_no"]
"""The last is a rating on two levels: 1 is yes, the task is done in the one state shown; 0 is no."""
Source = Literal["human", "scripted", "judge"]
DONE = "Is the task done in this picture?"
"""The question that people get where the answer is yes or no, unless a labeler has another."""
MOST_CLIPS = 9
"""Of one query: number keys are what a person ranks with."""
MOST_LETTERS = 40
"""Of an annotator's name."""


class Conflict(Exception):
    """What is asked cannot be done any more; the text says why in one sentence. Nothing was changed."""


@dataclass(frozen=True, eq=False)
class Clip:
    """A segment by its content: obs [L, ...], action [L, ...], and its picture if there is one."""

    hash: str
    obs: np.ndarray
    action: np.ndarray
    media: bytes | None
    sheet: Sheet | None
    details: Mapping[str, np.ndarray] = field(default_factory=dict)  # what else is known of it, for later checks


def make_clip(
    obs: np.ndarray,
    action: np.ndarray,
    frames: np.ndarray | None = None,
    frames_per_second: float = 15.0,
    details: Mapping[str, np.ndarray] | None = None,
) -> Clip:
    """A clip of obs [L, ...] and action [L, ...]; frames uint8 [F, H, W, 3] are needed where people are to see it."""
    obs, action = np.asarray(obs), np.asarray(action)
    plain = all(array.ndim and np.issubdtype(array.dtype, np.number) for array in (obs, action))
    require(plain and len(obs) == len(action) > 0, "a clip needs numbers obs [L, ...] and action [L, ...], L above 0.")
    media, sheet = (None, None) if frames is None else encode_clip(frames, frames_per_second)
    return Clip(segment_hash(obs, action), obs, action, media, sheet, details or {})


@dataclass(frozen=True)
class NewQuery:
    """Something to ask about ``clips`` (their hashes): which of two, the order of several, how good one is, or whether
    the task is done in it."""

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
        low, high = {"pair": (2, 2), "ranking": (2, MOST_CLIPS), "rating": (1, 1), "yes_no": (1, 1)}[self.kind]
        told = f"a {self.kind} of {len(self.clips)} clips"
        require(low <= len(self.clips) <= high, f"{told} cannot be asked; it has {low} to {high}.")
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
) -> tuple[list[NewQuery], list[Clip]]:
    """What a ``Query`` holds, as :meth:`LabelStore.submit` takes it; rows with the id -1 are padding and left out.

    Args:
        ids: [Q]; obs: [Q, K, L, ...]; action: [Q, K, L, ...]: K = 1 is a rating, 2 a pair, more a ranking.
        draw: (row, k) -> uint8 frames [F, H, W, 3] of that segment; needed where people are to see it.
        details: [Q, K, ...] what else is known of the segments, by names.
        question: about success, it is answered by yes or no, and K is 1.
    """
    kind: Kind = "rating" if obs.shape[1] == 1 else "pair" if obs.shape[1] == 2 else "ranking"
    kind = "yes_no" if question == "success" else kind
    queries, clips = [], []
    for row in np.flatnonzero(np.asarray(ids) >= 0):
        own = [
            make_clip(
                obs[row, k],
                action[row, k],
                draw and draw(int(row), k),
                frames_per_second,
                {name: values[row, k] for name, values in (details or {}).items()},
            )
            for k in range(obs.shape[1])
        ]
        clips += own
        names = tuple(clip.hash for clip in own)
        queries.append(NewQuery(run, seed, int(ids[row]), round, kind, names, env, acquisition))
    return queries, clips


@dataclass(frozen=True)
class Leased:
    """A query that one annotator alone has until ``until`` (seconds since 1970)."""

    number: int  # the store's own name of the query
    run: str
    seed: int
    query_id: int
    round: int
    kind: Kind
    clips: tuple[str, ...]  # hashes in the query's order
    shown: tuple[int, ...]  # shown[i] is the clip to be shown at place i
    until: float
    is_repeat: bool


@dataclass(frozen=True)
class Absorbed:
    """An answer as it goes into the reward: scores [K] in the query's order, or None when it was refused."""

    query_id: int
    scores: tuple[float, ...] | None
    rater: int  # 0, 1, ... in the order in which this run first absorbed from them
    labeler: str
    source: Source


def label_arrays(absorbed: Sequence[Absorbed], rows: int, clips: int) -> dict[str, np.ndarray]:
    """The fields of a ``Labels`` of fixed length: id [rows] int32 (-1 pads), scores [rows, clips] float32 (NaN pads
    and marks what was refused), rater [rows] int32 (0 pads)."""
    require(len(absorbed) <= rows, f"{len(absorbed)} answers do not fit into {rows} rows.")
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
    """``scores`` as numbers, one for each clip, or None for a refusal.

    Args:
        kind: of the query, where it is known: yes or no has the scores 1 and 0 alone.

    Raises:
        ConfigError: when they are anything else.
    """
    if scores is None:
        return None
    listed = isinstance(scores, list | tuple) and len(scores) == clips and all(map(_is_score, scores))
    require(listed, f"scores must be {clips} numbers from -1000 to 1000, one for each clip, or null to refuse.")
    decided = kind != "yes_no" or scores[0] in (0, 1)
    require(decided, "scores of a yes or no must be [1] for yes or [0] for no, or null to refuse.")
    return tuple(map(float, scores))


def _is_score(value: Any) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and -1000 <= value <= 1000 and math.isfinite(value)


def check_labeler(name: Any) -> str:
    """The name of an annotator or of a scripted teacher, without spaces around it."""
    right = isinstance(name, str) and name.isprintable() and 1 <= len(name.strip()) <= MOST_LETTERS
    require(right, f"a labeler's name must be a text of 1 to {MOST_LETTERS} letters.")
    return name.strip()


def packed(values: Sequence[Any] | None) -> str | None:
    """As the store's columns hold lists."""
    return None if values is None else json.dumps(list(values))


def unpacked(text: str | None) -> tuple[Any, ...] | None:
    return None if text is None else tuple(json.loads(text))
