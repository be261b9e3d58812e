"""Access to the demonstrations of a run, which are the entry ``demos`` of the user's data, and checks of their use."""

from rl_rewards.core.checks import require
from rl_rewards.core.types import Examples, Transition
from rl_rewards.data.demonstrations.fit import Demonstrations


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


def require_rewards(name: str, demos: Demonstrations, what: str) -> None:
    """Check that recorded data has the environment's rewards, which ``what`` needs.

    Raises:
        ConfigError: if it has none.
    """
    require(
        "env_reward" in demos,
        f"{name} lacks env_reward (rewards in D4RL's layout), which {what} needs; record it, or choose a reward that "
        "does not read it.",
    )


def transitions_of(data: Examples) -> Transition | None:
    """Return the seed's demonstrations [N, ...], with ``valid`` False on padding, or None if the run has none."""
    return data["demos"].transitions if "demos" in data else None
