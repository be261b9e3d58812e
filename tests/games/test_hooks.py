"""Tests that the loop calls the three hooks by which any reward may change the environment, algorithm and episodes."""

from dataclasses import dataclass, replace

import jax.numpy as jnp
import numpy as np
import pytest

from rl_rewards.core.requirements import Requirements
from rl_rewards.envs.base import Episodes, JaxEnv
from rl_rewards.games.reward import SelfPlay
from rl_rewards.loop import build
from rl_rewards.loop.policies import restore_policy
from rl_rewards.loop.trust import trusted_class
from rl_rewards.rewards.base import RewardSource, changes_run
from rl_rewards.rewards.environment import EnvironmentReward
from tests.finished import finished_run
from tests.runs import composed, rows

HERE = __name__


class OddSteps(Episodes):
    """Episodes of which only every other step counts, and none ends in success."""

    def select(self, rollout):
        odd = jnp.arange(len(rollout.valid))[:, None] % 2 == 1
        return rollout.replace(valid=rollout.valid & odd), jnp.zeros_like(rollout.valid)

    def measure(self, rollout, paid):
        return {"eval/steps_played": float(rollout.valid.sum())}, {"paid_besides": paid}


class Shorter(JaxEnv):
    """An environment whose episodes are truncated after ``length`` steps."""

    def __init__(self, inner, length: int):
        self.inner, self.length = inner, length

    @property
    def spec(self):
        return replace(self.inner.spec, max_episode_steps=self.length)

    @property
    def episodes(self):
        longer = Shorter(self.inner, self.length + 1)
        return OddSteps(evaluated=self, also_played=longer, begin_with_rollout=True)

    def reset(self, key):
        return self.inner.reset(key), jnp.zeros((), jnp.int32)

    def observe(self, state):
        return self.inner.observe(state[0])

    def step(self, key, state, action):
        inner, out = self.inner.step(key, state[0], action)
        cut = (state[1] + 1 >= self.length) & ~out.terminated
        return (inner, state[1] + 1), out._replace(truncated=cut, needs_reset=cut | out.terminated)


@dataclass(frozen=True)
class InShort(RewardSource):
    """The environment's own reward, with episodes of five steps and a smaller learning rate."""

    requirements = Requirements(reads=("env_reward",))

    def reward(self, state, transitions):
        return transitions.env_reward

    def wrap_env(self, env):
        return Shorter(env, 5)

    def make_algorithm(self, spec, make):
        return replace(make(spec), rollout_length=spec.max_episode_steps)


def test_only_rewards_that_override_a_hook_change_a_run():
    assert changes_run(SelfPlay) and changes_run(InShort)
    assert not changes_run(EnvironmentReward) and not changes_run(RewardSource)
    assert not changes_run(None) and not changes_run(composed)


def test_a_persons_own_reward_changes_environment_algorithm_and_evaluation(tmp_path):
    own = (f"reward._target_={HERE}.InShort", "env=point", "reward=environment")
    parts = build.build(composed("debug=smoke", *own)).parts
    assert parts.env.spec.max_episode_steps == parts.algorithm.rollout_length == 5
    finished_run(tmp_path, *own, "total_env_steps=80")
    last = rows(tmp_path)[-1]
    assert last["eval/steps_played"] == 6 * 4, "six steps in each of the four copies of the smoke runs"
    assert last["train/success"] is None
    with np.load(max((tmp_path / "evaluations").glob("*.npz"))) as file:
        assert file["valid"].shape[0] == 5 and file["paid_besides"].shape[0] == 6
    assert restore_policy(tmp_path, trust=[HERE.partition(".")[0]]).algorithm.rollout_length == 5


@pytest.mark.parametrize(
    ("target", "trust", "found"),
    [
        ("rl_rewards.games.reward.SelfPlay", (), SelfPlay),
        ("rl_rewards.games.reward.Nothing", (), None),
        ("antigravity.fly", (), None),
        (f"{HERE}.InShort", (HERE,), InShort),
        (7, (), None),
    ],
)
def test_nothing_untrusted_is_imported_to_find_out(target, trust, found):
    assert trusted_class(target, trust) is found
