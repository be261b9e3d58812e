"""Episodes of a run's policy in fresh environments, one by one, as ``python -m rl_rewards.play`` shows them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import jax
import numpy as np

from rl_rewards.core.checks import require
from rl_rewards.core.errors import ConfigError
from rl_rewards.core.types import EnvSpec, Transition
from rl_rewards.envs.base import Environment, Told
from rl_rewards.loop.build import build_env
from rl_rewards.loop.episodes import first_episodes, last_steps
from rl_rewards.loop.policies import record, restore_policy
from rl_rewards.loop.run_folder import read_config
from rl_rewards.loop.saved_state import saved_state
from rl_rewards.loop.sources import restore_from_run


@dataclass(frozen=True)
class PlayedEpisode:
    """One episode and its outcome; None for what the environment or the run does not have."""

    steps: int
    true_return: float | None
    learned_return: float | None
    success: bool | None
    text: tuple[str, str] | None  # the prompt and the response of an environment of texts
    scenes: np.ndarray | None  # [steps, k], for ``Environment.draw``
    rewards: Mapping[str, np.ndarray] = field(default_factory=dict)  # [steps], "true" and "learned", if known
    successes: np.ndarray | None = None  # [steps] bool: whether the task is done after each step


@dataclass(frozen=True)
class Played:
    """Episodes of one policy, and the environment that draws their scenes."""

    env: Environment
    spec: EnvSpec
    episodes: Sequence[PlayedEpisode]
    unpaid: str | None = None  # why there is no learned return
    games: Sequence[Told] = ()  # of two players


def play(
    run: str,
    episodes: int,
    explore: bool,
    seed: int | None = None,
    env_seed: int = 0,
    trust: Sequence[str] = (),
    pictures: bool = False,
) -> Played:
    """Return episodes of the policy of a run in the environment of its evaluations; nothing in the folder changes.

    Of self-play, these are episodes in which Bob has the task; there are also as many games of Alice and Bob.

    Args:
        run: RUN_DIR or RUN_DIR@last; RUN_DIR@best for the policy of its best evaluation, RUN_DIR@12 for that after 12
            rounds.
        episodes: how many.
        explore: sample actions from the policy instead of taking its mode.
        seed: the seed of the policy, if the run trained several seeds in one program.
        env_seed: of the environments and of sampled actions.
        trust: other packages whose classes the configuration may name; their code is executed.
        pictures: the episodes will be drawn; an environment without pictures is refused before anything compiles.

    Raises:
        ConfigError: when the policy cannot be restored, or ``pictures`` cannot be made.
    """
    require(episodes >= 1, f"--episodes {episodes} must be at least 1.")
    policy = restore_policy(run, seed, trust)
    env = build_env(read_config(saved_state(run).run_dir, ["env"], trust))
    if pictures:
        _check_pictures(env)
    if policy.source is not None:
        env = policy.source.wrap_env(env)
    known, env = env.episodes, env.episodes.evaluated
    rollout = first_episodes(policy.spec, record(env, policy, episodes, explore, 0.0, env_seed))
    learned, unpaid = _learned(run, seed, trust, rollout)
    each = [_episode(env, policy.spec, rollout, learned, i) for i in range(episodes)]
    games = []
    if known.also_played is not None:
        played = record(known.also_played, policy, episodes, explore, 0.0, env_seed)
        games = [known.told(played, i) for i in range(episodes)]
    return Played(env, policy.spec, each, unpaid, games)


def _check_pictures(env: Environment) -> None:
    name, without = env.spec.name, "leave out --video and --window"
    require(env.passage is None, f"{name} has texts, which are printed, and no pictures; {without}.")
    require("scene" in env.spec.info, f"{name} records no scenes, so that there is nothing to draw; {without}.")


def _learned(
    run: str, seed: int | None, trust: Sequence[str], rollout: Transition
) -> tuple[np.ndarray | None, str | None]:
    """Return the rewards [T, B] by the run's own reward, as evaluations count them; or None, and why."""
    try:
        source, state, _ = restore_from_run(run, seed, trust)
        return np.asarray(jax.jit(source.reward)(state, rollout)), None
    except ConfigError as error:
        return None, str(error)


def _episode(
    env: Environment, spec: EnvSpec, rollout: Transition, learned: np.ndarray | None, number: int
) -> PlayedEpisode:
    valid = np.asarray(rollout.valid)[:, number]
    last = last_steps(rollout)[0][number]
    success, scene = (rollout.info.get(name) for name in ("success", "scene"))
    paid = {"true": rollout.env_reward if spec.has_true_reward else None, "learned": learned}
    rewards = {kind: np.asarray(values)[: last + 1, number] for kind, values in paid.items() if values is not None}
    returns = {kind: float(np.sum(values * valid[: last + 1])) for kind, values in rewards.items()}
    text = None
    if env.passage is not None:
        text = env.passage(jax.tree.map(lambda x: np.asarray(x)[: last + 1, number], rollout))
    return PlayedEpisode(
        steps=int(valid.sum()),
        true_return=returns.get("true"),
        learned_return=returns.get("learned"),
        success=None if success is None else bool(success[last, number]),
        text=text,
        scenes=None if scene is None else np.asarray(scene)[: last + 1, number],
        rewards=rewards,
        successes=None if success is None else np.asarray(success, bool)[: last + 1, number],
    )
