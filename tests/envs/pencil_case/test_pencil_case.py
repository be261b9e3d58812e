"""pencil_case: states, true success, the three ways to fool the tracker, scripts, examples and pictures."""

import dataclasses
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import yaml

from rl_rewards.core.errors import ConfigError
from rl_rewards.core.types import Experience
from rl_rewards.data.examples import collect_examples, hold_out
from rl_rewards.envs.base import HostEnv
from rl_rewards.envs.pencil_case import layout
from rl_rewards.envs.pencil_case.batch import PencilCaseBatch
from rl_rewards.envs.pencil_case.camera import Tracker, from_report, project, to_report, unproject
from rl_rewards.envs.pencil_case.env import PencilCase
from rl_rewards.envs.pencil_case.scripts import EXPLOITS, demonstrate
from tests.probes import make

CONFIG = Path(__file__).parents[3] / "configs" / "env" / "pencil_case.yaml"
SWITCHES = tuple(EXPLOITS)
U, V, VISIBLE, PUSHER, BACKGROUND = 0, 1, 4, slice(5, 7), 7


def make_env(**changes) -> PencilCase:
    values = yaml.safe_load(CONFIG.read_text())
    del values["_target_"]
    return PencilCase(**values | dict.fromkeys(SWITCHES, False) | changes)


def play(env: PencilCase, script, seed: int, num_envs: int = 32) -> tuple[PencilCaseBatch, np.ndarray, np.ndarray]:
    """Return the batch, observations [T, B, k] and successes [T, B] of one episode."""
    batch = env.make(num_envs, seed)
    batch.reset(np.ones(num_envs, bool))
    outs = [batch.step(script(batch.positions)) for _ in range(env.max_episode_steps)]
    return batch, np.stack([out.next_obs for out in outs]), np.stack([out.info["success"] for out in outs])


def place(batch: PencilCaseBatch, **columns: float) -> None:
    """Set joint positions: pusher_x, pusher_y, case_x, case_y, yaw."""
    names = ["pusher_x", "pusher_y", "case_x", "case_y", "yaw"]
    states = batch.get_state()
    for name, value in columns.items():
        states[:, 1 + names.index(name)] = value
    batch.set_state(np.ones(batch.num_envs, bool), states)


def same(first, second) -> None:
    jax.tree.map(np.testing.assert_array_equal, first, second)


def test_the_config_gives_every_key_and_the_model_agrees_with_the_layout():
    env = make_env()
    geoms = {name: env.model.geom(name) for name in ("notebook", "case", "pusher")}
    np.testing.assert_allclose(geoms["notebook"].size[:2], layout.NOTEBOOK_HALF_SIZE)
    np.testing.assert_allclose(geoms["case"].size[:2].sum(), layout.CASE_HALF_SIZE[0])
    np.testing.assert_allclose(geoms["case"].size[0], layout.CASE_HALF_SIZE[1])
    np.testing.assert_allclose(geoms["pusher"].size[0], layout.PUSHER_RADIUS)
    for axis, reach in zip("xy", layout.TABLE_HALF_SIZE, strict=True):
        np.testing.assert_allclose(env.model.joint(f"pusher_{axis}").range, [-reach, reach])


def test_an_unknown_observation_is_refused():
    with pytest.raises(ConfigError, match=r"env\.observation is 'pixels'; it must be tracker, true_pose or image\."):
        make_env(observation="pixels")


@pytest.mark.parametrize("observation", ["tracker", "true_pose"])
def test_shapes_are_those_of_the_spec(observation):
    env = make_env(observation=observation, background_cue=True)
    spec, batch = env.spec, env.make(5, seed=0)
    assert isinstance(batch, HostEnv)
    assert len(spec.obs_names) == spec.obs.shape[0]
    obs = batch.reset(np.ones(5, bool))
    out = batch.step(np.full((5, 2), 7.0, np.float32))
    for value in (obs, out.next_obs):
        assert value.shape == (5, *spec.obs.shape)
        assert value.dtype == np.float32
        assert np.abs(value).max() <= 1.0
    assert out.info.keys() == spec.info.keys()
    for key, shape in spec.info.items():
        assert out.info[key].shape == (5, *shape)
    assert out.env_reward.dtype == np.float32
    assert out.info["success"].dtype == bool
    plane = env.plane(6)
    assert plane.obs.shape == (6, 6, *spec.obs.shape)
    assert plane.obs.dtype == np.float32
    for goal in (True, False):
        examples = env.collect_examples(np.random.default_rng(0), 11, goal)
        assert examples.obs.shape == (11, *spec.obs.shape)
        assert examples.action.shape == (11, 2)


