"""Discriminators between demonstrated and own steps: their limits, their inputs and their rewards."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rl_rewards.core.errors import ConfigError
from rl_rewards.core.types import Experience, Transition
from rl_rewards.rewards.base import reward_fn
from rl_rewards.rewards.frozen import Frozen
from rl_rewards.rewards.mixture import Mixture
from tests.probes import make, make_rollout, make_spec, with_model
from tests.rewards.examples import PLAIN, same

SPEC = make_spec(obs=1, action=1)
SMALL = {
    "demos": "any.npz",
    "judges": "next_obs",
    "reward_map": "logit",
    "batch_size": 128,
    "updates_per_round": 300,
    "rounds_per_update": 1,
    "history": 0,
    "early_end": "absorbing",
}


def discriminator(name: str = "gail", spec=SPEC, classifier: dict | None = None, **changes):
    values = SMALL | changes
    if name == "airl":
        values = {"discount": 0.5, **values, "judges": changes.get("judges", "obs")}
    return make("reward", name, spec, classifier=with_model(PLAIN | (classifier or {})), **values)


def rows_of(mean: float, n: int = 400, ends: float = 0.0, seed: int = 0) -> Transition:
    """Return steps [n, 1] whose parts are normal around ``mean``; a share ``ends`` of them terminates."""
    rng = np.random.default_rng(seed)
    draw = {key: rng.normal(mean, 1.0, (n, 1, 1)).astype(np.float32) for key in ("obs", "next_obs")}
    action = rng.uniform(-1.0, 1.0, (n, 1, 1)).astype(np.float32)
    return make_rollout(SPEC, n, 1, **draw, action=action, terminated=rng.uniform(size=(n, 1)) < ends)


def experience(own: Transition, demos: Transition, log_prob: float = 0.0) -> Experience:
    def sampler(rows: Transition):
        def sample(key, n):
            index = jax.random.randint(key, (n,), 0, rows.valid.shape[0])
            return jax.tree.map(lambda x: jnp.asarray(x)[index, 0], rows).replace(behaviour={}, info={})

        return sample

    def never(*_):
        raise AssertionError("a discriminator asks for steps, not segments")

    def density(obs, action):
        del action
        return jnp.full(obs.shape[:-1], log_prob)

    return Experience(None, sampler(own), never, density, sampler(demos))


def trained(source, own: Transition, demos: Transition, rounds: int = 2, log_prob: float = 0.0):
    update = jax.jit(lambda s, i: source.update(s, {}, experience(own, demos, log_prob), i, jax.random.key(i)))
    state = jax.jit(source.init)(jax.random.key(0))
    for i in range(rounds):
        state, metrics = update(state, jnp.int32(i))
    return state, metrics


def at(value: float) -> Transition:
    """Return a step with this state before and after."""
    point = np.full((1, 1, 1), value, np.float32)
    return make_rollout(SPEC, 1, 1, obs=point, next_obs=point)


def test_the_logit_is_the_log_density_ratio():
    """For unit normals around +1 and -1 the logit is 2 x."""
    source = discriminator(classifier={"hidden": [32], "weight_decay": 0.01})
    state, metrics = trained(source, rows_of(-1.0), rows_of(1.0, seed=1), rounds=4)
    for x in (-0.5, 0.0, 0.5, 1.0):
        assert float(source.reward(state, at(x))[0, 0]) == pytest.approx(2.0 * x, abs=0.5)
    assert 0.7 < metrics["reward/accuracy_expert"] < 0.95 and 0.7 < metrics["reward/accuracy_policy"] < 0.95
    assert metrics["reward/prob_expert"] > 0.7 > 0.3 > metrics["reward/prob_policy"]
    assert 0.0 < metrics["reward/entropy"] < np.log(2.0)


@pytest.mark.parametrize("who_ends", ["expert", "policy"])
def test_what_follows_a_termination_is_judged_too(who_ends):
    """The absorbing state has a high reward if only experts end episodes, and a low one if only the policy does."""
    ends = {"expert": (0.0, 0.5), "policy": (0.5, 0.0)}[who_ends]
    source = discriminator()
    state, _ = trained(source, rows_of(0.0, ends=ends[0]), rows_of(0.0, ends=ends[1], seed=1))
    alive, after = float(source.reward(state, at(0.0))[0, 0]), float(source.absorbing_reward(state))
    assert (after > alive + 1.0) if who_ends == "expert" else (after < alive - 1.0)
    paid_nothing = discriminator(early_end="allow")
    assert float(paid_nothing.absorbing_reward(state)) == 0.0


def test_the_kind_of_divergence_is_the_map():
    source = discriminator()
    state, _ = trained(source, rows_of(-1.0), rows_of(1.0, seed=1), rounds=1)
    logit = float(source.reward(state, at(0.7))[0, 0])
    expected = {"neg_log_one_minus": np.log1p(np.exp(logit)), "log_prob": -np.log1p(np.exp(-logit))}
    expected |= {"prob": 1 / (1 + np.exp(-logit)), "fairl": -logit * np.exp(logit)}
    for name, value in expected.items():
        assert float(discriminator(reward_map=name).reward(state, at(0.7))[0, 0]) == pytest.approx(value, rel=1e-4)


@pytest.mark.parametrize("judges", ["obs", "obs_action", "next_obs", "obs_next_obs"])
def test_it_reads_what_it_says(judges):
    source = discriminator(judges=judges)
    state, rollout = source.init(jax.random.key(0)), make_rollout(SPEC, 3, 2)
    before = np.asarray(source.reward(state, rollout))
    for name in ("obs", "action", "next_obs"):
        other = rollout.replace(**{name: getattr(rollout, name) * 0.5})
        assert np.array_equal(before, source.reward(state, other)) == (name not in source.requirements.reads), name


def test_reading_and_turns_move_nothing():
    source = discriminator(rounds_per_update=3)
    state, _ = trained(source, rows_of(-1.0), rows_of(1.0, seed=1), rounds=1)
    reward_fn(source, state)(at(0.0))
    later, metrics = trained(source, rows_of(-1.0), rows_of(1.0, seed=1), rounds=3)
    assert same(state, later), "nothing is due in rounds 1 and 2"
    assert np.isnan(metrics["reward/loss"])


def test_input_statistics_are_of_real_states_of_both_sides():
    source = discriminator(classifier={"normalize_inputs": True}, updates_per_round=1, batch_size=4000)
    state, _ = trained(source, rows_of(-5.0, ends=0.5), rows_of(5.0, seed=1), rounds=1)
    moments = state.classifier.moments
    np.testing.assert_allclose(
        moments.mean, [5.0 / 7.0, 0.0], atol=0.4
    )  # a quarter of the own rows are absorbing states
    assert float(moments.variance[1]) == 1.0, "the absorbing flag is not normalised"


@pytest.mark.parametrize(
    ("changes", "spec", "message"),
    [
        ({"demos": None}, SPEC, "learns from demonstrations; name some: demos=FILE.npz"),
        ({"early_end": "refuse"}, make_spec(obs=1, ends_early=True), "can end early, so that their length leaks"),
        ({"batch_size": 0}, SPEC, "reward.batch_size=0 must be at least 1"),
        ({"history": -1}, SPEC, "reward.history=-1 must be 0 or more"),
        ({}, make_spec(obs=(8, 8, 3)), None),
    ],
)
def test_refusals(changes, spec, message):
    if message is None:
        discriminator(spec=spec, **changes)  # an array of floats with three axes is not a picture
        return
    with pytest.raises(ConfigError, match=message):
        discriminator(spec=spec, **changes)


# AIRL.


def test_airls_logit_is_the_advantage_over_the_policys_density():
    """If both sides have the same distribution, D is 1/2, so that f equals log pi, the data's log-density."""
    source = discriminator("airl", classifier={"learning_rate": 1e-2})
    state, _ = trained(source, rows_of(0.0), rows_of(0.0, seed=1), rounds=3, log_prob=-1.5)
    assert float(source.reward(state, at(0.0))[0, 0]) == pytest.approx(-1.5, abs=0.2)


