"""Curiosity: new states pay, known ones do not, and noise pays as long as it should for each kind."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rl_rewards.core.errors import ConfigError
from rl_rewards.core.types import Box, Discrete, Transition
from rl_rewards.loop import build
from rl_rewards.loop.run_folder import plain_values
from rl_rewards.loop.sources import restore_from_run
from rl_rewards.models.encoders import is_image
from rl_rewards.rewards.base import asks
from tests.finished import cut_back, finished_run, resumed_run
from tests.probes import experience_of, make, make_rollout, make_spec, with_model
from tests.rewards.examples import initial, same, updater
from tests.runs import SMALL_SAC, composed, digest_of, raw_rows, run_here, unexplained, usable_envs

KINDS = ("prediction_error", "icm", "rnd", "disagreement")
SPEC = make_spec(obs=2, action=1)
SMALL = {
    "kind": "rnd", "hidden": [32], "activation": "tanh", "features": 8, "ensemble": 4, "forward_weight": 0.2,
    "learning_rate": 3e-3, "batch_size": 64, "updates_per_round": 40, "normalize_obs": True, "obs_clip": 5.0,
}  # fmt: skip


def source(kind: str = "rnd", spec=SPEC, **changes):
    return make("reward", "curiosity", spec, **with_model(SMALL | {"kind": kind} | changes))


def steps(seed: int = 0, spec=SPEC, noise: float = 0.0, low: float = -1.0, high: float = 1.0, **changes) -> Transition:
    """Return steps [50, 4] from uniform states: the action moves one entry; the other is rotated, or is noise."""
    rng = np.random.default_rng(seed)
    obs = rng.uniform(low, high, (50, 4, 2)).astype(np.float32)
    plain = make_rollout(spec, 50, 4, seed + 1000)
    push = np.asarray(plain.action).reshape(50, 4) - (1.0 if isinstance(spec.action, Discrete) else 0.0)
    second = noise * rng.normal(size=(50, 4)) if noise else np.sin(3.0 * obs.sum(axis=-1))
    next_obs = np.stack([obs[..., 0] + push, second], axis=-1).astype(np.float32)
    return plain.replace(**{"obs": jnp.asarray(obs), "next_obs": jnp.asarray(next_obs)} | changes)


def taught(curiosity, rollout_of, rounds: int):
    """Return the state after ``rounds`` rounds of ``rollout_of(i)``, and the metrics of each round."""
    state, update, told = initial(curiosity), updater(curiosity, {}), []
    for i in range(rounds):
        state, metrics = update(state, rollout_of(i), i)
        told.append(metrics)
    return state, told


def now(curiosity, state, rollout) -> np.ndarray:
    """Return the bonus of the current predictor, without the delay of one round."""
    return np.asarray(jax.jit(curiosity.reward)(state.replace(before=state.predictor), rollout))


@pytest.mark.parametrize(("kind", "action"), [*((kind, 1) for kind in KINDS), ("icm", Discrete(3))])
def test_a_bonus_decays_on_repeats_and_what_is_new_pays_more(kind, action):
    spec = make_spec(obs=2, action=action)
    curiosity = source(
        kind, spec, learning_rate=1e-2
    )  # a high rate, since icm's features grow before they can be predicted
    state, told = taught(curiosity, lambda i: steps(0, spec), 12)
    first, last = (float(told[i]["reward/bonus_mean"]) for i in (0, -1))
    assert last < 0.5 * first
    assert float(told[-1]["reward/loss"]) < float(told[0]["reward/loss"])
    assert ("reward/inverse_loss" in told[0]) == (kind == "icm")
    known, new = (np.mean(now(curiosity, state, steps(1, spec, low=x, high=y))) for x, y in ((-1.0, 1.0), (2.0, 4.0)))
    assert new > 2.0 * known


def test_noise_pays_for_ever_by_its_error_and_not_by_disagreement():
    """For s' ~ N(0, 1) after any action, the error stays at the variance 1, while all members learn the mean 0."""

    def noise(i):
        plain = make_rollout(SPEC, 50, 4, seed=i)
        return plain.replace(obs=jnp.zeros_like(plain.obs), action=jnp.zeros_like(plain.action))

    bonus = {}
    for kind in ("prediction_error", "disagreement"):
        curiosity = source(kind, learning_rate=1e-3, batch_size=128)
        state, told = taught(curiosity, noise, 30)
        bonus[kind] = [float(told[0]["reward/bonus_mean"]), float(np.mean(now(curiosity, state, noise(99))))]
    assert bonus["prediction_error"][1] == pytest.approx(1.0, abs=0.2)
    assert bonus["disagreement"][1] < 0.02


