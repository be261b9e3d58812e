"""Tests that offline learners find values that are known: of bandits, of a chain, and of a policy that is fixed."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import simpson
from scipy.optimize import brentq

from rl_rewards.algorithms.offline.records import Batch
from rl_rewards.core.errors import ConfigError
from rl_rewards.core.losses import advantage_weights, expectile_loss
from rl_rewards.core.types import Box, Discrete
from tests.algorithms.offline.recorded import MODEL, SMALL, dataset_of, trained
from tests.probes import make, make_spec

ARMS = np.array([0.0, 1.0, 3.0])  # the rewards of the bandit's actions
COUNTS = np.array([50, 30, 20])  # how often each was recorded
BANDIT = make_spec(obs=1, action=Discrete(4))  # the fourth action was never recorded
FAST = {"learning_rate": 1e-3, "batch_size": 256}


def bandit(repeat: int = 1):
    action = np.repeat(np.arange(3), repeat * COUNTS).astype(np.int32)
    return dataset_of(np.zeros((len(action), 1)), action, ARMS[action])


def expectile(values: np.ndarray, weights: np.ndarray, tau: float) -> float:
    """The root of tau E(x - m)+ = (1 - tau) E(m - x)+."""
    return brentq(
        lambda m: np.sum(weights * np.where(values > m, tau, 1 - tau) * (values - m)), values.min(), values.max()
    )


@pytest.mark.parametrize("tau", [0.5, 0.7, 0.9])
def test_the_expectile_loss_is_least_at_the_expectile(tau):
    grid = np.linspace(0.0, 3.0, 3001)
    losses = [float(np.sum(COUNTS * np.asarray(expectile_loss(jnp.asarray(ARMS - m), tau)))) for m in grid[::10]]
    assert grid[::10][int(np.argmin(losses))] == pytest.approx(expectile(ARMS, COUNTS, tau), abs=0.011)


@pytest.mark.optimised
def test_iql_learns_the_expectile_of_a_bandits_rewards():
    tau = 0.9
    algorithm, state, metrics = trained("iql", BANDIT, bandit(), rounds=12, expectile=tau, **FAST)
    value = float(algorithm.state_value(state, jnp.zeros((1, 1)), jax.random.key(0))[0])
    assert value == pytest.approx(expectile(ARMS, COUNTS, tau), abs=0.1)
    values = np.asarray(algorithm.critics.values(state.params["critics"], jnp.zeros((3, 1)), jnp.arange(3)))
    assert values == pytest.approx(np.stack([ARMS, ARMS]), abs=0.1)
    assert metrics["agent/v_mean"] == pytest.approx(value, abs=0.1)


def test_iqls_policy_weighs_recorded_actions_by_their_advantage():
    beta = 0.7
    algorithm, state, _ = trained(
        "iql", BANDIT, bandit(), rounds=8, expectile=0.5, inverse_temperature=beta, actor_decay=False, **FAST
    )
    center = expectile(ARMS, COUNTS, 0.5)
    wanted = COUNTS * np.exp(beta * (ARMS - center))
    probs = np.asarray(jax.nn.softmax(algorithm.distribution(state, jnp.zeros((1, 1))).logits))[0]
    assert probs[:3] == pytest.approx(wanted / wanted.sum(), abs=0.03)
    assert probs[3] < 0.01, "an action that was never recorded is never preferred"


def test_weights_are_clipped():
    found = advantage_weights(jnp.array([-1.0, 0.0, 1.0, 1e6]), 2.0, 20.0)
    assert np.asarray(found) == pytest.approx([np.exp(-2.0), 1.0, np.exp(2.0), 20.0], rel=1e-5)


# A chain of two steps: from 0 to 1 to the end. Action 1 earns 1 in each step and action 0 nothing; the recording policy
# takes action 1 in a quarter of the steps.

CHAIN = make_spec(obs=1, action=Discrete(2), ends_early=True)


def chain(n: int = 400):
    rng = np.random.default_rng(0)
    action = (rng.uniform(size=(n, 2)) < 0.25).astype(np.int32)
    action[:4] = [[0, 0], [0, 1], [1, 0], [1, 1]]
    obs = np.tile([0.0, 1.0], n)[:, None]
    data = dataset_of(obs, action.reshape(-1), action.reshape(-1), obs + 1.0, np.tile([False, True], n), [2] * n)
    return data, action


@pytest.mark.parametrize("name", [pytest.param("iql", marks=pytest.mark.long), "awr"])
def test_with_the_mean_the_value_is_that_of_the_recording_policy(name):
    data, action = chain()
    mean = action.mean()
    changes = {"iql": {"expectile": 0.5, **FAST}, "awr": {"trace_decay": 1.0, "value_learning_rate": 3e-3}}[name]
    algorithm, state, _ = trained(name, CHAIN, data, rounds=8, discount=0.9, **changes)
    found = np.asarray(algorithm.state_value(state, jnp.array([[0.0], [1.0]]), jax.random.key(0)))
    assert found == pytest.approx([mean + 0.9 * mean, mean], abs=0.08)


@pytest.mark.optimised
def test_iqls_value_rises_with_the_expectile_towards_that_of_the_best_recorded_actions():
    data, _ = chain()
    found = []
    for tau in (0.5, 0.99):
        algorithm, state, _ = trained("iql", CHAIN, data, rounds=8, discount=0.9, expectile=tau, **FAST)
        found.append(float(algorithm.state_value(state, jnp.zeros((1, 1)), jax.random.key(0))[0]))
    assert found[0] < 0.6
    assert found[1] == pytest.approx(1.9, abs=0.2)


@pytest.mark.parametrize("name", [pytest.param("naive_sac", marks=pytest.mark.long), "cql"])
def test_with_all_actions_recorded_the_best_policy_is_found(name):
    data, _ = chain()
    weak = {"conservative_weight": 0.05} if name == "cql" else {}
    algorithm, state, _ = trained(
        name, CHAIN, data, discount=0.9, temperature=0.01, critic_learning_rate=3e-3, actor_learning_rate=3e-3,
        target_rate=0.05, **weak,
    )  # fmt: skip
    where = jnp.array([[0.0], [1.0]])
    assert np.asarray(algorithm.mode(state, where)).tolist() == [1, 1]
    found = np.asarray(algorithm.state_value(state, where, jax.random.key(0)))
    assert found == pytest.approx([1.9, 1.0], abs=0.2)


def test_cql_on_a_bandit_solves_its_own_equation_and_is_a_lower_bound():
    """The gradient of CQL's loss at Q(a) is 2 f(a) (Q(a) - r(a)) + w (softmax(Q)(a) - f(a)), f the recorded share."""
    weight = 0.5
    algorithm, state, metrics = trained(
        "cql", BANDIT, bandit(), conservative_weight=weight, critic_learning_rate=2e-3, temperature=0.1, batch_size=256
    )
    values = np.asarray(algorithm.critics.of_all_actions(state.params["critics"], jnp.zeros((1, 1))))[:, 0]
    shares = np.append(COUNTS / COUNTS.sum(), 0.0)
    for q in values:
        softmax = np.exp(q) / np.exp(q).sum()
        gradient = 2.0 * shares * (q - np.append(ARMS, 0.0)) + weight * (softmax - shares)
        assert np.abs(gradient).max() < 0.06, "without the penalty it is 0.25"
        assert q[3] < q[:3].min(), "an action that was never recorded has the lowest value"
    true = float(shares[:3] @ ARMS)
    assert np.all(values @ shares <= true + 0.02), "the recording policy's value is bounded from below"
    assert metrics["agent/conservative_gap"] > 0.0


