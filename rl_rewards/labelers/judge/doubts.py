"""Says when a judge is not to be relied on: it refuses most queries, or goes by the place of a clip."""

from rl_rewards.labelers.judge.journal import JOURNAL_NAME, Totals
from rl_rewards.labelers.judge.parse import CUT

LEAST_QUERIES = 4
"""Before that many queries were judged, nothing is said of refusals."""
LEAST_PAIRS = 8
MOST_FLIPS = 0.9
"""Share of pairs that turn round with the places of their clips; chance is a half, and 1 is a judge of places."""


def doubts(seed: int, totals: Totals) -> list[str]:
    """Sentences about the judge of one seed, each with what to do; empty where it seems to work."""
    found = []
    judged = totals.answered + totals.refused
    if judged >= LEAST_QUERIES and 2 * totals.refused > judged:
        found.append(
            f"The judge of seed {seed} has left {totals.refused} of {judged} queries without an answer "
            f"({main_reason(totals)}), so that the reward learns from few answers. {remedy(totals)}"
        )
    if totals.pairs >= LEAST_PAIRS and totals.flips >= MOST_FLIPS * totals.pairs:
        found.append(
            f"The judge of seed {seed} contradicts itself on {totals.flips} of {totals.pairs} pairs when their clips "
            "change places: it goes by the place and not by the clip. Choose labeler.mode=pointwise, or another "
            "labeler.model."
        )
    return found


def main_reason(totals: Totals) -> str:
    """The most frequent one why queries were refused, and how often it was."""
    ((reason, count),) = totals.reasons.most_common(1)
    return f"{count} times: {reason}"


def remedy(totals: Totals) -> str:
    """Which key to change, where one helps."""
    ((reason, _),) = totals.reasons.most_common(1)
    if any(f"finish_reason={cut})" in reason for cut in CUT):
        return "Raise labeler.parameters.max_tokens in a new run."
    if "labeler.cap_" in reason:
        return "Raise that cap in a new run."
    return f"{JOURNAL_NAME} in the run's folder has every prompt and reply."
