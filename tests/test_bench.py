"""The programs that ``make bench`` compares have the same task, and its verdicts follow from its figures."""

import random

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rl_rewards.envs.pencil_case.env import PencilCase
from scripts.benchmarks import plain_self_play
from scripts.benchmarks.result import Row
from scripts.benchmarks.sync_pencil_case import SyncBatch
from tests.probes import make
from tests.runs import composed


def test_the_ordinary_gymnasium_pencil_case_is_ours():
    """Equal starts and actions give equal observations, rewards and ends, also outside of the picture."""
    settings = {k: v for k, v in composed("env=pencil_case").env.items() if k != "_target_"}
    env, n = PencilCase(**settings), 32
    ordinary, ours = SyncBatch(env, n, 0), env.make(n, 0)
    ours.reset(np.ones(n, bool))
    rng, states, unseen = np.random.default_rng(0), ours.get_state(), 0
    for one in ordinary.vector.envs[n // 2 :]:
        one.unwrapped.data.qpos[2:4] = rng.uniform(
            (-0.33, -0.28), (0.33, 0.28)
        )  # anywhere, also outside of the picture
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


def test_the_plain_rooms_of_self_play_are_key_doors():
    """Equal rooms and actions give equal observations."""
    env, chance = make("env", "key_door"), random.Random(0)
    step = jax.jit(env.step)
    reset = jax.jit(env.reset)
    opened = 0
    for seed in range(12):
        room, state = plain_self_play.Room(chance), reset(jax.random.key(seed))
        room.walker, room.key, room.door, room.goal = (
            tuple(np.asarray(place).tolist()) for place in (state.walker, state.key, state.door, state.goal)
        )
        np.testing.assert_array_equal(room.observe(), env.observe(state))
        for _ in range(60):
            wanted = (
                room.key if not room.has_key else room.door
            )  # half of the actions are purposeful, so that doors are opened
            x, y = (b - a for a, b in zip(room.walker, wanted, strict=True))
            action = chance.randrange(5)
            if chance.random() < 0.5:
                action = (0 if x > 0 else 2) if abs(x) > (room.has_key and y == 0) else (1 if y > 0 else 3) if y else 4
            room.step(action)
            state, _ = step(jax.random.key(0), state, jnp.int32(action))
            np.testing.assert_array_equal(room.observe(), env.observe(state))
        opened += room.door_open
    assert opened > 0


def test_a_plain_game_ends_as_the_rules_say():
    chance = random.Random(1)
    lengths = [plain_self_play.play(plain_self_play.Room(chance), chance)[0] for _ in range(300)]
    assert max(lengths) == plain_self_play.HORIZON + 1, "all moves and the final step"
    assert min(lengths) == 1


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
