"""Access to the demonstrations of a run, which are the entry ``demos`` of the user's data."""

from rl_rewards.core.checks import require
from rl_rewards.core.types import Examples, Transition


def require_demos(demos: str | None, what: str) -> None:
    """Check that demonstrations are given, which ``what`` needs.

    Raises:
        ConfigError: if ``demos`` is None.
    """
    require(
        demos is not None,
        f"{what} learns from demonstrations; name some: demos=FILE.npz or demos=minari:DATASET-ID "
        "(python scripts/make_demos.py records them).",
    )


def transitions_of(data: Examples) -> Transition | None:
    """Return the seed's demonstrations [N, ...], with ``valid`` False on padding, or None if the run has none."""
    return data["demos"].transitions if "demos" in data else None
