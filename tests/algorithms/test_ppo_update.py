"""Tests of one PPO update on an artificial rollout: what influences it, and what does not."""

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import struct

from rl_rewards.algorithms.ppo import PPO
from rl_rewards.core.pieces import true_first
from rl_rewards.core.types import Discrete, Experience, RewardFn, Transition
from tests.algorithms.small import DISCOUNT, LOPSIDED, small_ppo
from tests.probes import experience_of, make_rollout, make_spec


def fresh(algorithm: PPO):
    return jax.jit(algorithm.init)(jax.random.key(0))


def recorded(algorithm: PPO, state, length=8, num_envs=4, **changes) -> Transition:
    """Return a random rollout with actions and log-probabilities of the policy."""
    rollout = make_rollout(algorithm.spec, length, num_envs, **changes)
    act = jax.jit(partial(algorithm.act, explore=True))
    action, _, behaviour = act(state, (), rollout.obs, jax.random.key(7))
    return rollout.replace(action=action, behaviour=behaviour)


def update(algorithm: PPO, state, rollout: Transition, scale: float = 1.0, round: int = 0, acted=None):
    rewards = RewardFn(call=lambda transitions: scale * transitions.env_reward, absorbing=jnp.zeros(()))

    def step(state, rollout):
        experience = experience_of(rollout)._replace(acted=acted)
        return algorithm.update(state, experience, rewards, jnp.int32(round), jax.random.key(3))

    return jax.jit(step)(state, rollout)


def same(tree, other) -> bool:
    return all(np.array_equal(x, y) for x, y in zip(jax.tree.leaves(tree), jax.tree.leaves(other), strict=True))


@pytest.mark.parametrize("action", [Discrete(3), LOPSIDED], ids=["discrete", "continuous"])
def test_log_prob_is_what_act_recorded(action):
    algorithm = small_ppo(make_spec(obs=3, action=action))
    state = fresh(algorithm)
    rollout = recorded(algorithm, state)
    log_prob = jax.jit(algorithm.log_prob)(state, rollout.obs, rollout.action)
    np.testing.assert_allclose(log_prob, rollout.behaviour["log_prob"], atol=1e-5)


def test_padding_has_no_influence():
    """The values in invalid rows after an episode's end do not change a bit of the new state."""
    algorithm = small_ppo(make_spec(obs=3), normalize_reward=True, entropy_weight=0.01)
    state = fresh(algorithm)
    valid = np.ones((8, 4), bool)
    valid[5:, :2] = False
    terminated = np.zeros((8, 4), bool)
    terminated[4, :2] = True
    rollout = recorded(algorithm, state, valid=valid, terminated=terminated)
    other = make_rollout(algorithm.spec, 8, 4, seed=1).replace(behaviour=rollout.behaviour)

    def take(where):
        def leaf(x, y):
            return jnp.where(where.reshape(where.shape + (1,) * (x.ndim - 2)), y, x)

        return jax.tree.map(leaf, rollout, other.replace(valid=rollout.valid, terminated=rollout.terminated))

    after, _ = update(algorithm, state, rollout)
    garbage, metrics = update(algorithm, state, take(~rollout.valid))
    assert same(after, garbage), "invalid rows must not change the state"
    assert metrics["agent/reward_mean"] == pytest.approx(
        float(np.mean(np.asarray(rollout.env_reward)[valid])), abs=1e-5
    )
    changed, _ = update(algorithm, state, take(rollout.valid))
    assert not same(after, changed), "valid rows must change the state, or this test proves nothing"


def test_the_loss_is_that_of_the_valid_steps():
    """-min(rho A, clip(rho) A) + value_weight (V - target)^2 - entropy_weight H, each a mean over valid steps."""
    algorithm = small_ppo(make_spec(obs=3), entropy_weight=0.3, normalize_advantage=False)
    state = fresh(algorithm)
    rollout = recorded(algorithm, state, valid=np.arange(8)[:, None] < np.array([8, 5, 5, 3]))
    batch = jax.jit(lambda r: algorithm._batch(state, experience_of(r), r.env_reward, jnp.zeros(())))(rollout)
    ratio = np.exp(np.random.default_rng(2).normal(size=batch.log_prob.shape)).astype(np.float32)
    batch = batch.replace(log_prob=batch.log_prob - np.log(ratio))
    loss, metrics = jax.jit(algorithm._loss)(state.params, batch)
    advantage, valid = np.asarray(batch.advantage), np.asarray(batch.valid)
    clipped = np.clip(ratio, 1.0 - algorithm.clip, 1.0 + algorithm.clip)
    surrogate = -np.minimum(ratio * advantage, clipped * advantage)[valid].mean()
    assert metrics["agent/policy_loss"] == pytest.approx(surrogate, rel=1e-4, abs=1e-5)
    assert metrics["agent/value_loss"] == pytest.approx(np.square(advantage)[valid].mean(), rel=1e-4)
    value, entropy = (float(metrics[f"agent/{name}"]) for name in ("value_loss", "entropy"))
    assert loss == pytest.approx(surrogate + algorithm.value_weight * value - 0.3 * entropy, rel=1e-4, abs=1e-5)
    assert entropy > 0.5, "the entropy must be large enough to notice a wrong sign"