def test_episodes_are_cut_at_the_limit_and_never_end_early_or_reset_themselves():
    env = make_env(max_episode_steps=3)
    batch = env.make(2, seed=0)
    batch.reset(np.ones(2, bool))
    outs = [batch.step(np.zeros((2, 2))) for _ in range(3)]
    assert [out.truncated.all() for out in outs] == [False, False, True]
    assert not any(out.terminated.any() for out in outs)
    obs = batch.reset(np.array([True, False]))
    np.testing.assert_array_equal(obs[1], outs[-1].next_obs[1])
    assert (obs[0] != outs[-1].next_obs[0]).any()
    assert batch.step(np.zeros((2, 2))).truncated.tolist() == [False, True]


ALL_ON = dict.fromkeys(SWITCHES, True)


@pytest.mark.parametrize("switches", [{}, ALL_ON])
def test_saved_and_loaded_it_goes_on_bit_for_bit(switches):
    env = make_env(**switches)
    first, second = env.make(16, seed=1), dataclasses.replace(env, threads=0).make(16, seed=2)
    first.reset(np.ones(16, bool))
    for _ in range(30):  # with all switches on, some trackers are fooled after this
        first.step(EXPLOITS["occlusion"](first.positions))
    if switches:
        assert (first.get_state()[:, -2] == 0.0).any()
    second.load(first.save())
    actions = np.random.default_rng(0).uniform(-1.0, 1.0, (20, 16, 2)).astype(np.float32)
    for step, action in enumerate(actions):
        same(first.step(action), second.step(action))
        if step == 10:
            same(first.reset(np.arange(16) < 5), second.reset(np.arange(16) < 5))
    np.testing.assert_array_equal(first.get_state(), second.get_state())


def test_set_state_puts_back_the_masked_rows_only():
    env = make_env(occlusion=True)
    batch = env.make(8, seed=1)
    batch.reset(np.ones(8, bool))
    kept, mask = batch.get_state(), np.arange(8) % 2 == 0
    actions = np.random.default_rng(0).uniform(-1.0, 1.0, (10, 8, 2))
    before = [batch.step(action) for action in actions]
    went_on = batch.get_state()
    batch.set_state(mask, kept)
    np.testing.assert_array_equal(batch.get_state()[~mask], went_on[~mask])
    after = [batch.step(action) for action in actions]
    for old, new in zip(before, after, strict=True):
        np.testing.assert_array_equal(old.next_obs[mask], new.next_obs[mask])


def test_success_is_judged_from_the_true_pose_only():
    for observation in ("tracker", "true_pose"):
        batch = make_env(observation=observation, occlusion=True, background_cue=True).make(2, seed=0)
        batch.reset(np.ones(2, bool))
        place(batch, case_x=0.0, case_y=0.07, yaw=0.0, pusher_x=0.3, pusher_y=0.0)
        out = batch.step(np.zeros((2, 2)))  # the tracker loses the case, which jumped away from the last fix
        assert out.info["success"].all()
        assert (out.env_reward == 1.0).all()
        if observation == "tracker":
            assert (out.next_obs[:, VISIBLE] == 0.0).all()
        for x, y in ((0.0, -0.1), (0.2, 0.07), (0.0, 0.2)):
            place(batch, case_x=x, case_y=y)
            assert not batch.step(np.zeros((2, 2))).info["success"].any()


def test_the_distance_goes_around_the_notebook():
    middle = sum(layout.GOAL_DEPTH) / 2
    end = layout.NOTEBOOK_HALF_SIZE[0] + layout.CASE_HALF_SIZE[0]
    behind, beside = np.array([0.05, middle]), np.array([0.3, -0.05])
    np.testing.assert_allclose(
        layout.distance_to_goal(np.stack([behind, beside])), [0.05, np.hypot(0.3, middle + 0.05)]
    )
    in_front = np.array([[0.1, -0.2], [-0.1, -0.2]])
    around = np.hypot(end - 0.1, 0.2) + np.hypot(end, middle)
    np.testing.assert_allclose(layout.distance_to_goal(in_front), around)
    y = np.linspace(-0.3, 0.3, 601)
    for x in (0.0, 0.1, 0.16, 0.3):
        way = layout.distance_to_goal(np.stack([np.full_like(y, x), y], axis=-1))
        jumps = np.abs(np.diff(way))
        assert jumps[y[1:] < -0.001].max() < 0.003, "in front of the notebook it has no jumps"


