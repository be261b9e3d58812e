"""Converts a judge's answers to scores: comparisons in both orders, ratings or progress of clips, or yes and no."""

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

from rl_rewards.core.queries import pairs_of
from rl_rewards.labelers.judge.parse import NoAnswer
from rl_rewards.labelers.judge.prompts import (
    DIGITS,
    LETTERS,
    TRUE_FALSE,
    YES_NO,
    Description,
    Messages,
    compare,
    done,
    finished,
    rate,
)

Ask = Callable[[Messages, Sequence[str]], dict[str, float] | NoAnswer]
"""A function (messages, options) -> option -> probability."""
OnFlip = Literal["tie", "average"]


class Judgement(NamedTuple):
    """The result for one query."""

    scores: tuple[float, ...] | None  # [K], higher is better; None: refused
    pairs: int = 0  # pairs that were asked in both orders
    flips: int = 0  # pairs whose two answers contradict each other
    refused: str | None = None  # the reason of a refusal
    probability: float | None = None  # P(first of a pair is better), mean of both orders; None: not known
    agreeing: float | None = None  # mean share of a question's samples that agree with most of them; None: one sample


UNDECIDED = "the judge gives yes and no the same probability"


def by_comparing(told: Sequence[Description], law: str, ask: Ask, on_flip: OnFlip) -> Judgement:
    """Ask all C(K, 2) pairs in both orders; a clip's score is the number of others it beats, where a tie counts half.

    P(first better) is the mean over both orders. A judge that prefers a position to a clip contradicts itself. Such a
    flip is a tie with ``on_flip=tie``; with ``average`` the mean decides, which favours neither position.
    """
    wins, pairs, flips, probability = [0.0] * len(told), 0, 0, None
    for i, j in zip(*(index.tolist() for index in pairs_of(len(told))), strict=True):
        forth = ask(compare(law, told[i], told[j]), LETTERS)
        back = ask(compare(law, told[j], told[i]), LETTERS)
        if isinstance(forth, NoAnswer) or isinstance(back, NoAnswer):
            return Judgement(None, pairs, flips, next(one.why for one in (forth, back) if isinstance(one, NoAnswer)))
        shown_first, shown_second = forth["A"], back["B"]  # P(i better) in each order
        flipped = (shown_first - 0.5) * (shown_second - 0.5) < 0
        pairs, flips = pairs + 1, flips + flipped
        if len(told) == 2 and not {shown_first, shown_second} <= {0.0, 1.0}:
            probability = 0.5 * (shown_first + shown_second)
        mean = 0.5 if flipped and on_flip == "tie" else 0.5 * (shown_first + shown_second)
        won = 0.5 + 0.5 * ((mean > 0.5) - (mean < 0.5))
        wins[i] += won
        wins[j] += 1.0 - won
    return Judgement(tuple(wins), pairs, flips, probability=probability)


def by_rating(told: Sequence[Description], law: str, ask: Ask) -> Judgement:
    """Ask for a rating of each clip; its score is the expected rating divided by 9, in [0, 1]."""
    scores = []
    for clip in told:
        answer = ask(rate(law, clip), DIGITS)
        if isinstance(answer, NoAnswer):
            return Judgement(None, refused=answer.why)
        scores.append(sum(int(digit) * share for digit, share in answer.items()) / int(DIGITS[-1]))
    return Judgement(tuple(scores))


def by_progress(told: Sequence[Description], law: str, ask: Ask) -> Judgement:
    """Ask whether the task is done when each clip ends; its score is the probability of "true" among the two answers.

    What a model believes tells clips apart for which it would say the same (TOPReward, arXiv:2602.19313).
    """
    scores = []
    for clip in told:
        answer = ask(finished(law, clip), TRUE_FALSE)
        if isinstance(answer, NoAnswer):
            return Judgement(None, refused=answer.why)
        scores.append(answer["true"])
    return Judgement(tuple(scores))


def by_asking(told: Sequence[Description], law: str, ask: Ask) -> Judgement:
    """Ask once whether the task is done in the one state: the score is 1 for yes, 0 for no; other replies refuse."""
    (state,) = told
    answer = ask(done(law, state), YES_NO)
    if isinstance(answer, NoAnswer):
        return Judgement(None, refused=answer.why)
    if answer["yes"] == answer["no"]:
        return Judgement(None, refused=UNDECIDED)
    return Judgement((float(answer["yes"] > answer["no"]),))
