"""Tests of the policies that offline learners make of recorded episodes: AWR, the best episodes, and RECAP."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rl_rewards.algorithms.offline.advantage_conditioned import guided, with_condition
from rl_rewards.algorithms.offline.records import RoundData
from rl_rewards.core.distributions import Categorical, DiagonalNormal
from rl_rewards.core.errors import ConfigError
from rl_rewards.core.types import Box, Discrete
from tests.algorithms.offline.recorded import SMALL, dataset_of, trained
from tests.probes import make, make_spec

SPEC = make_spec(obs=1, action=Discrete(3))
REWARDS = np.array([0.0, 1.0, 2.0])
SHARES = np.array([0.6, 0.3, 0.1])


def bandit(n: int = 1000):
    action = np.repeat(np.arange(3), (n * SHARES).astype(int)).astype(np.int32)
    return dataset_of(np.zeros((n, 1)), action, REWARDS[action])


def probs_of(algorithm, state) -> np.ndarray:
    return np.asarray(jax.nn.softmax(algorithm.distribution(state, jnp.zeros((1, 1))).logits))[0]


def test_awrs_policy_is_the_recorded_one_times_the_weights():
    beta = 0.8
    algorithm, state, _ = trained(
        "awr", SPEC, bandit(), normalize_advantage=False, inverse_temperature=beta, learning_rate=3e-3,
        value_learning_rate=3e-3,
    )  # fmt: skip
    wanted = SHARES * np.exp(beta * REWARDS)
    assert probs_of(algorithm, state) == pytest.approx(wanted / wanted.sum(), abs=0.03)


def test_without_a_temperature_awr_clones():
    algorithm, state, _ = trained("awr", SPEC, bandit(), inverse_temperature=0.0, learning_rate=3e-3)
    assert probs_of(algorithm, state) == pytest.approx(SHARES, abs=0.03)


def episodes_of(returns: list[float], length: int = 4):
    """Episodes of ``length`` steps, each with its number as observation and its return in the last step."""
    n = len(returns) * length
    reward = np.zeros(n)
    reward[length - 1 :: length] = returns
    obs = np.repeat(np.arange(len(returns)), length)[:, None]
    ends = np.zeros(n, bool)
    ends[length - 1 :: length] = True
    data = dataset_of(obs, np.zeros(n, np.int32), reward, None, ends,
                      [length] * len(returns))  # fmt: skip
    return data, reward


def prepared(name: str, data, reward, **changes):
    algorithm = make("algorithm", name, SPEC, **(SMALL | changes))
    state = algorithm.init(jax.random.key(0))
    recorded = RoundData(data, data.transitions, jnp.asarray(reward, jnp.float32), jnp.zeros(()))
    return algorithm, *algorithm.prepare(state, recorded)


@pytest.mark.parametrize(
    ("share", "chosen"),
    [(0.1, [1]), (0.25, [1]), (0.26, [1, 3]), (0.5, [1, 3]), (0.75, [0, 1, 2, 3]), (1.0, [0, 1, 2, 3])],
)
def test_the_best_episodes_are_cloned_whole(share, chosen):
    """Episodes 0 and 2 have equal returns, so that both are taken where one is."""
    data, reward = episodes_of([1.0, 5.0, 1.0, 3.0])
    _, _, found, metrics = prepared("bc_top", data, reward, best_share=share)
    assert np.flatnonzero(np.asarray(found["drawn"]).reshape(4, 4).all(axis=1)).tolist() == chosen
    assert metrics["agent/cloned_share"] == pytest.approx(len(chosen) / 4)


def test_cloning_the_best_imitates_them_alone():
    action = np.repeat([0, 1, 2], 30).astype(np.int32)
    data = dataset_of(np.zeros((90, 1)), action, np.repeat([0.0, 1.0, 2.0], 30))
    algorithm, state, _ = trained("bc_top", SPEC, data, rounds=4, best_share=1 / 3, learning_rate=3e-3)
    assert probs_of(algorithm, state)[2] > 0.97


@pytest.mark.parametrize("steps", [1, 2, 3, None])
def test_the_advantage_counts_the_next_rewards_and_then_the_value(steps):
    rng, discount, n = np.random.default_rng(0), 0.9, 5
    reward = rng.normal(size=2 * n)
    ends = np.zeros(2 * n, bool)
    ends[n - 1 :: n] = True
    data = dataset_of(np.arange(2 * n)[:, None], np.zeros(2 * n, np.int32), reward, None, ends, [n, n])
    algorithm, _, _, _ = prepared("advantage_conditioned", data, reward, discount=discount, advantage_steps=steps)
    recorded = RoundData(data, data.transitions, jnp.asarray(reward, jnp.float32), jnp.zeros(()))
    value = jnp.asarray(rng.normal(size=2 * n), jnp.float32)
    returns = data.returns(recorded.reward, discount)
    found = np.asarray(algorithm._ahead(recorded, returns, value))
    for t in range(2 * n):
        end = (t // n + 1) * n
        stop = end if steps is None else min(t + steps, end)
        wanted = sum(discount ** (i - t) * reward[i] for i in range(t, stop))
        if stop < end:
            wanted += discount ** (stop - t) * float(value[stop])
        assert found[t] == pytest.approx(wanted, abs=1e-4)


def test_returns_are_spread_over_the_two_bins_beside_them():
    algorithm = make("algorithm", "advantage_conditioned", SPEC, **(SMALL | {"value_bins": 5}))
    state = algorithm.init(jax.random.key(0))
    state = state.replace(params=state.params | {"value_range": jnp.array([-2.0, 2.0])})
    aim = np.asarray(algorithm._two_hot(state, jnp.array([-2.0, -0.25, 2.0, 9.0])))
    assert aim == pytest.approx(
        np.array([[1, 0, 0, 0, 0], [0, 0.25, 0.75, 0, 0], [0, 0, 0, 0, 1], [0, 0, 0, 0, 1]], float), abs=1e-5
    )
    assert aim[:3] @ np.asarray(algorithm._bins(state)) == pytest.approx([-2.0, -0.25, 2.0], abs=1e-5)


def test_a_policy_that_is_asked_for_better_actions_takes_them():
    changes = {"learning_rate": 3e-3, "value_learning_rate": 3e-3, "advantage_steps": None, "positive_share": 0.35}
    algorithm, state, metrics = trained("advantage_conditioned", SPEC, bandit(), **changes)
    value = float(algorithm.state_value(state, jnp.zeros((1, 1)), jax.random.key(0))[0])
    assert value == pytest.approx(SHARES @ REWARDS, abs=0.1)
    assert metrics["agent/positive_share"] == pytest.approx(0.1, abs=0.01), (
        "of equal advantages, none is above the quantile"
    )
    assert probs_of(algorithm, state)[2] > 0.95
    free = make("algorithm", "advantage_conditioned", SPEC, **(SMALL | changes | {"guidance": 0.0}))
    assert probs_of(free, state) == pytest.approx(SHARES, abs=0.05), "without guidance the condition is ignored"


def test_corrections_count_as_better():
    data = bandit()
    steps = data.steps.replace(info={"corrected": (data.steps.action == 0).astype(jnp.float32)})
    data = data.replace(steps=steps)
    algorithm, _, found, _ = prepared("advantage_conditioned", data, np.asarray(steps.env_reward), advantage_steps=None)
    assert np.asarray(found["better"])[np.asarray(steps.action) == 0].all()
    assert "corrected" in algorithm.requirements.optional_reads


def test_the_condition_is_two_entries_or_none():
    found = with_condition(jnp.ones((3, 1)), jnp.array([True, False, True]), jnp.array([True, True, False]))
    assert np.asarray(found).tolist() == [[1, 1, 0], [1, 0, 1], [1, 0, 0]]


def test_guidance_multiplies_densities():
    """free^(1 - w) better^w, up to a constant, for both kinds of distributions."""
    w = 2.5
    better, free = (DiagonalNormal(jnp.array([m]), jnp.array([-0.3])) for m in (0.8, 0.2))
    at = jnp.linspace(-1.0, 1.0, 5)[:, None]
    found = guided(better, free, w).log_prob(at) - (1 - w) * free.log_prob(at) - w * better.log_prob(at)
    assert np.ptp(np.asarray(found)) == pytest.approx(0.0, abs=1e-4)
    better, free = (Categorical(jnp.log(jnp.array(p))) for p in ([0.5, 0.3, 0.2], [0.2, 0.3, 0.5]))
    wanted = np.array([0.2, 0.3, 0.5]) ** (1 - w) * np.array([0.5, 0.3, 0.2]) ** w
    assert np.asarray(jax.nn.softmax(guided(better, free, w).logits)) == pytest.approx(wanted / wanted.sum(), abs=1e-5)


@pytest.mark.parametrize("name", ["bc_top", "awr", "advantage_conditioned"])
def test_a_seed_with_fewer_steps_learns_as_if_it_were_alone(name):
    """Its rows are padded to the length of the other seed's, and the padding has the lowest or the highest rewards."""
    rng, n = np.random.default_rng(0), 40
    obs, action = rng.normal(size=(n, 1)), rng.integers(0, 3, n).astype(np.int32)
    reward = rng.normal(size=n)
    reward[[23, 39]] = 50.0, -50.0  # the rows that pad those of the first seed, and the last row
    ends = np.arange(n) % 4 == 3
    rows = [np.arange(24), np.arange(40)]
    given = {"obs": obs, "action": action, "reward": reward, "terminated": ends, "lengths": [4] * 10}
    both, alone = dataset_of(**given, rows=rows), dataset_of(**given, rows=rows[:1])
    algorithm = make("algorithm", name, SPEC, **(SMALL | {"model": {"hidden": [8], "activation": "tanh"}}))
    state = algorithm.init(jax.random.key(0))

    def told(dataset):
        steps = dataset.transitions
        _, prepared, metrics = algorithm.prepare(state, RoundData(dataset, steps, steps.env_reward, jnp.zeros(())))
        return prepared, metrics

    padded = jax.tree.map(lambda x: x[0], jax.vmap(told, (both.seed_axes,))(both))
    expected = told(alone)
    for name, value in expected[1].items():
        assert float(padded[1][name]) == pytest.approx(float(value), rel=1e-4, abs=1e-5), name
    for name, value in expected[0].items():
        np.testing.assert_allclose(padded[0][name][:24], value[:24], rtol=1e-4, atol=1e-5, err_msg=name)
    if "drawn" in padded[0]:
        assert not np.asarray(padded[0]["drawn"])[24:].any(), "padding is never drawn"


