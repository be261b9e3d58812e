"""Detects an unreliable judge, which refuses most queries or decides by the position of a clip."""

from rl_rewards.labelers.judge.journal import JOURNAL_NAME, Totals
from rl_rewards.labelers.judge.parse import CUT

LEAST_QUERIES = 4
"""The least number of judged queries for a warning about refusals."""
LEAST_PAIRS = 8
"""The least number of judged pairs for a warning about flips."""
MOST_FLIPS = 0.9
"""The share of pairs whose answer follows the position: 0.5 is chance, and 1 a judge that only looks at positions."""


def reliability_warnings(seed: int, totals: Totals) -> list[str]:
    """Return warnings about the judge of one seed, each with a remedy; empty if it seems to work."""
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
            "are swapped: it decides by the position, not by the clip. Choose labeler.mode=pointwise, or another "
            "labeler.model."
        )
    return found


def main_reason(totals: Totals) -> str:
    """Return the most frequent reason for refusals and its count."""
    ((reason, count),) = totals.reasons.most_common(1)
    return f"{count} times: {reason}"


def remedy(totals: Totals) -> str:
    """Return advice: the key to change, or else the file to read."""
    ((reason, _),) = totals.reasons.most_common(1)
    if any(f"finish_reason={cut})" in reason for cut in CUT):
        return "Raise labeler.parameters.max_tokens in a new run."
    if "labeler.cap_" in reason:
        return "Raise that cap in a new run."
    return f"{JOURNAL_NAME} in the run's folder has every prompt and reply."
