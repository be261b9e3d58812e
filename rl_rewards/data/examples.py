"""Reading, checking and writing of example states inside and outside the goal set.

The file is an ``.npz`` without pickled objects: ``goal_obs`` [n, *obs] and ``non_goal_obs`` [m, *obs], in the layout of
the environment's observation; optionally ``goal_action`` [n, *action] and ``non_goal_action`` [m, *action] (needed by
``reward.judges=obs_action``) and ``env`` (the environment's name, which is checked).
"""

from pathlib import Path
from typing import Any, Protocol

import jax.numpy as jnp
import numpy as np

from rl_rewards.core.checks import require
from rl_rewards.core.errors import ConfigError
from rl_rewards.core.types import Discrete, EnvSpec, Examples
from rl_rewards.data.arrays import cast_array, cast_choices, check_env, read_arrays

KINDS = ("goal", "non_goal")


class RecordsExamples(Protocol):
    """An environment that can record examples; see ``rl_rewards.envs.base.Environment``."""

    def collect_examples(self, rng: np.random.Generator, n: int, goal: bool) -> tuple[np.ndarray, np.ndarray]:
        """Return ``n`` states [n, *obs] inside (``goal``) or outside the goal set, and actions [n, *action] in them."""
        ...


def collect_examples(env: RecordsExamples, goals: int, non_goals: int, seed: int) -> dict[str, np.ndarray]:
    """Return examples recorded in ``env``, in the layout of the file."""
    rng = np.random.default_rng([seed, 0x60A1])  # a separate stream, independent of the seed's other uses
    arrays: dict[str, np.ndarray] = {}
    for kind, n in zip(KINDS, (goals, non_goals), strict=True):
        states = env.collect_examples(rng, n, goal=kind == "goal")
        arrays[f"{kind}_obs"], arrays[f"{kind}_action"] = states
    return arrays


def save_examples(path: Path, env: EnvSpec, arrays: dict[str, np.ndarray]) -> None:
    """Write examples to an ``.npz`` file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    stored: dict[str, Any] = {"env": np.array(env.name), **arrays}
    np.savez_compressed(path, **stored)


def load_examples(path: Path, spec: EnvSpec, needs_action: bool) -> dict[str, np.ndarray]:
    """Return the checked examples of a file.

    Raises:
        ConfigError: if the file cannot be read, or breaks the layout.
    """
    arrays = read_arrays(path, "examples.path", "python -m rl_rewards.data examples")
    check_examples(path, arrays, spec, needs_action)
    return {key: array for key, array in arrays.items() if key != "env"}


def check_examples(path: Path | str, arrays: dict[str, np.ndarray], spec: EnvSpec, needs_action: bool) -> None:
    """Check and cast the arrays of a file in place; missing actions become 0 if they are not needed.

    Raises:
        ConfigError: if the arrays break the layout of the file.
    """
    check_env(path, arrays, spec)
    unknown = sorted(set(arrays) - {"env", *(f"{kind}_{part}" for kind in KINDS for part in ("obs", "action"))})
    if unknown:
        raise ConfigError(
            f"{path} has the unknown key '{unknown[0]}'; known are goal_obs, goal_action, non_goal_obs, "
            "non_goal_action and env."
        )
    discrete = isinstance(spec.action, Discrete)
    action_shape = () if discrete else spec.action.shape
    for kind in KINDS:
        obs, action = f"{kind}_obs", f"{kind}_action"
        cast_array(path, arrays, obs, spec.obs.shape, spec.obs.dtype)
        n = len(arrays[obs])
        require(n > 0, f"{path} has no rows in {obs}; at least one {kind.replace('_', '-')} is needed.")
        if action not in arrays and not needs_action:
            arrays[action] = np.zeros((n, *action_shape), np.int32 if discrete else np.float32)
        elif discrete:
            cast_choices(path, arrays, action, spec)
        else:
            cast_array(path, arrays, action, action_shape, "float32")
        found = len(arrays[action])
        require(found == n, f"{path} has {n} rows in {obs} but {found} in {action}; they must match.")


def hold_out(arrays: dict[str, np.ndarray], share: float, seed: int, episode_of: np.ndarray | None = None) -> Examples:
    """Return the examples with the fraction ``share`` of the goals held out as ``heldout_obs`` and ``heldout_action``.

    Held-out goals are never used for training; the accuracy on them is logged.

    Args:
        share: fraction of the goals to hold out, in (0, 1).
        seed: seed of the random choice.
        episode_of: the episode [n] of each goal. Neighbouring steps look alike, so whole episodes are held out, at
            least one. If there is only one episode, some of its steps are held out.

    Raises:
        ConfigError: if no goal would be held out, or none would be left to train on.
    """
    require(
        0.0 < share < 1.0, f"examples.heldout_share={share} must lie between 0 and 1; at least one must be held out."
    )
    n = len(arrays["goal_obs"])
    rng = np.random.default_rng([seed, 0x4E1D])
    episodes = np.arange(n) if episode_of is None else np.unique(episode_of)
    if episode_of is None or len(episodes) == 1:
        heldout = round(share * n)
        if not 0 < heldout < n:
            raise ConfigError(
                f"examples.heldout_share={share} of {n} goal examples holds out {heldout}; at least one must be held "
                "out and one left to train on."
            )
        order = rng.permutation(n)
        aside, rest = order[:heldout], order[heldout:]
    else:
        heldout = min(max(round(share * len(episodes)), 1), len(episodes) - 1)
        is_aside = np.isin(episode_of, rng.permutation(episodes)[:heldout])
        aside, rest = np.flatnonzero(is_aside), np.flatnonzero(~is_aside)
    return {
        "goal_obs": jnp.asarray(arrays["goal_obs"][rest]),
        "goal_action": jnp.asarray(arrays["goal_action"][rest]),
        "heldout_obs": jnp.asarray(arrays["goal_obs"][aside]),
        "heldout_action": jnp.asarray(arrays["goal_action"][aside]),
        "non_goal_obs": jnp.asarray(arrays["non_goal_obs"]),
        "non_goal_action": jnp.asarray(arrays["non_goal_action"]),
    }


def mistake(examples: Examples, share: float, seed: int) -> Examples:
    """Return ``examples`` in which some goals and as many non-goals have changed places, as people mistake them.

    Held-out goals stay right, so that the accuracy on them is the true one.

    Args:
        share: probability of each example of the smaller kind to be exchanged, in [0, 1).
        seed: seed of the random choice.
    """
    sizes = [len(examples[f"{kind}_obs"]) for kind in KINDS]
    rng = np.random.default_rng([seed, 0x0DD5])
    count = int(rng.binomial(min(sizes), share))
    goals, others = (rng.permutation(size)[:count] for size in sizes)
    found = dict(examples)
    for part in ("obs", "action"):
        one, other = examples[f"goal_{part}"], examples[f"non_goal_{part}"]
        found[f"goal_{part}"] = one.at[goals].set(other[others])
        found[f"non_goal_{part}"] = other.at[others].set(one[goals])
    return found
