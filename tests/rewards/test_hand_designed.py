"""Hand-designed rewards: the lecture's sums, every map, what is refused, and training on them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rl_rewards.core.errors import ConfigError
from rl_rewards.core.types import Box, Discrete
from rl_rewards.loop import build, supplied
from rl_rewards.loop.experiment import run_experiment
from rl_rewards.loop.state import init_state
from rl_rewards.rewards.hand_designed import HandDesigned
from tests.probes import experience_of, make, make_rollout, make_spec
from tests.runs import composed, rows, run_here

ROBOT = make_spec(obs=2, info={"x_velocity": (), "foot_contacts": (), "force": (2, 3), "success": ()})
NEAR = "+reward.terms.near={weight: -1.0, of: next_obs, map: norm}"


def hand_designed(spec=ROBOT, **terms):
    return HandDesigned(spec=spec, terms=terms)


def value_of(term, rollout, spec=ROBOT) -> np.ndarray:
    return np.asarray(jax.jit(hand_designed(spec, only={"weight": 1.0} | term).reward)({}, rollout))


def robot(velocity, upright, contacts):
    """Return three behaviours [1, 3] of the lecture's walking robot."""
    info = {"x_velocity": velocity, "foot_contacts": contacts}
    info = {name: np.asarray(value, np.float32)[None] for name, value in info.items()}
    next_obs = np.stack([np.asarray(upright), np.zeros(3)], axis=-1).astype(np.float32)[None]
    return make_rollout(ROBOT, 1, 3, next_obs=next_obs, info=info)


FALLING, STANDING, WALKING = range(3)
BEHAVIOURS = robot(velocity=[5.0, 0.0, 1.5], upright=[0.0, 1.0, 0.9], contacts=[0.0, 2.0, 1.0])


def lecture_reward(upright_weight: float = 1.0):
    return hand_designed(
        forward={"weight": 2.0, "of": "info.x_velocity", "map": "identity"},
        upright={"weight": upright_weight, "of": "next_obs[0]", "map": "identity"},
        foot_contacts={"weight": 0.5, "of": "info.foot_contacts", "map": "identity"},
    )


def test_the_lectures_three_sums():
    rewards = np.asarray(lecture_reward().reward({}, BEHAVIOURS))
    np.testing.assert_allclose(rewards, [[10.0, 2.0, 4.4]], atol=1e-6)
    assert rewards.argmax() == FALLING, "the hand-designed reward is highest for falling"


@pytest.mark.parametrize(
    ("weight", "best"), [(1.0, FALLING), (7.22, FALLING), (7.23, WALKING), (24.9, WALKING), (25.1, STANDING)]
)
def test_walking_is_best_only_within_the_window(weight, best):
    """Walking beats falling above 6.5 / 0.9 = 7.22 and standing below 2.5 / 0.1 = 25."""
    assert np.asarray(lecture_reward(weight).reward({}, BEHAVIOURS)).argmax() == best


def test_terms_are_logged_raw_over_valid_steps():
    valid = np.array([[True, True, False]])
    state, metrics = lecture_reward(8.0).update(
        {}, {}, experience_of(BEHAVIOURS.replace(valid=jnp.asarray(valid))), jnp.int32(0), jax.random.key(0)
    )
    assert state == {}
    expected = {"reward/term_forward": 2.5, "reward/term_upright": 0.5, "reward/term_foot_contacts": 1.0}
    assert {name: float(value) for name, value in metrics.items()} == pytest.approx(expected)


X = np.array([[-2.0, -0.5, 0.5, 2.0]], np.float32)
MAPPED = [
    ({"map": "identity"}, X),
    ({"map": "abs"}, abs(X)),
    ({"map": "square"}, X**2),
    ({"map": "cos"}, np.cos(X)),
    ({"map": "above", "threshold": 0.5}, [[0, 0, 0, 1]]),
    ({"map": "below", "threshold": 0.5}, [[1, 1, 0, 0]]),
    ({"map": "within", "low": -0.5, "high": 0.5}, [[0, 1, 1, 0]]),
    ({"map": "clip", "low": -1, "high": 0.7}, [[-1.0, -0.5, 0.5, 0.7]]),
]


@pytest.mark.parametrize(("term", "expected"), MAPPED, ids=lambda x: x["map"] if isinstance(x, dict) else "")
def test_maps_of_one_number(term, expected):
    rollout = make_rollout(ROBOT, 1, 4, obs=np.stack([np.full_like(X, 9.0), X], axis=-1))
    np.testing.assert_allclose(value_of({"of": "obs[1]"} | term, rollout), expected, rtol=1e-6)


def test_norms_take_the_whole_array():
    rollout = make_rollout(ROBOT, 3, 2, info={"force": np.random.default_rng(0).normal(size=(3, 2, 2, 3))})
    flat = np.asarray(rollout.info["force"]).reshape(3, 2, 6)
    squared = value_of({"of": "info.force", "map": "squared_norm"}, rollout)
    np.testing.assert_allclose(squared, np.sum(flat**2, axis=-1), rtol=1e-5)
    norm = value_of({"of": "next_obs", "map": "norm"}, rollout)
    np.testing.assert_allclose(norm, np.linalg.norm(rollout.next_obs, axis=-1), rtol=1e-5)
    entry = value_of({"of": "info.force[1, 2]", "map": "identity"}, rollout)
    np.testing.assert_allclose(entry, flat[..., 5], rtol=1e-6)


def test_actions_are_taken_within_their_bounds():
    spec = make_spec(action=Box(shape=(2,), low=(-1.0, 0.0), high=(1.0, 4.0)))
    rollout = make_rollout(spec, 1, 1, action=np.array([[[-7.0, 3.0]]], np.float32))
    assert value_of({"of": "action", "map": "squared_norm"}, rollout, spec) == pytest.approx(1.0 + 9.0)


