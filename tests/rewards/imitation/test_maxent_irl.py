"""Maximum-entropy IRL: an exact gradient, the recovery of an expert's reward, and what is refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from omegaconf import OmegaConf

from rl_rewards import load_reward
from rl_rewards.core.errors import ConfigError
from rl_rewards.core.types import Examples
from rl_rewards.data.dataset import Dataset
from rl_rewards.data.demonstrations.load import first_episodes, save_demonstrations
from rl_rewards.loop import build
from rl_rewards.loop.policies import RestoredPolicy, record
from rl_rewards.models import tabular
from rl_rewards.reporting.glossary import meaning
from rl_rewards.rewards.imitation.maxent_irl import MaxEntIRL
from tests.probes import experience_of, make, make_rollout
from tests.runs import composed, raw_rows, run_here

GRID = ("env=grid", "env.size=4", "env.rewards=[[3,3,1.0],[0,3,0.5],[2,2,-1.0]]", "env.max_episode_steps=20")
SETTINGS = ("reward.discount=0.8", "reward.temperature=0.3", "algorithm.discount=0.8", "algorithm.temperature=0.3")
ALL = (*GRID, "reward=maxent_irl", "algorithm=soft_value_iteration", *SETTINGS)
ENV = build.build(composed(*GRID, "reward=environment")).parts.env
TRANSITION = jnp.asarray(ENV.transition_tensor)
TRUE = tabular.expected_reward(TRANSITION, jnp.asarray(ENV.true_reward))


def source(*changes: str) -> MaxEntIRL:
    return build.build(composed(*ALL, "demos=some", *changes)).parts.source


def expert():
    return jnp.exp(tabular.soft_policy(tabular.soft_values(TRANSITION, TRUE, 0.8, 0.3), 0.3))


def visits(policy):
    """Return the share of discounted steps in each state."""
    return 0.2 * tabular.visitation(TRANSITION, policy, jnp.asarray(ENV.start), 0.8)


def rows(counts) -> Examples:
    """Return data with these counts of each action in each state, and with padding that must not count."""
    taken = np.argwhere(counts > 0).repeat(counts[counts > 0].astype(int), axis=0)
    state, action = np.concatenate([taken, [[0, 4]] * 7]).T
    steps = make_rollout(ENV.spec, len(state), 1)
    obs = jnp.eye(16)[state]
    steps = jax.tree.map(lambda x: x[:, 0], steps).replace(obs=obs, action=jnp.int32(action), next_obs=obs)
    return {"demos": Dataset.of_single_steps(steps, len(taken))}


def learn(irl: MaxEntIRL, data, rounds: int = 1):
    nothing = experience_of(make_rollout(ENV.spec, 1, 1))
    update = jax.jit(lambda state: irl.update(state, data, nothing, jnp.int32(0), jax.random.key(0)))
    state, metrics = irl.init(jax.random.key(0)), {}
    for _ in range(rounds):
        state, metrics = update(state)
    return state, metrics


def some_counts(seed=0):
    return np.random.default_rng(seed).poisson(2.0, (16, 5)).astype(np.float32)


@pytest.mark.parametrize("features", ["cell", "block"])
def test_the_gradient_is_the_derivative_of_the_exact_log_likelihood(features):
    irl = source(f"reward.features={features}")
    counts = jnp.asarray(some_counts())
    weights = jax.random.normal(jax.random.key(1), irl.init(jax.random.key(0)).weights.shape)
    fit = jax.jit(irl.fit)(weights, counts)
    derivative = jax.jit(jax.grad(lambda w: irl.fit(w, counts).log_likelihood))(weights)
    np.testing.assert_allclose(fit.gradient, derivative, rtol=1e-3, atol=1e-5)
    assert float(fit.own_features.sum()) == pytest.approx(1.0, abs=1e-4), "features are shares of steps"
    assert float(fit.demo_features.sum()) == pytest.approx(1.0, abs=1e-4)


def test_the_log_likelihood_is_that_of_the_soft_optimal_policy():
    irl, counts = source(), some_counts()
    weights = jnp.asarray(ENV.true_reward[0, 0])
    expected = (counts * np.log(np.asarray(expert()))).sum() / counts.sum()
    assert float(jax.jit(irl.fit)(weights, jnp.asarray(counts)).log_likelihood) == pytest.approx(expected, rel=1e-4)


def test_of_endless_episodes_the_policy_counts_from_where_they_began():
    """The gradient is then Ziebart's: demonstrated visits minus those of the policy, from the same start."""
    irl, policy = source(), expert()
    fit = jax.jit(irl.fit)(jnp.zeros(16), visits(policy)[:, None] * policy)
    own = visits(jnp.full((16, 5), 0.2))
    reached = jnp.einsum("s,sa,sat->t", own, jnp.full((16, 5), 0.2), TRANSITION)
    np.testing.assert_allclose(fit.own_features, reached, atol=1e-5)


def test_a_demonstrator_is_found_again():
    """With many steps it finds the same visits, and the true reward up to what no policy can show."""
    policy = expert()
    counts = np.round(20_000 * np.asarray(visits(policy)[:, None] * policy))
    irl = source("reward.updates_per_round=400", "reward.prior_deviation=10")
    state, metrics = learn(irl, rows(counts))
    learned = irl.state_rewards(state)
    table = tabular.expected_reward(TRANSITION, jnp.broadcast_to(learned, TRANSITION.shape))
    found = jnp.exp(tabular.soft_policy(tabular.soft_values(TRANSITION, table, 0.8, 0.3), 0.3))
    np.testing.assert_allclose(visits(found), visits(policy), atol=2e-3)
    np.testing.assert_allclose(found, policy, atol=0.03)
    true = ENV.true_reward[0, 0]
    np.testing.assert_allclose(learned - learned.mean(), true - true.mean(), atol=0.1)
    assert float(metrics["reward/feature_gap"]) < 2e-3
    assert float(metrics["reward/loss"]) == pytest.approx(-(counts * np.log(policy)).sum() / counts.sum(), rel=1e-3)