def test_cqls_weight_is_learned_until_the_gap_is_as_wanted():
    _, _, metrics = trained(
        "cql", BANDIT, bandit(), rounds=15, conservative_weight=1.0, conservative_gap=1.5, critic_learning_rate=3e-3,
        temperature=0.1,
    )  # fmt: skip
    assert metrics["agent/conservative_gap"] == pytest.approx(1.5, abs=0.25)
    _, _, alone = trained("cql", BANDIT, bandit(), conservative_weight=0.0, critic_learning_rate=3e-3, temperature=0.1)
    assert alone["agent/conservative_gap"] > 1.6, "without a weight the gap is larger, so that the weight matters"


def test_cqls_sampled_sum_over_real_actions_is_the_integral():
    spec = make_spec(obs=1, action=1)
    broad = {"log_std_range": [-0.2, 0.2]}  # the weights of a narrow policy's actions vary too much
    algorithm = make("algorithm", "cql", spec, **(SMALL | broad | {"sampled_actions": 20_000}))
    state = jax.jit(algorithm.init)(jax.random.key(3))
    critics = jax.tree.map(lambda x: 3.0 * x, state.params["critics"])  # far from constant
    obs = jnp.array([[0.4]])
    nothing = jnp.zeros(1)
    batch = Batch(obs, nothing[:, None], nothing, -obs, nothing > 0, nothing == 0, jnp.zeros(()), {})
    found = np.asarray(jax.jit(algorithm._log_sum)(state, critics, batch, jax.random.key(0)))[:, 0]
    actions = np.linspace(-1.0, 1.0, 201, dtype=np.float32)
    densities = np.exp(algorithm.critics.values(critics, jnp.tile(obs, (201, 1)), jnp.asarray(actions[:, None])))
    wanted = np.log(simpson(densities, x=actions, axis=1))
    assert found == pytest.approx(wanted, abs=0.03)


