"""Ask a labeler about pairs that another rater has answered, in both orders."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from rl_rewards.core.checks import require
from rl_rewards.core.queries import NOBODY, Query
from rl_rewards.core.types import EnvSpec, Transition
from rl_rewards.labelers.base import Assignment, Labeler, Labeling
from rl_rewards.labelers.calibration import flip_rate
from rl_rewards.labelers.pairs import Pairs
from rl_rewards.labelers.store import STORE_NAME

POLL_SECONDS = 0.05
FLIP_RATE = "labeler/flip_rate"
"""The metric of a labeler that asks each pair in both orders itself: the share of contradictory answers."""


class AskedAgain(NamedTuple):
    """The new answers to N pairs, or to N queries about K segments each."""

    scores: Float[np.ndarray, "N K"]  # NaN for a refusal
    probability: Float[np.ndarray, " N"] | None  # P(first is better); NaN where it is not known
    flip_rate: float | None


def ask_again(
    labeling: Labeling,
    pairs: Pairs,
    spec: EnvSpec,
    draw: Callable[[np.ndarray], np.ndarray],
    describe: Callable[[Transition], str] | None,
    passage: Callable[[Transition], tuple[str, str]] | None,
    folder: Path,
    model: Callable[[np.ndarray, np.ndarray], np.ndarray] | None = None,
) -> AskedAgain:
    """Ask about all ``pairs`` at once and wait. A judge's replies are kept in ``folder`` and not requested again.

    Raises:
        ConfigError: when the labeler asks people, or reads data that the pairs do not have.
        TrainingFailed: when a judge has failed for good; its replies so far are kept.
    """
    require(
        not labeling.requirements.asks_people,
        "A labeler that asks people cannot be used here; choose one that answers by itself.",
    )
    require(
        not labeling.requirements.revisions,
        "A labeler that prefers revisions cannot be used here, because a label store does not say which responses are "
        "revisions; choose labeler.pairs=multiple_choice.",
    )
    missing = [name for name in labeling.requirements.reads if name not in pairs.reads]
    require(
        not missing,
        f"This labeler reads {', '.join(missing)}, which the label store does not have for its clips; choose another "
        "labeler, or pairs of a run that records it.",
    )
    folder.mkdir(parents=True, exist_ok=True)
    asked = Assignment(
        seed=0,
        answers=len(pairs.scores),
        clips=2,
        budget=len(pairs.scores),
        folder=folder,
        spec=spec,
        draw=draw,
        describe=describe,
        acquisition="asked again",
        passage=passage,
        model=model,
    )
    scores, probability, flipped = ask_about(labeling.make, asked, pairs.segments(swapped=False))
    if flipped is None:
        flipped = flip_rate(scores, ask_about(labeling.make, asked, pairs.segments(swapped=True)).scores)
    return AskedAgain(scores, probability, flipped)


def ask_about(make: Callable[[Assignment], Labeler], asked: Assignment, segments: Transition) -> AskedAgain:
    """Ask one query about each row of ``segments``, leaves [N, K, L, ...], and wait for all answers."""
    for ending in ("", "-wal", "-shm"):  # old answers (of another labeler or order) would be kept
        (asked.folder / f"{STORE_NAME}{ending}").unlink(missing_ok=True)
    count = asked.answers
    labeler = make(asked)
    try:
        labeler.submit(Query(id=np.arange(count), segments=segments), 0)
        while labeler.open(0):
            time.sleep(POLL_SECONDS)
        labels = labeler.collect(0)
        flip_rate, likely = labeler.metrics().get(FLIP_RATE), labeler.probabilities()
    finally:
        labeler.close()
    scores, probability = np.full((count, asked.clips), np.nan), np.full(count, np.nan)
    known = labels.id != NOBODY
    scores[labels.id[known]] = labels.scores[known]
    for query, value in likely.items():
        probability[query] = value
    return AskedAgain(scores, probability if likely else None, flip_rate)
