"""The arrays that an evaluation stores: the truth about scored states, and the most rewarded failure."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np

from rl_rewards.core.keys import new_key
from rl_rewards.core.types import Transition
from rl_rewards.loop import build
from rl_rewards.loop.episodes import SCENES_KEPT, first_episodes, scenes_of, visited_is_goal
from rl_rewards.loop.evaluate import _evaluation_key
from rl_rewards.loop.fresh_rollouts import FreshRollouts
from rl_rewards.loop.state import init_state
from tests.runs import composed


def rollout(success: np.ndarray, valid: np.ndarray) -> Transition:
    """Return scenes [T, N, 2] with the values (t, episode)."""
    t, episode = np.meshgrid(*map(np.arange, valid.shape), indexing="ij")
    zeros = np.zeros(valid.shape, np.float32)
    return Transition(
        obs=zeros,
        action=zeros,
        next_obs=zeros,
        env_reward=zeros,
        terminated=~valid,
        truncated=~valid,
        valid=valid,
        is_demo=~valid,
        behaviour={},
        info={"success": success, "scene": np.stack([t, episode], axis=-1).astype(np.float32)},
    )


SUCCESS = np.array([[0, 1], [1, 0], [0, 1]], bool)
VALID = np.array([[1, 1], [1, 1], [1, 0]], bool)


def test_the_state_reached_is_judged_by_its_own_success():
    assert visited_is_goal(rollout(SUCCESS, VALID), judges_next=True).tolist() == [[0, 1], [1, 0], [0, -1]]


def test_the_state_left_had_its_success_told_a_step_before():
    assert visited_is_goal(rollout(SUCCESS, VALID), judges_next=False).tolist() == [[-1, -1], [0, 1], [1, -1]]


def test_the_failure_kept_is_the_one_with_the_highest_learned_return():
    valid = np.ones((2, 12), bool)
    valid[1, 11] = False
    success = np.zeros((2, 12), bool)
    success[1, 3] = True
    learned = np.zeros((2, 12), np.float32)
    learned[0, 3], learned[0, 10], learned[1, 11] = 9.0, 5.0, 7.0  # a success; a failure; after an episode's end
    kept = scenes_of(rollout(success, valid), learned)
    assert kept["failure_episode"] == 10 and kept["scene"].shape == (2, SCENES_KEPT, 2)
    np.testing.assert_array_equal(kept["scene_failure"], [[0, 10], [1, 10]])


def test_without_a_failure_none_is_kept():
    assert scenes_of(rollout(np.ones((2, 3), bool), np.ones((2, 3), bool)), np.ones((2, 3)))["failure_episode"] == -1


def test_scenes_lie_where_the_plane_shows_them():
    from hydra.utils import instantiate

    from rl_rewards.envs.pencil_case.camera import unproject

    point = instantiate(composed("env=point").env)
    np.testing.assert_array_equal(point.place(np.array([[0.1, -0.2]])), [[0.1, -0.2]])
    for choice in ("tracker", "true_pose"):
        table = instantiate(composed("env=pencil_case", f"env.observation={choice}").env)
        centre, half = table.tracker.frame
        scene = np.zeros((1, 9))
        scene[:, 5:7] = [0.3, -0.4]  # the tracker's report
        scene[:, :2] = unproject(np.array([[0.5, 0.2]]) * half + centre)  # the position of the case
        np.testing.assert_allclose(table.place(scene), [[0.3, -0.4]] if choice == "tracker" else [[0.5, 0.2]])


def test_only_the_first_episode_of_each_environment_counts():
    ends = np.array([[0, 0, 0], [1, 0, 0], [0, 0, 0], [1, 0, 1]], bool)
    played = rollout(np.zeros((4, 3), bool), np.ones((4, 3), bool))
    played = played.replace(terminated=ends & [True, True, False], truncated=ends & [False, False, True])
    spec = replace(build.build(composed("env=point")).parts.env.spec, ends_early=True)
    counted = first_episodes(spec, played).valid
    np.testing.assert_array_equal(counted.T, [[1, 1, 0, 0], [1, 1, 1, 1], [1, 1, 1, 1]])


def test_evaluation_shares_no_key_with_training():
    def data(key):
        return tuple(np.asarray(jax.random.key_data(key)).tolist())

    key = new_key(3)
    training = {data(key)}
    for owner in (key, *jax.random.split(key, 4)):
        for i in range(30):
            round_key = jax.random.fold_in(owner, i)
            parts = [*jax.random.split(round_key, 3), *(jax.random.fold_in(round_key, j) for j in range(3))]
            training |= {data(owner), data(round_key), *map(data, parts)}
    evaluation = [data(_evaluation_key(key, round, of)) for round in range(30) for of in range(2)]
    assert len(set(evaluation)) == 60
    assert not training & set(evaluation)


def test_both_policies_are_played_by_one_program():
    """The first rollout's actions are sampled, the second's are the mode of what is observed there."""
    parts = build.build(composed("env=point")).parts
    state = init_state(parts, 0)
    explored, mode = FreshRollouts(parts, 3, [True, False])(state.agent, parts.seeds.keys(5))
    for rollout_, is_mode in ((explored, False), (mode, True)):
        assert rollout_.valid.shape == (parts.env.spec.max_episode_steps, 3)
        expected, _, _ = parts.algorithm.act(state.agent, (), jnp.asarray(rollout_.obs), new_key(0), explore=False)
        assert np.allclose(rollout_.action, expected, atol=1e-5) == is_mode