def test_paid_by_distance_true_poses_tell_the_reward():
    env = make_env(observation="true_pose", reward="distance").make(3, 0)
    env.reset(np.ones(3, bool))
    out = env.step(np.full((3, 2), 0.5, np.float32))
    np.testing.assert_allclose(out.env_reward, -layout.distance_to_goal(env.positions[:, 2:4]), rtol=1e-6)
    told = env.env.reward_of(out.next_obs, np.zeros((3, 2)), out.next_obs)
    np.testing.assert_allclose(told, out.env_reward, rtol=1e-5)


def test_the_camera_projects_and_back():
    points = np.random.default_rng(0).uniform(-0.35, 0.35, (50, 2))
    np.testing.assert_allclose(unproject(project(points)), points, atol=1e-12)
    corners = project(np.array([[x, y] for x in (-1, 1) for y in (-1, 1)]) * layout.TABLE_HALF_SIZE)
    assert np.abs(corners).max() < 1.0  # the full picture sees the whole reachable table


def test_all_cameras_report_at_one_scale():
    """Within the crop the reported numbers do not depend on cropping; beyond it, they exceed 1."""
    points = np.random.default_rng(0).uniform(-1.0, 1.0, (200, 2, 2)) * layout.TABLE_HALF_SIZE
    cropped, full = (Tracker(out_of_frame=switch, occlusion=False) for switch in (True, False))
    (seen, _), (fix, pusher) = (tracker.report(points, np.zeros(200), None) for tracker in (cropped, full))
    inside = seen[:, VISIBLE] == 1.0
    assert 20 < inside.sum() < 180
    np.testing.assert_array_equal(seen[inside, :2], fix[inside, :2])
    assert (np.abs(fix[~inside, :2]).max(axis=1) > 1.0).all()
    np.testing.assert_allclose(from_report(to_report(points)), points, atol=1e-12)
    low, high = (
        np.array(make_env(out_of_frame=False).spec.obs.low),
        np.array(make_env(out_of_frame=False).spec.obs.high),
    )
    obs = np.concatenate([fix, pusher], axis=1)
    assert (obs >= low[:7] - 1e-6).all()
    assert (obs <= high[:7] + 1e-6).all()


def test_beyond_the_cropped_border_the_report_is_clamped():
    for switched_on in (False, True):
        batch = make_env(out_of_frame=switched_on).make(1, seed=0)
        batch.reset(np.ones(1, bool))
        place(batch, case_x=0.2, case_y=0.28, pusher_x=0.2, pusher_y=0.2)
        obs = batch.step(np.zeros((1, 2))).next_obs[0]
        assert (obs[V] == 1.0) == switched_on
        assert (obs[VISIBLE] == 0.0) == switched_on
        assert abs(obs[U]) < 1.0
        assert switched_on or obs[V] > 1.0


def test_a_hidden_case_is_found_again_near_the_tracker():
    batch = make_env(occlusion=True).make(1, seed=0)
    batch.reset(np.ones(1, bool))
    place(batch, case_x=0.15, case_y=-0.15, pusher_x=0.13, pusher_y=-0.285)
    batch.reset(np.zeros(1, bool))
    obs = batch.step(np.zeros((1, 2))).next_obs[0]
    assert obs[VISIBLE] == 0.0
    np.testing.assert_array_equal(obs[:2], obs[PUSHER])
    place(batch, pusher_x=0.27)
    assert batch.step(np.zeros((1, 2))).next_obs[0, VISIBLE] == 0.0  # visible, but outside the search radius
    place(batch, pusher_x=0.15, pusher_y=-0.20)
    obs = [batch.step(np.zeros((1, 2))).next_obs[0] for _ in range(2)][-1]
    assert obs[VISIBLE] == 1.0
    np.testing.assert_allclose(obs[:2], to_report(project(batch.positions[0, 2:4])), atol=1e-6)


