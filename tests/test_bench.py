"""What ``make bench`` compares with must be the same task, and its verdicts must follow from its figures."""

import numpy as np
import pytest

from rl_rewards.envs.pencil_case import PencilCase
from scripts.benchmarks.result import Row
from scripts.benchmarks.sync_pencil_case import SyncBatch
from tests.runs import composed


def test_the_ordinary_gymnasium_pencil_case_is_ours():
    """The same starts and actions give the same observations, rewards and ends, also beyond the picture's border."""
    settings = {k: v for k, v in composed("env=pencil_case").env.items() if k != "_target_"}
    env, n = PencilCase(**settings), 32
    ordinary, ours = SyncBatch(env, n, 0), env.make(n, 0)
    ours.reset(np.ones(n, bool))
    rng, states, unseen = np.random.default_rng(0), ours.get_state(), 0
    for one in ordinary.vector.envs[n // 2 :]:
        one.unwrapped.data.qpos[2:4] = rng.uniform((-0.33, -0.28), (0.33, 0.28))  # anywhere, out of the picture too
    for i, one in enumerate(ordinary.vector.envs):
        states[i, 1:6] = one.unwrapped.data.qpos
        states[i, -4:-2] = one.unwrapped.yaw_seen
    ours.set_state(np.ones(n, bool), states)
    for _ in range(env.max_episode_steps):
        action = (rng.normal(size=(n, 2)) + np.array([0.5, 0.4])).astype(np.float32)
        theirs, expected = ordinary.step(action), ours.step(action)
        np.testing.assert_allclose(theirs.next_obs, expected.next_obs, atol=1e-5)
        np.testing.assert_array_equal(theirs.env_reward, expected.env_reward)
        np.testing.assert_array_equal(theirs.truncated, expected.truncated)
        unseen += (expected.next_obs[:, 4] == 0.0).sum()
    assert unseen > 0
    assert expected.truncated.all()
    assert ordinary.reset(expected.needs_reset).shape == (n, 8)


@pytest.mark.parametrize(
    ("row", "holds"),
    [
        (Row("speed", 2.0, at_least=2.0), True),
        (Row("speed", 1.9, at_least=2.0), False),
        (Row("copies", 0, at_most=0), True),
        (Row("copies", 1, at_most=0), False),
        (Row("shown", 1.0), None),
    ],
)
def test_a_prediction_holds_or_does_not(row, holds):
    assert row.holds is holds