@pytest.mark.parametrize(
    ("name", "changes", "told"),
    [
        ("iql", {"expectile": 1.0}, r"algorithm\.expectile=1\.0 must lie between 0 and 1"),
        ("iql", {"data": None}, r"IQL learns from recorded steps; name some: data=FILE\.npz"),
        ("bc_top", {"best_share": 0.0}, r"algorithm\.best_share=0\.0 must lie in \(0, 1\]"),
        ("cql", {"sampled_actions": 0}, r"algorithm\.sampled_actions=0 must be at least 1"),
        ("advantage_conditioned", {"positive_share": 1.0}, r"algorithm\.positive_share=1\.0 must lie between"),
        (
            "advantage_conditioned",
            {"dropped_share": 0.0, "guidance": 2.0},
            r"which algorithm\.dropped_share=0 never trains",
        ),
    ],
)
def test_invalid_settings_are_refused(name, changes, told):
    with pytest.raises(ConfigError, match=told):
        make("algorithm", name, SPEC, **(SMALL | changes))


@pytest.mark.parametrize(
    "name", ["iql", "awr", "bc_top", "naive_sac", "cql", "td3_bc", "rebrac", "advantage_conditioned"]
)
def test_images_are_refused(name):
    spec = replace(make_spec(action=2), obs=Box(shape=(24, 24, 3), dtype="uint8"))
    with pytest.raises(ConfigError, match="are images, from which offline algorithms cannot learn yet"):
        make("algorithm", name, spec, **SMALL)