def test_icms_features_leave_out_what_actions_do_not_influence():
    """Half of each observation is noise, which remains in the error of prediction_error, and less of it in icm's."""
    share = {}
    for kind in ("prediction_error", "icm"):
        curiosity = source(kind, updates_per_round=100)
        state, _ = taught(curiosity, lambda i: steps(i, noise=1.0), 20)
        test = steps(99, noise=1.0)
        paid = np.mean(now(curiosity, state, test))
        seen = state.predictor.moments.normalize(test.next_obs, 5.0)
        if kind == "icm":
            params = jax.tree.map(lambda x: x[0], state.predictor.params)
            seen = curiosity.predictor.phi(params, seen)
            paid = 2.0 * paid / seen.shape[-1]
        share[kind] = paid / np.mean(np.var(np.asarray(seen), axis=(0, 1)))
    assert share["prediction_error"] == pytest.approx(0.5, abs=0.1)
    assert share["icm"] < 0.6 * share["prediction_error"]


def test_a_round_is_paid_by_what_was_known_before_it():
    """The bonus equals that of the predictor before its update, and differs from that of the next round."""
    curiosity = source()
    update = updater(curiosity, {})
    state, _ = update(initial(curiosity), steps(0), 0)
    expected = now(curiosity, state, steps(1))
    after, metrics = update(state, steps(1), 1)
    paid = np.asarray(jax.jit(curiosity.reward)(after, steps(1)))
    np.testing.assert_allclose(paid, expected, rtol=1e-5)
    assert float(metrics["reward/bonus_mean"]) == pytest.approx(paid.mean(), rel=1e-5)
    assert not np.allclose(paid, now(curiosity, after, steps(1)), rtol=1e-2), (
        "the predictor has learned from the rollout"
    )
    assert same(after.before.params, state.predictor.params) and same(after.before.moments, state.predictor.moments)
    assert not same(after.predictor.moments, after.before.moments), (
        "statistics of the newest round are used from the next round on"
    )


def test_the_first_rollouts_statistics_count_at_once():
    """Otherwise all observations in large units would be clipped in the first round."""
    curiosity = source()
    rollout = steps(0)
    rollout = rollout.replace(obs=1000.0 * rollout.obs, next_obs=1000.0 * rollout.next_obs)
    state, metrics = updater(curiosity, {})(initial(curiosity), rollout, 0)
    assert same(state.before.moments, state.predictor.moments)
    assert float(state.before.moments.count) == 200.0, "the first rollout is counted only once"
    assert float(metrics["reward/bonus_mean"]) < 10.0


PLACES = make_spec(obs=2, action=1, info={"cell": (), "television": ()}, cells=5)


def visiting(cells: list[int], television: list[float], **changes) -> Transition:
    shape = (len(cells), 1)
    info = {"cell": np.reshape(cells, shape).astype(np.float32), "television": np.reshape(television, shape)}
    return make_rollout(PLACES, *shape, info=info, **changes)