def test_airl_asks_for_the_density_of_what_the_environment_does():
    """An action beyond the bounds is judged as the bound on both sides, so that the bound itself reveals nothing."""
    source, seen = discriminator("airl"), []

    def density(obs, action):
        seen.append(action)
        return -jnp.abs(action[..., 0])

    def drawn(scale: float):
        own = rows_of(0.0)
        own = own.replace(action=scale * jnp.sign(own.action))
        rows = source._draw(experience(own, rows_of(0.0, seed=1))._replace(log_prob=density), jax.random.key(0))[1]
        return np.asarray(rows)

    np.testing.assert_array_equal(drawn(3.0), drawn(1.0))
    assert np.all(drawn(3.0)[..., -1] == -1.0) and float(jnp.abs(jnp.stack(seen)).max()) == 1.0


def test_airls_shaping_telescopes_and_leaves_g():
    """f - g is gamma h(s') - h(s): a closed loop gains nothing except through the discount."""
    source = discriminator("airl", discount=0.99)
    state, _ = trained(source, rows_of(-1.0, ends=0.3), rows_of(1.0, seed=1))
    here, there = (jnp.array([[[x], [1.5 - x]]], jnp.float32) for x in (0.3, 1.2))
    rollout = make_rollout(SPEC, 1, 2, obs=here, next_obs=there)
    shaping = np.asarray(source.reward(state, rollout) - source.portable_reward(state, rollout))[0]
    still = [float((source.reward(state, at(x)) - source.portable_reward(state, at(x)))[0, 0]) for x in (0.3, 1.2)]
    assert shaping.sum() == pytest.approx(sum(still), abs=1e-4), "(gamma - 1)(h(s) + h(s')) both times"
    ended = rollout.replace(terminated=jnp.ones((1, 2), bool))
    far = ended.replace(next_obs=jnp.full((1, 2, 1), 99.0))  # next_obs is ignored, since the absorbing state follows
    np.testing.assert_array_equal(source.reward(state, ended), source.reward(state, far))


