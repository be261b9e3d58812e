"""Small demonstrations of ``point``: noisy moves to a place in the goal disc."""

from functools import cache
from pathlib import Path

import jax
import numpy as np

from rl_rewards.core.types import EnvSpec
from rl_rewards.data.demonstrations.load import Demonstrations, first_episodes, save_demonstrations
from rl_rewards.loop.policies import RestoredPolicy, record
from tests.runs import build, composed

SPEED, STEPS = 0.1, 40


def point_demos(episodes: int = 8, seed: int = 0) -> Demonstrations:
    """Return complete episodes [episodes * 40, ...] in the layout of a demonstrations file."""
    rng = np.random.default_rng(seed)
    position = rng.uniform(-1.0, -0.2, (episodes, 2)).astype(np.float32)
    target = rng.uniform(-0.08, 0.08, (episodes, 2))
    steps: dict[str, list[np.ndarray]] = {"obs": [], "action": [], "next_obs": [], "env_reward": []}
    for _ in range(STEPS):
        wanted = (target - position) / SPEED + rng.normal(0.0, 0.2, position.shape)
        action = np.clip(wanted, -1.0, 1.0).astype(np.float32)
        after = np.clip(position + SPEED * action, -1.0, 1.0).astype(np.float32)
        reward = (np.linalg.norm(after, axis=-1) <= 0.15).astype(np.float32)
        for key, value in zip(steps, (position, action, after, reward), strict=True):
            steps[key].append(value)
        position = after
    arrays = {
        key: np.stack(values, axis=1).reshape(episodes * STEPS, *values[0].shape[1:]) for key, values in steps.items()
    }
    last = np.arange(episodes * STEPS) % STEPS == STEPS - 1
    starts = np.arange(episodes) * STEPS
    return {
        **arrays,
        "terminated": np.zeros_like(last),
        "truncated": last,
        "episode_start": starts,
        "episode_return": np.add.reduceat(arrays["env_reward"], starts),
    }


def point_file(folder: Path, **changes: object) -> str:
    """Write ``point_demos`` to a file and return its path; ``changes`` replace arrays, or omit them if None."""
    demos = {key: value for key, value in {**point_demos(), **changes}.items() if value is not None}
    path = folder / "demos.npz"
    save_demonstrations(path, _point_spec(), demos)
    return str(path)


@cache
def _point_spec() -> EnvSpec:
    return build.build(composed("env=point", "reward=zero")).parts.env.spec


def recorded(folder: Path, *overrides: str, episodes: int = 3) -> str:
    """Record an untrained policy in any environment, and return the path of the demonstrations file."""
    cfg = composed(*overrides, "reward=zero", "debug=smoke")
    parts = build.build(cfg).parts
    state = jax.jit(parts.algorithm.init)(jax.random.key(0))
    policy = RestoredPolicy(parts.algorithm, state, parts.env.spec, {})
    recording = record(parts.env, policy, episodes, explore=True, random=0.0, seed=0)
    path = folder / "recorded.npz"
    save_demonstrations(path, parts.env.spec, first_episodes(recording, parts.env.spec))
    return str(path)
