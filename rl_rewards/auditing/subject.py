"""The run that is audited: its reward, its policy and its environment, and the segments that are drawn from it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from rl_rewards.core.checks import require
from rl_rewards.core.types import Box, EnvSpec, Transition
from rl_rewards.envs.base import Environment, JaxEnv
from rl_rewards.labelers.pairs import read_pairs
from rl_rewards.labelers.store import STORE_NAME, LabelStore
from rl_rewards.loop.behaviours import Recorder, of_policy
from rl_rewards.loop.build import build_env
from rl_rewards.loop.collect import reset_jax
from rl_rewards.loop.policies import RestoredPolicy, restore_policy
from rl_rewards.loop.run_folder import read_config, reading
from rl_rewards.loop.saved_state import saved_state
from rl_rewards.loop.sources import RestoredReward, restore_from_run
from rl_rewards.loop.trust import trusted_class
from rl_rewards.rewards.base import changes_run

PER_PROMPT = 4
"""Responses of the policy to each prompt, so that what a prompt does to the reward can be told from what they do."""
READABLE = ("obs", "action", "next_obs")
"""The fields of a transition that an edited segment has."""
LONGEST = 25
"""Steps of a segment, where the reward was not learned from segments."""

Returns = Callable[[Transition], Float[np.ndarray, " N"]]
"""The sum of a reward over the steps of segments, numpy leaves [N, L, ...]."""


class DrawnSegments(NamedTuple):
    """N segments; those of texts have L = 1 step, the whole response."""

    segments: Transition  # numpy leaves [N, L, ...]
    group: Int[np.ndarray, " N"]  # those with the same number begin in the same state
    starts: Any  # the environment's states [N, ...] before the first step; None if they are not known
    keys: Any  # the environment's random keys [N, L] of the steps; None likewise
    known: bool  # ``env_reward`` is the true reward
    words: str  # where they come from


@dataclass(frozen=True)
class Subject:
    """A run with a learned reward."""

    run: str
    env: Environment
    reward: RestoredReward
    policy: RestoredPolicy
    steps: int  # L, of a segment
    seed: int

    @property
    def spec(self) -> EnvSpec:
        return self.reward.spec

    @cached_property
    def _paid(self) -> Callable[[Any, Transition], jax.Array]:
        return jax.jit(self.reward.source.portable_reward)

    def returns(self, segments: Transition) -> Float[np.ndarray, " N"]:
        """Return the learned return of segments [N, L, ...]; it compiles once for each N."""
        return np.asarray(self._paid(self.reward.state, segments), np.float64).sum(axis=-1)

    def draw(self, count: int, random: float) -> DrawnSegments:
        """Return ``count`` segments of the policy, which samples its actions.

        Args:
            random: the share of steps with a uniformly random action instead; 0 for texts.
        """
        if isinstance(self.env, JaxEnv):
            return self._played(self.env, count, random)
        behaviour = of_policy(self.policy.algorithm, self.policy.spec, True, random)
        rollout = Recorder(self.env, behaviour, count)(self.policy.state, self.seed)
        first = self._first_steps(rollout)
        segments = jax.tree.map(lambda x: _cut(np.asarray(x), first, self.steps), rollout)
        return DrawnSegments(
            segments, np.arange(count), None, None, self.spec.has_true_reward, self._words(count, random)
        )

    def _played(self, env: JaxEnv, count: int, random: float) -> DrawnSegments:
        alike = PER_PROMPT if self.spec.text is not None else 1
        count = -(-count // alike) * alike
        behaviour = of_policy(self.policy.algorithm, self.policy.spec, True, random)

        def play(agent: Any, key: jax.Array):
            reset_key, key = jax.random.split(key)
            states = reset_jax(env, reset_key, count, alike)
            memory = behaviour.initial_memory(count)

            def step(carry, step_key):
                states, memory = carry
                act_key, env_key = jax.random.split(step_key)
                obs, env_keys = jax.vmap(env.observe)(states), jax.random.split(env_key, count)
                action, memory, _ = behaviour.act(agent, memory, obs, act_key)
                after, found = stepped(env, states, env_keys, obs, action)
                return (after, memory), (found, states, env_keys)

            keys = jax.random.split(key, self.spec.max_episode_steps)
            return jax.lax.scan(step, (states, memory), keys)[1]

        key = jax.random.fold_in(jax.random.key(self.seed), 0xA0D17)
        rollout, states, keys = jax.jit(play)(self.policy.state, key)
        first = self._first_steps(jax.device_get(rollout))
        at = (first, np.arange(count))
        steps = (first[:, None] + np.arange(self.steps), np.arange(count)[:, None])
        return DrawnSegments(
            jax.tree.map(lambda x: np.asarray(x)[steps], rollout),
            np.arange(count) // alike if self.spec.text is not None else np.arange(count),
            jax.tree.map(lambda x: x[at], states),
            keys[steps],
            self.spec.has_true_reward,
            self._words(count, random),
        )

    def _first_steps(self, rollout: Transition) -> Int[np.ndarray, " B"]:
        """Return where a random segment within each environment's first episode begins; 0 if that is too short."""
        done = np.asarray(rollout.terminated | rollout.truncated)
        last = np.where(done.any(axis=0), done.argmax(axis=0), len(done) - 1)
        rng = np.random.default_rng(self.seed)
        return (rng.random(done.shape[1]) * np.maximum(last - self.steps + 2, 1)).astype(np.int64)

    def _words(self, count: int, random: float) -> str:
        if self.spec.text is not None:
            return f"{count} responses that the run's policy samples, {PER_PROMPT} to each prompt"
        mixed = f"; {random:.0%} of its steps are random" if random else ""
        return f"{count} segments of {self.steps} steps, one from each of {count} episodes of the run's policy{mixed}"

    def stored(self) -> DrawnSegments:
        """Return the segments of the answered pairs in the run's label store.

        Raises:
            ConfigError: if there is no store, or it has no pair.
        """
        path = saved_state(self.run).run_dir / STORE_NAME
        require(
            path.is_file(),
            f"{path.parent} holds no label store with pairs (a teacher needs labeler.store=true); audit the policy's "
            "own segments instead, without --pairs.",
        )
        store = LabelStore(path)
        try:
            pairs = read_pairs(store, self.spec.name)
        finally:
            store.close()
        pairs = pairs.of_seed(self.seed) if self.seed in pairs.seeds else pairs
        segments = jax.tree.map(lambda x: np.asarray(x).reshape(-1, *x.shape[2:]), pairs.segments(swapped=False))
        count, known = len(segments.action), pairs.returns is not None and self.spec.has_true_reward
        group = np.arange(count) // 2 if self.spec.text is not None else np.arange(count)
        words = f"the {count} segments of {count // 2} pairs in the run's label store"
        return DrawnSegments(segments, group, None, None, known, words)


