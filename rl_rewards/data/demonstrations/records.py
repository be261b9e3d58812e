"""Demonstrations inside a run: the arrays ``demo_KEY`` of its data as transitions to learn from."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from rl_rewards.core.checks import require
from rl_rewards.core.types import Examples, Key, Transition


def require_demos(demos: str | None, what: str) -> None:
    """Refuse ``what``, which learns from demonstrations, where none are named."""
    require(
        demos is not None,
        f"{what} learns from demonstrations; name some: demos=FILE.npz or demos=minari:DATASET-ID "
        "(python scripts/make_demos.py records them).",
    )


def transitions_of(data: Examples) -> Transition | None:
    """The demonstrations in a run's data [N, ...]; ``valid`` is False on padding. None where there are none."""
    if "demo_obs" not in data:
        return None
    rows = data["demo_obs"].shape[0]
    return Transition(
        obs=data["demo_obs"],
        action=data["demo_action"],
        next_obs=data["demo_next_obs"],
        env_reward=data.get("demo_env_reward", jnp.zeros(rows)),
        terminated=data["demo_terminated"],
        truncated=data["demo_truncated"],
        valid=jnp.arange(rows) < data["demo_count"],
        is_demo=jnp.ones(rows, bool),
        behaviour={},
        info={},
    )


def sampler(data: Examples) -> Callable[[Key, int], Transition] | None:
    """(key, N) -> N demonstrated steps [N, ...], uniform with replacement."""
    demos = transitions_of(data)
    if demos is None:
        return None

    def sample(key: Key, n: int) -> Transition:
        rows = jax.random.randint(key, (n,), 0, data["demo_count"])
        return jax.tree.map(lambda x: x[rows], demos)

    return sample