# Real actions: the reward is -(a - 0.5)^2, and actions were recorded around 0.

REAL = make_spec(obs=1, action=1)


def parabola(n: int = 2000):
    action = np.clip(np.random.default_rng(1).normal(0.0, 0.3, (n, 1)), -1.0, 1.0).astype(np.float32)
    return dataset_of(np.zeros((n, 1)), action, -np.square(action[:, 0] - 0.5))


TD3_FAST = {"actor_learning_rate": 1e-3, "critic_learning_rate": 3e-3, "target_rate": 0.05}


@pytest.mark.parametrize(("name", "clones", "seeks"), [
    ("td3_bc", {"value_weight": 0.0}, {"value_weight": 100.0}),
    pytest.param(
        "rebrac", {"value_weight": 0.0}, {"value_weight": 1.0, "actor_distance_weight": 0.001}, marks=pytest.mark.long
    ),
])  # fmt: skip
def test_a_deterministic_policy_clones_or_seeks_the_best_action(name, clones, seeks):
    data, changes = parabola(), {"model": MODEL, **TD3_FAST}
    for weights, wanted in ((clones, 0.0), (seeks, 0.5)):
        algorithm, state, _ = trained(name, REAL, data, **changes, **weights)
        assert float(algorithm.mode(state, jnp.zeros((1, 1)))[0, 0]) == pytest.approx(wanted, abs=0.12)


def test_rebracs_target_subtracts_the_distance_from_the_next_recorded_action():
    algorithm = make("algorithm", "rebrac", REAL, **(SMALL | {"critic_distance_weight": 2.0, "model": MODEL}))
    next_action, recorded = jnp.array([[0.5], [0.5]]), jnp.array([[0.25], [0.25]])
    nothing = jnp.zeros(2)
    batch = Batch(
        nothing[:, None], next_action, nothing, nothing[:, None], nothing > 0, nothing == 0, jnp.zeros(()),
        {"next_action": recorded, "has_next": jnp.array([True, False])},
    )  # fmt: skip
    assert np.asarray(algorithm.distance_from_next(batch, next_action)) == pytest.approx([2.0 * 0.0625, 0.0])
    two = jnp.array([[0.0, 0.0]]), jnp.array([[0.6, 0.2]])
    assert float(algorithm.distance(*two)[0]) == pytest.approx(0.4), "ReBRAC sums over the entries of an action"
    td3 = make("algorithm", "td3_bc", REAL, **SMALL)
    assert float(td3.distance(*two)[0]) == pytest.approx(0.2), "TD3+BC takes their mean"


@pytest.mark.parametrize("name", ["td3_bc", "rebrac"])
def test_a_deterministic_policy_refuses_discrete_and_unbounded_actions(name):
    for action in (Discrete(2), Box(shape=(1,))):
        with pytest.raises(ConfigError, match="needs real actions within bounds"):
            make("algorithm", name, make_spec(action=action), **SMALL)


def test_rewards_are_divided_by_the_deviation_of_the_recorded_returns():
    data, action = chain()
    _, state, metrics = trained("iql", CHAIN, data, rounds=1, discount=0.9, normalize_reward=True)
    returns = np.stack([action[:, 0] + 0.9 * action[:, 1], action[:, 1]], axis=1)
    assert float(state.reward_scale) == pytest.approx(returns.std(), rel=1e-4)
    assert metrics["agent/recorded_value"] == pytest.approx(returns.mean(), rel=1e-4)
