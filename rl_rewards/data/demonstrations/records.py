"""Demonstrations inside a run: the data set ``demos`` of what it was supplied with."""

from rl_rewards.core.checks import require
from rl_rewards.core.types import Examples, Transition


def require_demos(demos: str | None, what: str) -> None:
    """Refuse ``what``, which learns from demonstrations, where none are named."""
    require(
        demos is not None,
        f"{what} learns from demonstrations; name some: demos=FILE.npz or demos=minari:DATASET-ID "
        "(python scripts/make_demos.py records them).",
    )


def transitions_of(data: Examples) -> Transition | None:
    """The seed's demonstrations [N, ...], ``valid`` False on padding; None where a run has none."""
    return data["demos"].transitions if "demos" in data else None