def test_cells_and_the_television_are_counted_over_the_run():
    curiosity = source(spec=PLACES)
    update = updater(curiosity, {})
    state, first = update(initial(curiosity), visiting([0, 0, 3], [0.0, 1.0, 1.0]), 0)
    state, second = update(state, visiting([3, 4, 1], [0.0, 0.0, 0.0], valid=np.array([[True], [True], [False]])), 1)
    np.testing.assert_array_equal(curiosity.inspect(state, {}, visiting([0], [0.0]))["visits"], [2, 0, 0, 2, 1])
    assert [float(told["reward/coverage"]) for told in (first, second)] == pytest.approx([0.4, 0.6])
    assert [float(told["reward/television_visits"]) for told in (first, second)] == [2.0, 2.0]
    rewards = np.asarray(curiosity.reward(state, visiting([3, 4, 1], [0.0] * 3)))[:2]
    assert float(second["reward/bonus_elsewhere"]) == pytest.approx(rewards.mean(), rel=1e-5)
    assert np.isnan(second["reward/bonus_television"]) and np.isfinite(first["reward/bonus_television"])
    plain = source()
    state, metrics = updater(plain, {})(initial(plain), steps(), 0)
    assert plain.inspect(state, {}, steps()) == {}
    assert set(metrics) == {"reward/loss", "reward/bonus_mean"}


@pytest.mark.parametrize("kind", ["icm", "disagreement"])
def test_invalid_steps_influence_nothing(kind):
    """They change neither parameters nor statistics, counts or metrics; without valid steps nothing is learned."""
    curiosity = source(kind, PLACES, updates_per_round=3)
    valid = np.random.default_rng(0).uniform(size=(6, 2)) < 0.5
    info = {"cell": np.ones((6, 2), np.float32), "television": np.ones((6, 2), np.float32)}
    one = make_rollout(PLACES, 6, 2, valid=valid, info=info)

    def spoilt(x):
        return jnp.where(valid.reshape(6, 2, *[1] * (x.ndim - 2)), x, 777.0)

    other = one.replace(
        **{name: spoilt(getattr(one, name)) for name in ("obs", "action", "next_obs", "env_reward")},
        info=jax.tree.map(spoilt, one.info),
    )
    update, start = updater(curiosity, {}), initial(curiosity)
    results = [update(start, rollout, 0) for rollout in (one, other)]
    jax.tree.map(np.testing.assert_array_equal, *results)
    state, metrics = update(results[0][0], other.replace(valid=np.zeros((6, 2), bool)), 1)
    assert same(state.predictor, results[0][0].predictor) and same(state.optimizer, results[0][0].optimizer)
    assert np.isnan(metrics["reward/loss"])


