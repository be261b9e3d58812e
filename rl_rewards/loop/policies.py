"""Restores the policy of another run, and records its behaviour as demonstrations."""

from collections.abc import Mapping, Sequence
from os import PathLike
from typing import Any, NamedTuple

import jax
import numpy as np

from rl_rewards.algorithms.base import Algorithm
from rl_rewards.core.checks import require
from rl_rewards.core.types import Action, EnvSpec, Key, Memory, Transition
from rl_rewards.envs.base import Environment, HostEnvironment
from rl_rewards.loop.behaviours import Recorder, of_policy
from rl_rewards.loop.build import build_algorithm
from rl_rewards.loop.checkpoint.one_item import restore_item
from rl_rewards.loop.collect import collect_host
from rl_rewards.loop.instantiate import instantiate_part
from rl_rewards.loop.run_folder import CONFIG, read_config, reading
from rl_rewards.loop.saved_state import saved_state
from rl_rewards.loop.seeds import Seeds, make_batches
from rl_rewards.loop.sources import seed_index
from rl_rewards.loop.trust import check_targets, trusted_class
from rl_rewards.rewards.base import RewardSource, changes_run


class RestoredPolicy(NamedTuple):
    """The policy of a run, as its checkpoint has it."""

    algorithm: Algorithm
    state: Any  # the algorithm's state for one seed
    spec: EnvSpec  # of the environment that it was trained on
    config: Mapping[str, Any]  # the run's configuration
    source: RewardSource | None = None  # the run's reward, if it changes the environment and the algorithm


def restore_policy(run: str | PathLike, seed: int | None = None, trust: Sequence[str] = ()) -> RestoredPolicy:
    """Return the policy of a run from its newest checkpoint; nothing in the folder changes.

    Args:
        run: RUN_DIR or RUN_DIR@last; RUN_DIR@best for the policy of its best evaluation, RUN_DIR@12 for that after 12
            rounds.
        seed: the seed of the policy, if the run trained several seeds in one program.
        trust: other packages whose classes its configuration may name; their code is executed.

    Raises:
        ConfigError: when the folder is not a run folder, has no checkpoint that fits, a file is damaged, a class is not
            trusted, or the run has several seeds and none is named.
    """
    saved = saved_state(run)
    run_dir = saved.run_dir
    require(run_dir.is_dir(), f"{run_dir} does not exist; name the run folder of the policy.")
    config = read_config(run_dir, ["algorithm"], trust)
    require((run_dir / "spec.json").is_file(), f"{run_dir} has no checkpoint yet; let its run reach the first one.")
    with reading(run_dir):
        index = seed_index(run_dir, config, seed)
        spec = EnvSpec.load(run_dir / "spec.json")
        source = None
        if changes_run(trusted_class(config["reward"].get("_target_"), trust)):  # otherwise the reward may be missing
            check_targets(config, ["reward"], trust, str(run_dir / CONFIG))
            source = instantiate_part("reward", config["reward"], spec=spec)
        algorithm = build_algorithm(config, spec, source)
        seeds = Seeds(config.get("num_seeds", 1))
        template = jax.eval_shape(lambda: seeds.map(algorithm.init, 0)(seeds.keys(0)))
        state = restore_item(saved, "agent", template)
        return RestoredPolicy(algorithm, seeds.each(state)[index], spec, config, source)


def record(
    env: Environment, policy: RestoredPolicy, copies: int, explore: bool, random: float, seed: int
) -> Transition:
    """Return steps [T, copies, ...] of the policy in fresh environments, where T is the longest episode length.

    Args:
        explore: sample actions from the policy instead of taking its mode.
        random: the share of steps with a uniformly random action instead.
    """
    behaviour = of_policy(policy.algorithm, policy.spec, explore, random)
    return Recorder(env, behaviour, copies, policy.spec.max_episode_steps)(policy.state, seed)


def seen_by(view: Environment, recording: Transition, seed: int) -> Transition:
    """Return the same steps with the observations of ``view``, an environment that differs only in its observations.

    Args:
        recording: the result of :func:`record` with the same ``seed``.

    Raises:
        ConfigError: when ``view`` is a JAX environment, or its rewards or episode ends differ.
    """
    require(
        isinstance(view, HostEnvironment), f"Steps of {view.spec.name} cannot be observed again; record without --view."
    )
    actions = recording.action
    host_env = make_batches(view, actions.shape[1], [seed])

    def act(agent: Any, memory: Memory, obs: np.ndarray, key: Key, t: int) -> tuple[Action, Memory, dict[str, Any]]:
        return actions[t], memory, {}

    seen = collect_host(host_env, act, None, jax.random.key(0), len(actions)).rollout
    same = all(
        np.array_equal(getattr(seen, name), getattr(recording, name))
        for name in ("env_reward", "terminated", "truncated")
    )
    require(same, f"With --view, {view.spec.name} took other steps; --view may change only the observations.")
    return seen