def stepped(env: JaxEnv, states: Any, keys: Any, obs: Any, action: Any) -> tuple[Any, Transition]:
    """Return the states [B, ...] after a step of each environment, and the transitions [B, ...]. Jittable."""
    after, out = jax.vmap(env.step)(keys, states, action)
    flag = jnp.zeros(len(obs), bool)
    return after, Transition(
        obs=obs,
        action=action,
        next_obs=out.next_obs,
        env_reward=out.env_reward,
        terminated=out.terminated,
        truncated=out.truncated,
        valid=~flag,
        is_demo=flag,
        behaviour={},
        info={},
    )


def _cut(values: np.ndarray, first: Int[np.ndarray, " B"], length: int) -> np.ndarray:
    """Return ``length`` steps of each environment [B, L, ...] from values [T, B, ...]."""
    return values[first[:, None] + np.arange(length), np.arange(len(first))[:, None]]


def load_subject(run: str, seed: int | None = None, trust: Sequence[str] = ()) -> Subject:
    """Return what is needed to audit the reward of a run; nothing in its folder changes.

    Args:
        run: RUN_DIR, or RUN_DIR@best for the reward and the policy of its best evaluation.
        seed: the seed whose reward is audited; needed if several seeds were trained in one program.
        trust: other packages whose classes the run may name; their code is executed.

    Raises:
        ConfigError: when the folder cannot be used, or its reward cannot be audited.
    """
    run_dir = Path(saved_state(run).run_dir)
    require(run_dir.is_dir(), f"{run_dir} does not exist; name the folder of a run whose reward was learned.")
    config = read_config(run_dir, ["env", "reward"], trust)
    kind = trusted_class(config["reward"].get("_target_"), trust)
    require(
        not changes_run(kind),
        f"The reward of {run_dir} changes the environment of its run, as games do; that cannot be audited.",
    )
    reward = restore_from_run(run, seed, trust)
    reads = reward.source.requirements.reads
    other = [name for name in reads if name not in READABLE]
    require(
        not other,
        f"The reward of {run_dir} reads {', '.join(other)}, which an edited segment does not have; rl_rewards.audit is "
        "for learned rewards of states and actions (obs, action, next_obs).",
    )
    spec = reward.spec
    require(
        spec.text is not None or (isinstance(spec.obs, Box) and len(spec.obs.shape) == 1 and spec.obs.dtype != "uint8"),
        f"The reward of {run_dir} reads pictures of {spec.name}, and rl_rewards.audit edits texts and vectors only.",
    )
    policy = restore_policy(run, seed, trust)
    with reading(run_dir):
        env = build_env(config)
        steps = 1 if spec.text is not None else min(_segment_steps(config["reward"]), spec.max_episode_steps)
        return Subject(run, env, reward, policy, steps, config.get("seed", 0) if seed is None else seed)


def _segment_steps(node: Any) -> int:
    """Return L of the segments that a reward was learned from, or ``LONGEST``."""
    found = node.get("segment_steps", LONGEST)
    return found if isinstance(found, int) and found >= 1 else LONGEST
