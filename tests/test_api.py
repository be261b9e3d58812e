"""A learned reward outside of a run: as a function of NumPy arrays, and with another library's agent."""

import subprocess
import sys
from dataclasses import replace

import gymnasium
import jax
import numpy as np
import pytest
from scipy.optimize import differential_evolution

import rl_rewards
from rl_rewards.api import LoadedReward
from rl_rewards.core.errors import ConfigError
from rl_rewards.core.types import Box, Discrete
from rl_rewards.loop.sources import RestoredReward, restore_from_run
from rl_rewards.rewards.hand_designed import HandDesigned
from tests.finished import finished_run, untrained
from tests.probes import make_rollout, make_spec
from tests.rewards.examples import tiny_source

START = np.array([-0.7, -0.7], np.float32)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Return the folder of a finished run whose classifier was trained on point's examples."""
    folder = tmp_path_factory.mktemp("learned") / "run"
    return finished_run(
        folder,
        "env=point",
        "reward=goal_classifier",
        "reward.pretrain_steps=400",
        "total_env_steps=320",
        evaluated=False,
    )


def loaded(spec, **changes) -> LoadedReward:
    """Return an untrained classifier, wrapped as if it had been restored."""
    source = tiny_source("goal_classifier", spec, **changes)
    return LoadedReward(RestoredReward(source, source.init(jax.random.key(0)), spec))


def test_says_what_the_run_says(run):
    """The rewards equal those of the source with the checkpoint's state, for any batch axes and float type."""
    reward = rl_rewards.load_reward(str(run))
    assert reward.reads == ("next_obs",)
    source, state, spec = restore_from_run(run)
    rollout = make_rollout(spec, 5, 3)
    expected = np.asarray(jax.jit(source.reward)(state, rollout))
    obs, action, next_obs = (np.asarray(x, np.float64) for x in (rollout.obs, rollout.action, rollout.next_obs))
    given = reward(obs, action, next_obs)
    assert type(given) is np.ndarray and given.dtype == np.float32
    np.testing.assert_allclose(given, expected, atol=1e-6)
    np.testing.assert_allclose(reward(obs[0, 0], next_obs=next_obs[0, 0]), expected[0, 0], atol=1e-6)
    assert reward(START, next_obs=[0.0, 0.0]) > 0.6 > 0.4 > reward(START, next_obs=START), "the classifier is trained"


def test_of_several_seeds_one_must_be_named(tmp_path):
    """Each seed of a run has its own reward; a frozen reward uses one of them and stores it."""
    quick = ("env=point", "reward=goal_classifier")
    untrained(tmp_path / "both", *quick, "seed=3", "num_seeds=2")
    states = [restore_from_run(tmp_path / "both", seed).state for seed in (3, 4)]
    untrained(tmp_path / "alone", *quick, "seed=4")
    alone = restore_from_run(tmp_path / "alone").state
    for one, same, other in zip(*map(jax.tree.leaves, (alone, states[1], states[0])), strict=True):
        np.testing.assert_allclose(one, same, atol=1e-4)
        assert one.shape == other.shape
    first, second = (rl_rewards.load_reward(tmp_path / "both", seed=seed) for seed in (3, 4))
    assert first(START, next_obs=START) != second(START, next_obs=START)
    for seed, sentence in ((None, "trained the seeds 3 to 4"), (5, "has no seed 5; it trained 3 to 4")):
        with pytest.raises(ConfigError, match=sentence):
            rl_rewards.load_reward(tmp_path / "both", seed=seed)
    with pytest.raises(ConfigError, match=r"has no seed 3; it trained 4\."):
        rl_rewards.load_reward(tmp_path / "alone", seed=3)

    frozen = ("reward=frozen", f"reward.run={tmp_path / 'both'}")
    with pytest.raises(ConfigError, match="name one of them"):
        untrained(tmp_path / "refused", *frozen)
    untrained(tmp_path / "frozen", *frozen, "reward.seed=4")
    kept = rl_rewards.load_reward(tmp_path / "frozen")
    assert kept(START, next_obs=START) == second(START, next_obs=START)


