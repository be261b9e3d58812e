"""Reads and writes what a person supplies: example states inside and outside the goal set.

The file is an ``.npz`` without pickled objects: ``goal_obs`` [n, *obs] and ``non_goal_obs`` [m, *obs], in the layout of
the environment's observation; optionally ``goal_action`` [n, *action] and ``non_goal_action`` [m, *action] (needed by
``reward.judges=obs_action``) and ``env`` (the environment's name, checked when present).
"""

from pathlib import Path

import jax.numpy as jnp
import numpy as np

from rl_rewards.core.errors import ConfigError
from rl_rewards.core.types import Discrete, EnvSpec, Examples
from rl_rewards.envs.base import Environment
from rl_rewards.loop.arrays import check_array, check_dtype, read_arrays

KINDS = ("goal", "non_goal")


def collect_examples(env: Environment, goals: int, non_goals: int, seed: int) -> dict[str, np.ndarray]:
    """Examples recorded in ``env`` the ordinary way, in the layout of the file."""
    rng = np.random.default_rng([seed, 0x60A1])  # its own stream: the training seed's other uses do not move it
    arrays: dict[str, np.ndarray] = {}
    for kind, n in zip(KINDS, (goals, non_goals), strict=True):
        states = env.collect_examples(rng, n, goal=kind == "goal")
        arrays[f"{kind}_obs"], arrays[f"{kind}_action"] = states
    return arrays


def save_examples(path: Path, env: EnvSpec, arrays: dict[str, np.ndarray]) -> None:
    """Write the documented layout."""
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, env=np.array(env.name), **arrays)


def load_examples(path: Path, spec: EnvSpec, needs_action: bool) -> dict[str, np.ndarray]:
    """Read and validate an examples file.

    Raises:
        ConfigError: with one sentence for each way in which the file can be wrong.
    """
    arrays = read_arrays(path, "examples.path", "python -m rl_rewards.data examples")
    name = str(arrays.pop("env", np.array(spec.name)))
    if name != spec.name:
        raise ConfigError(f"{path} holds examples of the environment '{name}', but this run uses '{spec.name}'.")
    unknown = sorted(set(arrays) - {f"{kind}_{part}" for kind in KINDS for part in ("obs", "action")})
    if unknown:
        raise ConfigError(
            f"{path} has the unknown key '{unknown[0]}'; known are goal_obs, goal_action, non_goal_obs, "
            "non_goal_action and env."
        )
    for kind in KINDS:
        check_array(path, arrays, f"{kind}_obs", spec.obs.shape, required=True)
        check_dtype(path, arrays[f"{kind}_obs"], f"{kind}_obs", spec.obs.dtype)
        n = len(arrays[f"{kind}_obs"])
        if n == 0:
            raise ConfigError(f"{path} has no rows in {kind}_obs; at least one {kind.replace('_', '-')} is needed.")
        discrete = isinstance(spec.action, Discrete)
        action_shape = () if discrete else spec.action.shape
        check_array(path, arrays, f"{kind}_action", action_shape, required=needs_action)
        action = arrays.setdefault(f"{kind}_action", np.zeros((n, *action_shape), np.float32))
        if len(action) != n:
            raise ConfigError(f"{path} has {n} rows in {kind}_obs but {len(action)} in {kind}_action; they must match.")
        arrays[f"{kind}_action"] = action.astype(np.int32 if discrete else np.float32)
        arrays[f"{kind}_obs"] = arrays[f"{kind}_obs"].astype(spec.obs.dtype)
    return arrays


def hold_out(arrays: dict[str, np.ndarray], share: float, seed: int) -> Examples:
    """Set ``share`` of the goals aside as ``heldout_obs`` and ``heldout_action``: never trained on, always logged.

    Raises:
        ConfigError: when that would leave no goal on one of the sides.
    """
    n = len(arrays["goal_obs"])
    heldout = round(share * n)
    if not 0 < heldout < n:
        raise ConfigError(
            f"examples.heldout_share={share} of {n} goal examples holds out {heldout}; at least one must be held out "
            "and one be left to train on."
        )
    order = np.random.default_rng([seed, 0x4E1D]).permutation(n)
    aside, rest = order[:heldout], order[heldout:]
    return {
        "goal_obs": jnp.asarray(arrays["goal_obs"][rest]),
        "goal_action": jnp.asarray(arrays["goal_action"][rest]),
        "heldout_obs": jnp.asarray(arrays["goal_obs"][aside]),
        "heldout_action": jnp.asarray(arrays["goal_action"][aside]),
        "non_goal_obs": jnp.asarray(arrays["non_goal_obs"]),
        "non_goal_action": jnp.asarray(arrays["non_goal_action"]),
    }