def test_many_seeds_learn_as_each_alone():
    curiosity = source("disagreement", updates_per_round=5)

    def run(key, rollout):
        init_key, update_key = jax.random.split(key)
        state = curiosity.init(init_key)
        state, metrics = curiosity.update(state, {}, experience_of(rollout), jnp.int32(0), update_key)
        return curiosity.reward(state, rollout), metrics

    rollouts = [steps(seed) for seed in range(2)]
    keys = [jax.random.key(seed) for seed in range(2)]
    with jax.debug_key_reuse(False):  # if one of the batched keys is used, the checker counts all as used
        both = jax.jit(jax.vmap(run))(jnp.stack(keys), jax.tree.map(lambda *x: jnp.stack(x), *rollouts))
        alone = [jax.jit(run)(*each) for each in zip(keys, rollouts, strict=True)]
    for i, one in enumerate(alone):
        for x, y in zip(jax.tree.leaves(both), jax.tree.leaves(one), strict=True):
            np.testing.assert_allclose(x[i], y, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_the_reward_depends_on_what_it_says(kind):
    """This holds for rollouts and for batches from a replay ring; actions beyond their bounds count as the bounds."""
    curiosity = source(kind)
    state, rollout = initial(curiosity), make_rollout(SPEC, 3, 2)
    rewards = np.asarray(curiosity.reward(state, rollout))
    flat = jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), rollout)
    np.testing.assert_allclose(curiosity.reward(state, flat), rewards.reshape(-1), rtol=1e-4)
    for name in ("obs", "action", "next_obs"):
        other = rollout.replace(**{name: 0.5 * getattr(rollout, name)})
        changed = not np.allclose(curiosity.reward(state, other), rewards)
        assert changed == (name in curiosity.requirements.reads), name
    wide, bound = (rollout.replace(action=jnp.full((3, 2, 1), x)) for x in (7.0, 1.0))
    np.testing.assert_array_equal(curiosity.reward(state, wide), curiosity.reward(state, bound))
    assert not asks(curiosity)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"kind": "hunger"}, r"reward\.kind=hunger is not valid; it must be prediction_error or icm or rnd or dis"),
        ({"kind": "disagreement", "ensemble": 1}, r"reward\.ensemble=1 cannot disagree; it must be at least 2"),
        ({"features": 0}, r"reward\.features=0 must be at least 1"),
        ({"updates_per_round": 0}, r"reward\.updates_per_round=0 must be at least 1"),
        ({"forward_weight": 1.5}, r"reward\.forward_weight=1\.5 must lie in \[0, 1\]"),
        ({"learning_rate": 0.0}, r"reward\.learning_rate=0\.0 must be positive"),
        ({"obs_clip": -1.0}, r"reward\.obs_clip=-1\.0 must be positive"),
        (
            {"spec": replace(SPEC, obs=Box(shape=(8, 8, 3), dtype="uint8"))},
            r"reward=curiosity needs vectors; choose an environment without pictures",
        ),
    ],
    ids=lambda x: next(iter(x)) if isinstance(x, dict) else "",
)
def test_what_cannot_be_is_refused_in_one_sentence(changes, sentence):
    with pytest.raises(ConfigError, match=sentence) as error:
        source(**changes)
    assert str(error.value).count(". ") == 0


@pytest.mark.parametrize("env", usable_envs())
def test_composes_for_every_environment(env):
    cfg = composed(f"env={env}", "reward=curiosity")
    spec = build.build_env(cfg).spec
    if is_image(spec.obs):
        pytest.skip("a picture")
    curiosity = build.build_source(plain_values(cfg.reward), spec, None, [0])
    rollout = make_rollout(spec, 2, 3)
    rewards = jax.eval_shape(lambda key: curiosity.reward(curiosity.init(key), rollout), jax.random.key(0))
    assert rewards.shape == (2, 3)


# In whole runs.


@pytest.mark.long
def test_runs_on_rollouts_and_ends_in_the_same_bits_when_resumed(tmp_path):
    """The run is resumed from an earlier checkpoint; its learned reward can be loaded."""
    run = finished_run(tmp_path / "run", "env=point", "reward=curiosity", "total_env_steps=960", evaluated=False)
    last, bits = raw_rows(run)[-1], digest_of(run)
    assert last["reward/bonus_mean"] == pytest.approx(last["agent/reward_mean"], rel=1e-4), "PPO is paid the bonus"
    cut_back(run)
    resumed_run(run, 960, evaluated=False)
    assert digest_of(run) == bits
    restored = restore_from_run(run)
    assert np.all(np.isfinite(restored.source.reward(restored.state, make_rollout(restored.spec, 2, 2))))


def test_runs_on_replayed_steps(tmp_path):
    curious = ("env=point", "reward=curiosity", "reward.kind=icm", "total_env_steps=320")
    last = run_here(tmp_path, *curious, *SMALL_SAC, "algorithm.learning_starts=0")
    assert np.isfinite(last["agent/critic_loss"]) and np.isfinite(last["eval/learned_return"])
    assert unexplained(tmp_path) == set(), "the glossary lacks a metric"


def test_an_offline_algorithm_has_nothing_for_it():
    with pytest.raises(ConfigError, match="This reward learns from rollouts of the policy"):
        build.build(composed("env=point", "reward=curiosity", "algorithm=bc", "demos=any.npz"))