def test_discrete_actions_are_one_hot():
    spec = make_spec(action=Discrete(3))
    rollout = make_rollout(spec, 1, 3, action=np.array([[2, 0, 2]], np.int32))
    np.testing.assert_array_equal(value_of({"of": "action[2]", "map": "identity"}, rollout, spec), [[1.0, 0.0, 1.0]])


GOOD = {"weight": 1.0, "of": "next_obs[0]", "map": "identity"}


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"of": "info.speed"}, "reward.terms.x.of=info.speed: test has no 'speed' in info; it has x_velocity, foot_co"),
        ({"of": "next_obs[2]"}, "reward.terms.x.of=next_obs[2] is out of range; next_obs of test has the shape [2"),
        ({"of": "action[0, 0]"}, "reward.terms.x.of=action[0, 0] is out of range; action of test has the shape"),
        ({"of": "state"}, "reward.terms.x.of=state is not a quantity; write obs, next_obs, action or info.KEY"),
        ({"of": "next_obs[-1]"}, "is not a quantity"),
        ({"of": "next_obs"}, "map=identity maps one number, but next_obs has the shape [2]; name one entry, such"),
        ({"map": "tanh"}, "reward.terms.x.map=tanh is not known; choose from identity, abs,"),
        ({"map": "above"}, "reward.terms.x lacks 'threshold', which map=above needs"),
        ({"map": "above", "threshold": "high"}, "reward.terms.x.threshold=high is not valid; it must be a number"),
        ({"map": "within", "low": 1.0, "high": 0.0}, "reward.terms.x.low=1.0 must be at most high=0.0"),
        ({"scale": 2.0}, "reward.terms.x has the key 'scale', which map=identity does not know"),
        ({"weight": None}, "reward.terms.x.weight=None is not valid"),
        ({"weight": float("nan")}, "reward.terms.x.weight=nan is not valid"),
    ],
)
def test_mistakes_are_one_sentence(changes, sentence):
    with pytest.raises(ConfigError) as error:
        hand_designed(x=GOOD | changes)
    assert sentence in str(error.value)


@pytest.mark.parametrize("part", ["weight", "of", "map"])
def test_every_part_of_a_term_is_needed(part):
    with pytest.raises(ConfigError, match=rf"reward\.terms\.x lacks the key '{part}'"):
        hand_designed(x={key: value for key, value in GOOD.items() if key != part})


def test_a_reward_without_terms_is_refused():
    with pytest.raises(ConfigError, match=r"reward\.terms is empty"):
        hand_designed()
    with pytest.raises(ConfigError, match=r"reward\.terms\.x=3 is not valid"):
        hand_designed(x=3)


def test_walking_robot_reads_walker2d_and_nothing_else():
    """It reads velocity and the torso's angle, and is refused in an environment without a velocity."""
    walker = make_spec(obs=17, action=6, info={"x_velocity": ()})
    source = make("reward", "walking_robot", walker)
    assert source.requirements.reads == ("info.x_velocity", "next_obs")
    next_obs = np.zeros((1, 2, 17), np.float32)
    next_obs[0, :, 1] = [np.pi / 2, 0.0]
    rollout = make_rollout(walker, 1, 2, next_obs=next_obs, info={"x_velocity": np.array([[5.0, 0.0]], np.float32)})
    np.testing.assert_allclose(source.reward({}, rollout), [[10.0, 1.0]], atol=1e-5)
    with pytest.raises(ConfigError, match="point has no 'x_velocity' in info; it has success, scene"):
        build.build(composed("env=point", "reward=walking_robot"))


# Training.


def test_learns_to_go_to_the_origin_of_point(tmp_path):
    """With minus the distance to the origin, the learned return is the logged term times its weight, and rises."""
    last = run_here(tmp_path, "env=point", "reward=hand_designed", NEAR, "total_env_steps=12800", "evaluation.every=40")
    first = rows(tmp_path)[0]
    assert last["eval/learned_return"] == pytest.approx(-40.0 * last["eval/term_near"], rel=1e-4)
    assert last["agent/reward_mean"] == pytest.approx(-last["reward/term_near"], rel=1e-4)
    assert last["eval/learned_return_deterministic"] > first["eval/learned_return_deterministic"] + 5.0


@pytest.mark.long
def test_works_on_pencil_case(tmp_path):
    last = run_here(tmp_path, "env=pencil_case", "reward=hand_designed", NEAR, "total_env_steps=640")
    assert np.isfinite(last["eval/learned_return"])


def test_the_ring_keeps_the_info_that_the_reward_reads(tmp_path):
    """SAC computes rewards of sampled transitions: these need info.success, and no other key."""
    small = {"num_envs": 4, "rollout_length": 20, "learning_starts": 80, "batch_size": 16, "model.hidden": [8]}
    cfg = composed(
        "env=point",
        "reward=hand_designed",
        "+reward.terms.success={weight: 3.0, of: info.success, map: identity}",
        "algorithm=sac",
        *(f"algorithm.{key}={value}" for key, value in small.items()),
        "total_env_steps=320",
        "evaluation.episodes=4",
        "logger=none",
    )
    experiment = build.build(cfg)
    ring = init_state(experiment.parts, 0).replay
    assert set(ring.data.info) == {"success"}
    assert ring.data.info["success"].dtype == bool
    last = run_experiment(experiment, supplied.build_data(*experiment), tmp_path, "test")
    assert last["eval/learned_return"] == pytest.approx(3.0 * last["eval/true_return"], rel=1e-5)
    assert np.isfinite(last["agent/reward_mean"])
