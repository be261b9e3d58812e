"""Outcomes of claims, short enough to compare."""

from collections.abc import Sequence

from rl_rewards.studies.claims import Claim, Verdict, conclude


def outcomes(judged: Sequence[Verdict] | Sequence[Claim]) -> str:
    """Return a letter for every claim: S for supported, R for refuted, U for undecided."""
    verdicts = [one for one in judged if isinstance(one, Verdict)]
    verdicts += conclude([one for one in judged if isinstance(one, Claim)])
    return "".join(one.outcome[0].upper() for one in verdicts)