def test_the_prior_holds_what_demonstrations_leave_open():
    """A constant reward, which changes no policy, is 0; a stronger prior gives smaller weights."""
    counts = np.zeros((16, 5))
    counts[0, 0] = 3
    loose, tight = (
        learn(source("reward.updates_per_round=200", f"reward.prior_deviation={deviation}"), rows(counts))[0].weights
        for deviation in (1.0, 0.1)
    )
    assert float(jnp.abs(loose.sum())) < 1e-4
    assert float(jnp.linalg.norm(tight)) < 0.3 * float(jnp.linalg.norm(loose))


def test_demonstrations_are_counted_without_their_padding():
    counts = some_counts()
    irl = source()
    np.testing.assert_array_equal(irl.demo_counts(rows(counts)), counts)


def test_the_reward_is_that_of_the_state_reached():
    irl = source()
    state = irl.init(jax.random.key(0)).replace(weights=jnp.arange(16.0))
    reached = np.array([[3, 5, 15]])
    steps = make_rollout(ENV.spec, 1, 3, next_obs=np.eye(16, dtype=np.float32)[reached])
    np.testing.assert_array_equal(irl.reward(state, steps), reached)
    assert irl.requirements.reads == ("next_obs",) and float(irl.absorbing_reward(state)) == 0.0


def test_inspection_tells_how_far_visits_are_from_the_demonstrated():
    counts = np.zeros((16, 5))
    counts[3, 4], counts[7, 4] = 3, 1
    irl = source()
    state = irl.init(jax.random.key(0)).replace(weights=jnp.arange(16.0))
    reached = np.array([[3, 3, 7, 9]])
    steps = make_rollout(ENV.spec, 1, 4, next_obs=np.eye(16, dtype=np.float32)[reached])
    found = irl.inspect(state, rows(counts), steps)
    assert float(found["feature_gap"]) == pytest.approx(0.25)
    steps = steps.replace(valid=jnp.array([[True, True, True, False]]))
    assert float(irl.inspect(state, rows(counts), steps)["feature_gap"]) == pytest.approx(1 / 12)
    assert found["reward_demos"].tolist()[:4] == [3.0, 3.0, 3.0, 7.0]
    assert irl.inspect(state, {}, steps) == {}


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """Return a file of the expert's episodes."""
    parts = build.build(composed(*GRID, "reward=environment", "algorithm=soft_value_iteration", *SETTINGS[2:])).parts
    agent = parts.algorithm.init(jax.random.key(0)).replace(log_policy=jnp.log(expert()))
    policy = RestoredPolicy(parts.algorithm, agent, ENV.spec, {})
    steps = record(parts.env, policy, copies=40, explore=True, random=0.0, seed=0)
    path = tmp_path_factory.mktemp("demos") / "grid.npz"
    save_demonstrations(path, ENV.spec, first_episodes(steps, ENV.spec))
    return path


def test_a_run_learns_with_several_seeds_in_one_program(tmp_path, recorded):
    changes = ("reward.updates_per_round=100", "demonstrations.episodes=30", "evaluation.episodes=64", "num_seeds=2")
    command = (*ALL, f"demos={recorded}", *changes)
    last = run_here(tmp_path, *command)
    assert max(last["reward/gradient_norm"]) < 0.05 and max(last["reward/feature_gap"]) < 0.02
    assert max(last["eval/feature_gap"]) < 0.15
    assert all(meaning(key) for row in raw_rows(tmp_path) for key in row)
    first = raw_rows(tmp_path)[0]["reward/loss"]
    assert first[0] != first[1], "each seed draws its own demonstrations"
    OmegaConf.save(composed(*command), tmp_path / "config.yaml", resolve=True)
    reward = load_reward(tmp_path, seed=1)
    learned = reward(np.eye(16, dtype=np.float32), next_obs=np.eye(16, dtype=np.float32))
    assert learned.argmax() == 15 and learned[10] < learned.mean()


def test_what_cannot_work_is_refused():
    def refused(*changes):
        return build.build(composed(*ALL, "demos=some", *changes))

    with pytest.raises(ConfigError, match=r"This reward learns from demonstrations; name some"):
        refused("demos=null")
    with pytest.raises(ConfigError, match=r"^reward=maxent_irl needs .* such as env=grid; point has none\.$"):
        build.build(composed("env=point", "reward=maxent_irl", "demos=some"))
    with pytest.raises(ConfigError, match=r"reward\.features=pixel is unknown in grid; choose from cell, block\."):
        refused("reward.features=pixel")
    with pytest.raises(ConfigError, match=r"reward\.discount=1 must lie between 0 and 1"):
        refused("reward.discount=1")
    with pytest.raises(ConfigError, match=r"reward\.temperature=0 must be positive"):
        refused("reward.temperature=0")
    with pytest.raises(ConfigError, match=r"reward\.updates_per_round=0 must be at least 1"):
        refused("reward.updates_per_round=0")
    with pytest.raises(ConfigError, match=r"env\.slip=2 is a probability"):
        refused("env.slip=2")
    assert make("env", "grid").features.keys() == {"cell", "block"}