def test_reward_scale_does_not_matter():
    algorithm = small_ppo(make_spec(obs=3), normalize_reward=True)
    state = fresh(algorithm)
    rollout = recorded(algorithm, state)
    small, metrics = update(algorithm, state, rollout)
    large, large_metrics = update(algorithm, state, rollout, scale=1000.0)
    for x, y in zip(jax.tree.leaves(small.params), jax.tree.leaves(large.params), strict=True):
        np.testing.assert_allclose(x, y, atol=1e-4)
    assert large_metrics["agent/reward_mean"] == pytest.approx(
        1000.0 * float(metrics["agent/reward_mean"]), rel=1e-4
    ), "logged rewards stay raw"
    plain = replace(algorithm, normalize_reward=False)
    small, _ = update(plain, state, rollout)
    large, _ = update(plain, state, rollout, scale=1000.0)
    assert not np.allclose(
        small.params["critic"]["params"]["Dense_1"]["kernel"],
        large.params["critic"]["params"]["Dense_1"]["kernel"],
        atol=1e-4,
    )


def test_absorbing_reward_is_what_a_termination_is_worth():
    """A termination with absorbing reward r is worth discount * r / (1 - discount) more than one with 0."""
    algorithm = small_ppo(make_spec(obs=3), trace_decay=0.9)
    state = fresh(algorithm)
    rollout = recorded(algorithm, state)
    rollout = rollout.replace(terminated=rollout.terminated.at[-1].set(True))
    batch = jax.jit(lambda rollout, worth: algorithm._batch(state, experience_of(rollout), rollout.env_reward, worth))
    batches = [batch(rollout, jnp.float32(worth)) for worth in (0.0, 3.0)]
    gain = (batches[1].value_target - batches[0].value_target).reshape(8, 4)
    expected = DISCOUNT * 3.0 / (1.0 - DISCOUNT) * (DISCOUNT * 0.9) ** np.arange(7, -1, -1)
    np.testing.assert_allclose(gain, np.repeat(expected[:, None], 4, axis=1), atol=1e-4)


def test_gradients_are_clipped_by_their_global_norm():
    """The first Adam step equals one computed by hand on g * max_norm / |g|; elementwise clipping would differ."""
    algorithm = small_ppo(make_spec(), max_gradient_norm=1e-5, learning_rate=0.1)
    gradients = {"actor": np.array([3.0, 0.0, -1.0]), "critic": np.array([[4.0], [0.5]])}
    gradients = jax.tree.map(lambda x: jnp.asarray(100.0 * x, jnp.float32), gradients)
    updates, _ = jax.jit(lambda g: algorithm.optimizer.update(g, algorithm.optimizer.init(g)))(gradients)
    norm = np.sqrt(sum(np.sum(np.square(x)) for x in jax.tree.leaves(gradients)))
    for gradient, got in zip(jax.tree.leaves(gradients), jax.tree.leaves(updates), strict=True):
        clipped = np.asarray(gradient) * 1e-5 / norm
        np.testing.assert_allclose(got, -0.1 * clipped / (np.abs(clipped) + 1e-5), rtol=1e-3)


class Tally(struct.PyTreeNode):
    step: jax.Array
    seen: jax.Array  # [gradient steps, samples] how often each step used each sample


class TallyingPPO(PPO):
    """PPO that only counts which samples each gradient step uses; the log_prob of a sample is its index."""

    def _step(self, carry, batch, rate_share):
        params, optimizer = carry
        tally = params["tally"]
        seen = tally.seen.at[tally.step, batch.log_prob.astype(jnp.int32)].add(1)
        return (params | {"tally": Tally(tally.step + 1, seen)}, optimizer), {}


def tallying(**changes) -> TallyingPPO:
    base = small_ppo(make_spec(), **changes)
    return TallyingPPO(**{name: getattr(base, name) for name, f in base.__dataclass_fields__.items() if f.init})


def tallied(algorithm: TallyingPPO, valid: np.ndarray, acted: jax.Array | None) -> np.ndarray:
    """How often each sample is seen, [epochs, minibatches, samples]."""
    state, (epochs, minibatches, steps) = fresh(algorithm), (algorithm.epochs, algorithm.minibatches, valid.size)
    tally = Tally(jnp.zeros((), jnp.int32), jnp.zeros((epochs * minibatches, steps), jnp.int32))
    state = state.replace(params=state.params | {"tally": tally})
    index = jnp.arange(float(steps)).reshape(valid.shape)
    rollout = make_rollout(algorithm.spec, *valid.shape, valid=valid).replace(behaviour={"log_prob": index})
    after, _ = update(algorithm, state, rollout, acted=acted)
    return np.asarray(after.params["tally"].seen).reshape(epochs, minibatches, steps)