def test_what_is_carried_elsewhere_pays_g_after_the_end_too():
    """Frozen, or in a frozen mixture, the reward does not contain h, neither before nor after a termination."""
    source = discriminator("airl", discount=0.9)
    state, _ = trained(source, rows_of(-1.0, ends=0.3), rows_of(1.0, ends=0.3, seed=1))

    def lifted(path, leaf):
        return leaf + 5.0 if "h" in [getattr(key, "key", None) for key in path] else leaf

    variables = jax.tree_util.tree_map_with_path(lifted, state.classifier.variables)
    other = state.replace(classifier=state.classifier.replace(variables=variables))
    assert float(source.absorbing_reward(state)) != pytest.approx(float(source.absorbing_reward(other)), abs=1e-3)
    again = Mixture(parts={"airl": source}, weights={"airl": 2.0})
    for carried, states, scale in ((source, (state, other), 1.0), (again, ({"airl": state}, {"airl": other}), 2.0)):
        for one in states:
            after = float(carried.portable_absorbing_reward(one))
            assert after == pytest.approx(scale * float(source.portable_absorbing_reward(state)), rel=1e-5)
            paid = carried.portable_reward(one, at(0.3))
            np.testing.assert_allclose(paid, scale * source.portable_reward(state, at(0.3)), rtol=1e-5)
    of_run = {"learned": other, "learned_spec": SPEC, "per_seed": False, "run": "elsewhere", "seed": None}
    frozen = Frozen(spec=SPEC, source=source, early_end="allow", **of_run)
    g = float(source.portable_absorbing_reward(state))
    assert float(frozen.absorbing_reward(other)) == pytest.approx(g, rel=1e-5)
    assert frozen.requirements.pays_after_the_end, (
        "a frozen reward pays after the end if its source does, whatever its own early_end"
    )
    assert again.requirements.pays_after_the_end
    assert not discriminator(early_end="allow").requirements.pays_after_the_end
    assert float(discriminator("airl", early_end="allow").portable_absorbing_reward(state)) == 0.0


def test_airls_g_sees_the_state_alone():
    source = discriminator("airl", judges="obs")
    state, rollout = source.init(jax.random.key(0)), make_rollout(SPEC, 3, 2)
    other = rollout.replace(action=rollout.action * 0.5, next_obs=rollout.next_obs + 1.0)
    np.testing.assert_array_equal(source.portable_reward(state, rollout), source.portable_reward(state, other))
    assert not np.array_equal(source.reward(state, rollout), source.reward(state, other))


def test_airl_refuses_what_blurs_its_densities():
    with pytest.raises(ConfigError, match=r"mixup=1\.0 would change log-probabilities"):
        discriminator("airl", classifier={"mixup": 1.0})
    with pytest.raises(ConfigError, match=r"gradient_penalty_target=1\.0 leaves no slope .* must be 0"):
        discriminator("airl", classifier={"gradient_penalty": 1.0, "gradient_penalty_target": 1.0})


# Rewards that learn nothing.


def test_null_rewards_pay_what_they_say():
    rollout = make_rollout(SPEC, 3, 2)
    for name, value in (("zero", 0.0), ("constant", 1.0)):
        source = make("reward", name, SPEC)
        np.testing.assert_array_equal(source.reward({}, rollout), np.full((3, 2), value, np.float32))
        assert float(source.absorbing_reward({})) == 0.0
    random = make("reward", "random", SPEC)
    one, other = (random.reward(random.init(jax.random.key(i)), rollout) for i in range(2))
    assert np.std(one) > 0.0 and not np.allclose(one, other)


def test_sqil_pays_demonstrations():
    source = make("reward", "sqil", SPEC, demos="any.npz")
    rollout = make_rollout(SPEC, 2, 2)
    np.testing.assert_array_equal(source.reward({}, rollout), 0.0)
    np.testing.assert_array_equal(source.reward({}, rollout.replace(is_demo=np.ones((2, 2), bool))), 1.0)