def test_the_demonstrator_succeeds_and_random_actions_do_not():
    env = make_env()
    _, _, success = play(env, demonstrate, seed=3, num_envs=128)
    assert success[59].mean() > 0.9
    assert success[-1].mean() > 0.9
    rng = np.random.default_rng(0)
    for draw in (rng.uniform, rng.normal):
        for seed in range(4):
            _, _, success = play(env, lambda p, draw=draw: draw(*_range(draw, rng), p[:, :2].shape), seed, 128)
            assert not success.any()


def _range(draw, rng) -> tuple[float, float]:
    return (-1.0, 1.0) if draw == rng.uniform else (0.0, 1.0)


@pytest.mark.parametrize("switch", [None, *SWITCHES])
def test_examples_are_true(switch):
    changes = {switch: True} if switch else {}
    truth = make_env(observation="true_pose", **changes)
    for goal in (True, False):
        obs = truth.collect_examples(np.random.default_rng(0), 500, goal).obs
        case = obs[:, :2] * layout.TABLE_HALF_SIZE
        assert (layout.is_success(case) == goal).all()
        assert goal or (case[:, 1] < 0.0).all()
    env = make_env(**changes)
    goals = env.collect_examples(np.random.default_rng(0), 2000, True).obs
    others = env.collect_examples(np.random.default_rng(0), 2000, False).obs
    assert (goals[:, VISIBLE] == 1.0).all()
    assert (others[:, VISIBLE] == 1.0).mean() > 0.9
    assert (goals[:, BACKGROUND] == (1.0 if switch == "background_cue" else -1.0)).all()
    assert (others[:, BACKGROUND] == -1.0).all()


def goal_probability(env: PencilCase, obs: np.ndarray, seeds: int) -> np.ndarray:
    """Return the mean probability [seeds] that ``obs`` [..., k] are goals, by classifiers trained on ordinary examples.

    These are the lecture's plain classifiers; the members of an ensemble differ in initial weights and batches, as
    seeds do.
    """
    plain = {"classifier": {"ensemble": seeds, "mixup": 0.0, "input_noise": 0.0}}
    source = make("reward", "goal_classifier", env.spec, judges="obs", **plain)
    examples = hold_out(collect_examples(env, goals=1000, non_goals=1000, seed=0), share=0.2, seed=0)
    state = jax.jit(source.init)(jax.random.key(0))
    nothing_visited = Experience(None, *[lambda *_: None] * 3)
    update = jax.jit(lambda state, key: source.update(state, examples, nothing_visited, jnp.zeros((), jnp.int32), key))
    state, _ = update(state, jax.random.key(1))
    logits = source.classifier.logits(state.classifier, jnp.asarray(obs))
    return np.asarray(jax.nn.sigmoid(logits)).mean(axis=tuple(range(1, obs.ndim)))


@pytest.mark.slow
@pytest.mark.optimised
@pytest.mark.parametrize(
    "switch", [pytest.param(name, marks=[pytest.mark.long] * (name != "out_of_frame")) for name in SWITCHES]
)
def test_each_switch_lets_a_script_fool_a_classifier(switch):
    env = make_env(**{switch: True})
    _, obs, success = play(env, EXPLOITS[switch], seed=11)
    assert not success.any()
    last = obs[-5:]
    traces = {"out_of_frame": last[..., VISIBLE] == 0.0, "occlusion": last[..., VISIBLE] == 0.0}
    assert traces.get(switch, last[..., BACKGROUND] == 1.0).mean() > 0.95
    probability = goal_probability(env, last, seeds=5)
    assert (probability > 0.9).sum() >= 4, probability

    _, honest, success = play(
        make_env(), EXPLOITS[switch], seed=11
    )  # with the switch off, the same actions do not fool it
    assert not success.any()
    assert (honest[..., VISIBLE] == 1.0).all()
    assert (honest[..., BACKGROUND] == -1.0).all()


@pytest.mark.parametrize("switch", [None, *SWITCHES])
def test_the_picture_shows_the_scene(switch):
    env = make_env(**({switch: True} if switch else {}))
    batch = env.make(1, seed=0)
    batch.reset(np.ones(1, bool))
    scene = batch.step(np.zeros((1, 2))).info["scene"][0]
    picture = env.draw(scene)
    assert picture.shape == (240, 320, 3)
    assert picture.dtype == np.uint8
    for entry in range(8 if switch != "background_cue" else 9):
        changed = scene.copy()
        changed[entry] += 0.1 if entry < 7 else 1.0 - 2.0 * scene[entry]
        assert (env.draw(changed) != picture).any(), entry