def test_nothing_in_the_runs_folder_changes(run):
    def listing():
        return {path: path.stat().st_mtime_ns for path in run.rglob("*")}

    before = listing()
    rl_rewards.load_reward(run)
    assert listing() == before


def test_importing_the_package_is_light():
    heavy = {"jax", "numpy", "gymnasium", "orbax", "hydra"}
    code = f"import sys, rl_rewards; sys.exit(bool({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    with pytest.raises(AttributeError, match="has no attribute 'load_rewards'"):
        _ = rl_rewards.load_rewards


OBS, ACTION = np.zeros((4, 3)), np.zeros((4, 2))


@pytest.mark.parametrize(
    ("judges", "given", "sentence"),
    [
        (
            "obs",
            {"obs": np.zeros((4, 2))},
            "obs has the shape [4, 2]; this reward was learned on test, whose obs has the shape [3]",
        ),
        ("obs", {"obs": 0.0}, "obs has the shape []"),
        ("obs_action", {"obs": OBS}, "This reward reads obs, action, and action is missing; give it as action=ARRAY"),
        (
            "obs_action",
            {"obs": OBS, "action": ACTION[:, :1]},
            "action has the shape [4, 1]; with obs of batch axes [4]",
        ),
        ("obs_action", {"obs": OBS, "action": ACTION[0]}, "needs [4, 2]"),
        ("next_obs", {"obs": OBS}, "next_obs is missing; give it as next_obs=ARRAY"),
        ("next_obs", {"obs": OBS, "next_obs": OBS[:2]}, "next_obs has the shape [2, 3]"),
        ("next_obs", {"obs": OBS, "next_obs": OBS, "action": OBS}, "action has the shape [4, 3]"),
        ("obs", {"obs": np.full((4, 3), "a")}, "obs has the type <U1; this reward was learned on float32"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_sentence(judges, given, sentence):
    with pytest.raises(ConfigError) as error:
        loaded(make_spec(obs=3, action=2), judges=judges)(**given)
    assert sentence in str(error.value)


def test_pictures_must_be_uint8():
    """Images with values from 0 to 1 would become black if they were converted to uint8."""
    spec = replace(make_spec(), obs=Box(shape=(2, 2), dtype="uint8"))
    reward = loaded(spec, judges="obs")
    assert reward(np.full((5, 2, 2), 255, np.uint8)).shape == (5,)
    with pytest.raises(ConfigError, match="obs has the type float64; this reward was learned on uint8"):
        reward(np.ones((5, 2, 2)))


def test_discrete_actions_and_action_bounds():
    reward = loaded(make_spec(obs=1, action=Discrete(3)), judges="obs_action")
    values = reward(np.zeros((3, 1)), np.arange(3))
    assert len(set(values.tolist())) == 3, "each action has its own reward"
    bounded = loaded(make_spec(obs=1, action=Box(shape=(1,), low=(-1.0,), high=(1.0,))), judges="obs_action")
    assert bounded([0.0], [7.0]) == bounded([0.0], [1.0]) != bounded([0.0], [0.5])


def test_a_reward_that_reads_info_is_given_info():
    spec = make_spec(obs=1, info={"x_velocity": ()})
    source = HandDesigned(spec=spec, terms={"v": {"weight": 2.0, "of": "info.x_velocity", "map": "identity"}})
    reward = LoadedReward(RestoredReward(source, {}, spec))
    np.testing.assert_array_equal(reward(np.zeros((2, 1)), info={"x_velocity": [1.0, 2.5], "more": "x"}), [2.0, 5.0])
    with pytest.raises(ConfigError, match=r"x_velocity is missing; give it as info=\{'x_velocity': ARRAY\}"):
        reward(np.zeros((2, 1)))


def test_folders_without_a_reward_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="is not a run folder"):
        rl_rewards.load_reward(tmp_path)
    with pytest.raises(ConfigError, match="does not exist"):
        rl_rewards.load_reward(tmp_path / "nowhere")
    (tmp_path / "config.yaml").write_text("seed: 0\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="has no checkpoint"):
        rl_rewards.load_reward(tmp_path)


# Another library's agent


class PlainPoint(gymnasium.Env):
    """``point`` as a plain Gymnasium environment, which writes every observation into the same buffer."""

    observation_space = gymnasium.spaces.Box(-1.0, 1.0, (2,), np.float32)
    action_space = gymnasium.spaces.Box(-1.0, 1.0, (2,), np.float32)

    def __init__(self):
        self.position, self.elapsed = np.zeros(2, np.float32), 0

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.position[:], self.elapsed = START, 0
        return self.position, {}

    def step(self, action):
        self.position[:] = np.clip(self.position + 0.1 * np.clip(action, -1.0, 1.0), -1.0, 1.0)
        self.elapsed += 1
        success = float(np.linalg.norm(self.position) <= 0.15)
        return self.position, success, False, self.elapsed == 40, {"elapsed": self.elapsed}


def episode(env, parameters) -> tuple[float, float]:
    """Return the learned and the true return of the linear policy a = W s + b."""
    weights, bias = parameters[:4].reshape(2, 2), parameters[4:]
    obs, _ = env.reset(seed=0)
    learned = true = 0.0
    done = False
    while not done:
        obs, reward, terminated, truncated, info = env.step(weights @ obs + bias)
        learned, true, done = learned + reward, true + info["env_reward"], terminated or truncated
    return learned, true


def test_another_librarys_agent_trains_on_it(run):
    """SciPy's differential evolution finds a policy with a learned reward near its maximum of 1 per step."""
    env = rl_rewards.LearnedReward(PlainPoint(), run)
    standing, _ = episode(env, np.zeros(6))
    assert standing < 0.4 * 40
    best = differential_evolution(
        lambda p: -episode(env, p)[0], [(-2.0, 2.0)] * 6, popsize=4, maxiter=4, polish=False, rng=0
    )
    assert -best.fun > 0.7 * 40


def test_the_wrapper_judges_each_step_by_its_own_states(run):
    """The wrapper uses each step's own s, a and s', although they share a buffer, and keeps the true reward."""
    seen = []

    def reward(obs, action, next_obs):
        seen.append((obs.copy(), action, next_obs.copy()))
        return 7

    env = rl_rewards.LearnedReward(PlainPoint(), reward)
    env.reset()
    for action in (np.array([1.0, 0.0]), np.array([0.0, 1.0])):
        _, paid, _, _, info = env.step(action)
        assert paid == 7.0
        assert info["env_reward"] == 0.0 and "elapsed" in info
    points = START + np.array([[0.0, 0.0], [0.1, 0.0], [0.1, 0.1]])
    np.testing.assert_allclose([s[0] for s in seen], points[:2], atol=1e-6)
    np.testing.assert_allclose([s[2] for s in seen], points[1:], atol=1e-6)
    with pytest.raises(ConfigError, match=r"observations have the shape \[3\]; the reward was learned on point, whose"):
        rl_rewards.LearnedReward(gymnasium.make("Pendulum-v1"), run)


class Buttons(PlainPoint):
    """An environment with three buttons that are counted from 1, in which nothing moves."""

    action_space = gymnasium.spaces.Discrete(3, start=1)

    def step(self, action):
        return super().step(np.zeros(2))


def test_the_wrapper_counts_choices_from_zero_wherever_the_environment_starts():
    reward = loaded(make_spec(obs=2, action=Discrete(3)), judges="obs_action")
    env = rl_rewards.LearnedReward(Buttons(), reward)
    env.reset()
    for action in (1, 2, 3):
        _, paid, *_ = env.step(action)
        assert paid == pytest.approx(float(reward(START, action - 1, START)), abs=1e-6)
    with pytest.raises(ConfigError, match=r"^action holds 3; test has 3 actions, counted from 0 to 2 here\.$"):
        reward(START, 3, START)