def test_every_epoch_sees_every_sample_once():
    seen = tallied(tallying(epochs=3, minibatches=4), np.ones((8, 4), bool), acted=None)
    np.testing.assert_array_equal(seen.sum(axis=1), 1, err_msg="once an epoch")
    np.testing.assert_array_equal(seen.sum(axis=2), 8, err_msg="minibatches of equal size")
    assert not np.array_equal(seen[0], seen[1]), "every epoch has another order"
    assert not np.array_equal(seen[0].argmax(axis=0), np.repeat(np.arange(4), 8)), "samples must be shuffled"


def of_one_player(algorithm: PPO, share: float, length=37, num_envs=9) -> tuple[Experience, Experience]:
    """Return an experience with about ``share`` of the steps valid, once as a whole and once as one player's.

    Each turn of that player ends with a termination.
    """
    valid = np.random.default_rng(5).random((length, num_envs)) < share
    ends = valid & ~np.concatenate([valid[1:], np.ones_like(valid[:1])])
    rollout = recorded(algorithm, fresh(algorithm), length, num_envs, valid=valid, terminated=ends)
    return experience_of(rollout), experience_of(rollout)._replace(acted=rollout.valid)


@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.7, 1.0])
def test_the_steps_of_one_player_alone_have_the_gradients_of_the_masked_minibatch(share):
    """Also where the last piece is cut short."""
    algorithm = small_ppo(make_spec(obs=3), entropy_weight=0.3)
    state = fresh(algorithm)

    def gradients(state, experience):
        batch = algorithm._batch(state, experience, experience.rollout.env_reward, jnp.zeros(()))
        noise = 0.3 * np.random.default_rng(4).normal(size=batch.log_prob.shape)
        batch = batch.replace(log_prob=batch.log_prob + noise.astype(np.float32))
        if batch.partly_valid:
            batch = jax.tree.map(lambda x: x[true_first(batch.valid)], batch)
        return algorithm._gradients(state.params, algorithm._standardized(batch))

    whole, in_part = (jax.jit(lambda s, e=e: gradients(s, e))(state) for e in of_one_player(algorithm, share))
    for x, y in zip(jax.tree.leaves(whole), jax.tree.leaves(in_part), strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-4, atol=1e-6)
    moved = max(float(jnp.abs(x).max()) for x in jax.tree.leaves(whole))
    assert moved > 0.1 if share > 0.1 else True, "the gradients must be some, or this test proves nothing"


@pytest.mark.parametrize("target_kl", [None, 0.02])
def test_learning_from_the_steps_of_one_player_is_learning_from_the_masked_rollout(target_kl):
    algorithm = small_ppo(make_spec(obs=3), target_kl=target_kl, minibatches=3, num_envs=9, rollout_length=37)
    state = fresh(algorithm)
    rewards = RewardFn(call=lambda transitions: transitions.env_reward, absorbing=jnp.zeros(()))
    (whole, found), (in_part, metrics) = (
        jax.jit(lambda s, e=e: algorithm.update(s, e, rewards, jnp.int32(0), jax.random.key(3)))(state)
        for e in of_one_player(algorithm, 0.4)
    )
    for x, y in zip(jax.tree.leaves(whole.params), jax.tree.leaves(in_part.params), strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-3, atol=1e-5)
    assert found.keys() == metrics.keys()
    for name in found:
        np.testing.assert_allclose(found[name], metrics[name], rtol=1e-3, atol=1e-5, err_msg=name)


def test_no_minibatch_loses_a_valid_step_of_one_player():
    algorithm = tallying(epochs=3, minibatches=4)
    valid = np.random.default_rng(6).random((8, 4)) < 0.4
    seen = tallied(algorithm, valid, acted=jnp.asarray(valid))
    np.testing.assert_array_equal(seen.sum(axis=1), 1, err_msg="once an epoch")
    np.testing.assert_array_equal(seen, tallied(algorithm, valid, acted=None), err_msg="in the same minibatch")


def test_observation_statistics_move_once_after_the_update():
    algorithm = small_ppo(make_spec(obs=3))
    state = fresh(algorithm)
    rollout = recorded(algorithm, state)
    after, _ = update(algorithm, state, rollout)
    flat = np.asarray(rollout.obs).reshape(-1, 3)
    np.testing.assert_allclose(after.obs_moments.mean, flat.mean(axis=0), atol=1e-5)
    np.testing.assert_allclose(after.obs_moments.variance, flat.var(axis=0), atol=1e-5)
