"""An expert takes over recorded episodes that go on for too long, and its steps are flagged."""

from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rl_rewards.core.errors import ConfigError
from rl_rewards.data.demonstrations.load import load_demonstrations, read_recorded, save_demonstrations
from rl_rewards.envs.point_maze.env import RADIUS
from rl_rewards.loop import build
from rl_rewards.loop.behaviours import Behaviour, Recorder, corrected, uniform
from rl_rewards.loop.recordings import write_recordings
from tests.probes import make
from tests.runs import composed

ROW = "S....G"
AFTER, LENGTH = 4, 50
MAZE = ("env=point_maze", "env.layout=[S....G]", "env.max_episode_steps=40", "reward=environment")


@pytest.fixture(scope="module")
def env():
    return make("env", "point_maze", layout=[ROW], max_episode_steps=40)


def elapsed_at(rollout) -> np.ndarray:
    """Return the number of each step [T, B] in its episode."""
    found = np.zeros(rollout.terminated.shape, int)
    for t in range(1, len(found)):
        found[t] = np.where(rollout.terminated[t - 1] | rollout.truncated[t - 1], 0, found[t - 1] + 1)
    return found


def left(agent, memory, obs, key):
    """Walk to the left, and remember the observed steps of the episode."""
    return jnp.broadcast_to(jnp.array([-1.0, 0.0]), obs.shape), memory + 1, {}


def test_the_expert_takes_over_until_the_episode_ends(env):
    policy = Behaviour(left, lambda copies: jnp.zeros(copies, jnp.int32))
    alone = Recorder(env, policy, copies=3, length=LENGTH)(None, 0)
    assert not alone.info["success"].any(), "to the left of S is a wall"
    found = Recorder(env, corrected(policy, env, AFTER), copies=3, length=LENGTH)(None, 0)
    elapsed = elapsed_at(found)
    flagged = np.asarray(found.behaviour["corrected"])
    np.testing.assert_array_equal(flagged, elapsed >= AFTER)
    assert flagged.dtype == np.float32
    expert = np.asarray(env.expert(jnp.asarray(found.obs)))
    wanted = np.where(flagged[..., None] > 0, expert, [-1.0, 0.0])
    np.testing.assert_allclose(found.action, wanted, atol=1e-6)
    # From the wall it is 5 - RADIUS cells to the goal disc, or a little more off its middle line, at 0.3 cells a step.
    lengths = elapsed[found.terminated] + 1
    shortest = AFTER + int(np.ceil((5.0 - RADIUS) / 0.3))
    assert len(lengths) >= 3 and lengths.min() >= shortest and lengths.max() <= shortest + 2
    assert found.info["success"][found.terminated].all() and not found.truncated.any()


def test_until_then_the_episode_is_that_of_the_policy(env):
    policy = uniform(env.spec)
    alone, found = (Recorder(env, one, 3, LENGTH)(None, 5) for one in (policy, corrected(policy, env, AFTER)))
    for key in ("obs", "action", "next_obs"):
        np.testing.assert_array_equal(getattr(found, key)[:AFTER], getattr(alone, key)[:AFTER])
    assert not np.array_equal(found.action[AFTER], alone.action[AFTER])


def test_an_expert_may_compute_with_numpy_on_the_host():
    pendulum = ("env=gymnasium", "env.id=Pendulum-v1", "env.max_episode_steps=9", "reward=environment")
    env = build.build(composed("debug=smoke", *pendulum)).parts.env

    class Swung:
        spec = env.spec

        def expert(self, obs: np.ndarray, speed: float = 1.0) -> np.ndarray:
            assert isinstance(obs, np.ndarray)
            return 2.0 * np.sign(obs[:, 2:])

    found = Recorder(env, corrected(uniform(env.spec), Swung(), AFTER), copies=2, length=14)(None, 0)  # type: ignore[arg-type]
    flagged = np.asarray(found.behaviour["corrected"]) > 0
    np.testing.assert_array_equal(flagged, np.repeat([[t % 9 >= AFTER] for t in range(14)], 2, axis=1))
    as_expert = found.action[..., 0] == 2.0 * np.sign(found.obs[..., 2])
    np.testing.assert_array_equal(as_expert, flagged)


def test_a_run_writes_corrections_for_the_next(tmp_path, env):
    """A new policy does not reach the goal in few steps; the expert does."""
    run, demos = tmp_path / "run", tmp_path / "demos.npz"
    options = (*MAZE, "algorithm=ppo_point", "record_episodes=3", f"record_corrections_after={AFTER}")
    parts, settings = build.build(composed("debug=smoke", *options))
    state: Any = SimpleNamespace(recording=None, agent=jax.jit(parts.algorithm.init)(jax.random.key(0)))
    write_recordings(parts, settings, state, run)
    (run / "config.yaml").write_text("seed: 0\n", encoding="utf-8")
    found = load_demonstrations(f"run:{run}", env.spec)
    starts, steps = found["episode_start"], len(found["obs"])
    elapsed = np.arange(steps) - np.repeat(starts, np.diff([*starts, steps]))
    np.testing.assert_array_equal(found["info_corrected"], elapsed >= AFTER)
    np.testing.assert_array_equal(found["episode_return"], np.ones(3))
    save_demonstrations(demos, env.spec, {key: array for key, array in found.items() if key != "info_corrected"})
    joined = read_recorded([str(demos), f"run:{run}"], env.spec, [0]).arrays
    np.testing.assert_array_equal(joined["info_corrected"], [*np.zeros(steps), *found["info_corrected"]])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            (*MAZE, "record_corrections_after=4"),
            r"^record_corrections_after=4 corrects .* choose record_episodes=N t",
        ),
        (
            (*MAZE, "record_corrections_after=40", "record_episodes=2"),
            r"^record_corrections_after=40 corrects nothing, because episodes of point_maze have at most 40 steps; ch",
        ),
        (
            ("env=point", "reward=environment", "record_corrections_after=4", "record_episodes=2"),
            r"^record_corrections_after=4 lets a scripted expert correct the policy, but point has none; add a method",
        ),
    ],
)
def test_what_cannot_be_corrected_is_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        build.build(composed("debug=smoke", *options))
