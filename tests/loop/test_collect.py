"""Both collectors: true successors, resets only when needed, and equal transitions from equal dynamics."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import struct

from rl_rewards.core.pieces import piece_size
from rl_rewards.core.types import StepOut, Transition
from rl_rewards.envs.base import HostEnv, JaxEnv
from rl_rewards.loop.collect import collect_host, collect_jax, reset_jax
from tests.probes import Probe, make_spec

B, T, LIMIT = 4, 13, 5
FRESH = 100.0
STARTS = np.arange(B)
"""Return environments, where number i has already taken i steps, so that their episodes end at different times."""


class CounterState(struct.PyTreeNode):
    value: jax.Array
    elapsed: jax.Array


@dataclass(frozen=True, kw_only=True)
class Counter(Probe):
    """An environment with observation (value, elapsed): action a adds 1 + a to value, which starts at FRESH.

    An episode ends at LIMIT; a ``silent`` one ends without a reset (only one player's part is over).
    """

    silent: bool = False

    @property
    def spec(self):
        return make_spec(obs=2, action=1, info={"scene": (1,)})

    def reset(self, key):
        del key
        return CounterState(jnp.float32(FRESH), jnp.zeros((), jnp.int32))

    def observe(self, state):
        return jnp.stack([state.value, state.elapsed]).astype(jnp.float32)

    def step(self, key, state, action):
        del key
        state = CounterState(state.value + 1.0 + action[0], state.elapsed + 1)
        ended = state.elapsed == LIMIT
        cut = jnp.asarray(self.truncates)
        reset = ended & (not self.silent)
        out = StepOut(self.observe(state), state.value, ended & ~cut, ended & cut, reset, {"scene": state.value[None]})
        return state, out


class HostCounter(HostEnv):
    """The same dynamics in numpy, writing into one buffer like a simulator."""

    spec = Counter().spec
    num_envs = B

    def __init__(self, env: Counter):
        self.env, self.resets = env, []
        self.value, self.elapsed = np.full(B, FRESH, np.float32), STARTS.copy()
        self.buffer = np.empty((B, 2), np.float32)

    def observe(self):
        self.buffer[:] = np.stack([self.value, self.elapsed], axis=-1)
        return self.buffer

    def reset(self, mask):
        self.resets.append(mask.copy())
        self.value[mask], self.elapsed[mask] = FRESH, 0
        return self.observe()

    def step(self, action):
        self.value += 1.0 + action[:, 0]
        self.elapsed += 1
        ended = self.elapsed == LIMIT
        terminated, truncated = ended & (not self.env.truncates), ended & self.env.truncates
        reset = ended & (not self.env.silent)
        info = {"scene": self.value[:, None].copy()}
        return StepOut(self.observe(), self.value.copy(), terminated, truncated, reset, info)

    # Not needed here.
    def get_state(self): ...

    def set_state(self, mask, states): ...

    def save(self): ...

    def load(self, saved): ...


def policy(memory, obs, key):
    """Return an action that is deterministic and different in every state."""
    del key
    action = 0.01 * obs[:, :1]
    return action, memory, {"log_prob": action[:, 0] - 1.0}


def collected_jax(env: Counter, rollouts: int = 1) -> list[Transition]:
    state = jax.jit(lambda key: reset_jax(env, key, B))(jax.random.key(0))
    state = state.replace(elapsed=jnp.asarray(STARTS, jnp.int32))
    collect = jax.jit(lambda state, key: collect_jax(env, policy, state, key, T))
    out = []
    for i in range(rollouts):
        rollout, _, state = collect(state, jax.random.key(i))
        out.append(jax.device_get(rollout))
    return out


def collected_host(env: Counter, rollouts: int = 1) -> tuple[list[Transition], HostCounter]:
    host = HostCounter(env)

    def act(agent, memory, obs, key, t):
        return policy(memory, obs + agent, jax.random.fold_in(key, t))

    return [collect_host(host, act, 0.0, jax.random.key(i), T).rollout for i in range(rollouts)], host


def collected(kind: str, env: Counter, rollouts: int = 1) -> Transition:
    """Return consecutive ``rollouts``, joined along time."""
    parts = collected_jax(env, rollouts) if kind == "jax" else collected_host(env, rollouts)[0]
    return jax.tree.map(lambda *leaves: np.concatenate(leaves), *parts)


def test_the_probes_are_what_the_collectors_take():
    assert isinstance(Counter(), JaxEnv)
    assert isinstance(HostCounter(Counter()), HostEnv)


@pytest.mark.parametrize("kind", ["jax", "host"])
def test_successors_are_true_and_resets_come_after_them(kind):
    """Two consecutive rollouts, where an episode also ends at the last step of the first."""
    rollout = collected(kind, Counter(truncates=True), rollouts=2)
    np.testing.assert_allclose(rollout.next_obs[..., 0], rollout.obs[..., 0] + 1.0 + rollout.action[..., 0], rtol=1e-6)
    np.testing.assert_array_equal(
        rollout.next_obs[..., 1], rollout.obs[..., 1] + 1, err_msg="never a reset observation"
    )
    np.testing.assert_array_equal(rollout.truncated, rollout.next_obs[..., 1] == LIMIT)
    follows, before = rollout.obs[1:], rollout.next_obs[:-1]
    ended = rollout.truncated[:-1]
    np.testing.assert_array_equal(follows[~ended], before[~ended], err_msg="where nothing ended, it goes on")
    assert np.all(follows[ended] == [FRESH, 0.0]), "after an end, the next observation is that of a new episode"
    assert ended[T - 1].any(), "an episode must end with the first rollout to test the boundary"
    assert len(np.unique(ended.T, axis=0)) == B, "environments reset separately, not together"


@pytest.mark.parametrize("kind", ["jax", "host"])
def test_an_end_without_needs_reset_goes_on(kind):
    rollout = collected(kind, Counter(silent=True))
    np.testing.assert_array_equal(rollout.terminated, rollout.next_obs[..., 1] == LIMIT)
    np.testing.assert_array_equal(rollout.obs[1:], rollout.next_obs[:-1])


@pytest.mark.parametrize("truncates", [False, True], ids=["terminates", "truncates"])
def test_both_collectors_agree(truncates):
    env = Counter(truncates=truncates)
    from_jax, from_host = collected("jax", env, rollouts=2), collected("host", env, rollouts=2)
    assert jax.tree.structure(from_jax) == jax.tree.structure(from_host)
    for a, b in zip(jax.tree.leaves(from_jax), jax.tree.leaves(from_host), strict=True):
        assert a.shape == b.shape
        assert a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=1e-6)
    assert from_host.valid.all()
    assert not from_host.is_demo.any()


def test_the_host_resets_exactly_what_asked():
    (rollout,), host = collected_host(Counter())
    asked = [row for row in rollout.terminated if row.any()]
    np.testing.assert_array_equal([mask for mask in host.resets if mask.any()], asked)


def test_what_was_recorded_when_acting_belongs_to_its_observation():
    for kind in ("jax", "host"):
        rollout = collected(kind, Counter())
        np.testing.assert_allclose(rollout.action[..., 0], 0.01 * rollout.obs[..., 0], rtol=1e-6)
        np.testing.assert_allclose(rollout.behaviour["log_prob"], rollout.action[..., 0] - 1.0, rtol=1e-6)
        np.testing.assert_allclose(rollout.info["scene"][..., 0], rollout.next_obs[..., 0])
        np.testing.assert_allclose(rollout.env_reward, rollout.next_obs[..., 0])


def counting(memory, obs, key):
    """A policy that remembers its number of steps and its first observation."""
    del key
    steps, first = memory["steps"], memory["first"]
    first = jnp.where(steps == 0, obs[:, 0], first)
    return jnp.zeros((B, 1)), {"steps": steps + 1, "first": first}, {"steps": steps, "first": first}


@pytest.mark.parametrize("kind", ["jax", "host"])
@pytest.mark.parametrize("silent", [False, True])
def test_the_memory_goes_on_with_the_episode_and_begins_anew_with_the_next(kind, silent):
    """The memory also continues in the next rollout, and is reset at an end without needs_reset."""
    env = Counter(truncates=True, silent=silent)
    initial = {"steps": jnp.full(B, 0), "first": jnp.full(B, -1.0)}
    memory, rollouts = {**initial, "steps": jnp.asarray(STARTS)}, []
    host, state = HostCounter(env), jax.vmap(env.reset)(jax.random.split(jax.random.key(0), B))
    state = state.replace(elapsed=jnp.asarray(STARTS, jnp.int32))
    for key in jax.random.split(jax.random.key(0), 2):
        if kind == "jax":
            rollout, memory, state = collect_jax(env, counting, state, key, T, initial, memory)
        else:
            act = lambda agent, memory, obs, key, t: counting(memory, obs, key)  # noqa: E731
            rollout, memory, _ = collect_host(host, act, None, key, T, initial, memory)
        rollouts.append(rollout)
    rollout = jax.tree.map(lambda *leaves: np.concatenate(leaves), *rollouts)
    steps, first = rollout.behaviour["steps"], rollout.behaviour["first"]
    began = np.cumsum(rollout.truncated, axis=0) - rollout.truncated  # number of episodes begun in the rollouts
    age = np.stack([np.arange(2 * T)] * B, axis=1) + STARTS
    np.testing.assert_array_equal(steps, np.where(began == 0, age, age - LIMIT if silent else age % LIMIT))
    for t, b in zip(*np.nonzero((began > 0) & (steps > 0)), strict=True):
        assert first[t, b] == rollout.obs[t - steps[t, b], b, 0], "the memory has the episode's first observation"
    np.testing.assert_array_equal(memory["steps"], np.where(rollout.truncated[-1], 0, steps[-1] + 1))


class RandomStart(Counter):
    """An environment whose initial states and steps depend on their keys."""

    def reset(self, key):
        return CounterState(jax.random.normal(key), jnp.zeros((), jnp.int32))

    def step(self, key, state, action):
        state, out = super().step(key, state, action)
        return state, out._replace(env_reward=jax.random.normal(key))


def test_every_environment_and_step_has_its_own_randomness():
    """The keys of acting, stepping and resetting are all different."""

    def noisy(memory, obs, key):
        return jax.random.normal(key, (B, 1)), memory, {}

    env = RandomStart()
    state = jax.jit(lambda key: reset_jax(env, key, B))(jax.random.key(0))
    collect = jax.jit(lambda state, key: collect_jax(env, noisy, state, key, T))
    rollout = collect(state, jax.random.key(1)).rollout
    starts = np.asarray(rollout.obs[..., 0])[np.asarray(rollout.obs[..., 1]) == 0]
    draws = np.concatenate([starts, np.ravel(rollout.env_reward), np.ravel(rollout.action)])
    assert len(starts) == 3 * B
    assert len(np.unique(draws)) == len(draws)


@pytest.mark.parametrize("num_envs", [37, 200])
@pytest.mark.parametrize("ended", [0.0, 0.01, 0.3, 0.7, 1.0])
def test_each_environment_that_ended_gets_a_fresh_state_of_its_own(ended, num_envs):
    """Also where more end in one step than are drawn at a time; the others go on."""
    assert piece_size(37) == 37 and piece_size(200) < 0.7 * 200, "both ways of drawing are needed"
    env, ends = RandomStart(), np.random.default_rng(0).permutation(num_envs) < ended * num_envs
    state = CounterState(FRESH + jnp.arange(num_envs), jnp.where(ends, LIMIT - 1, 0))
    collect = jax.jit(lambda state, key: collect_jax(env, policy, state, key, 1))
    _, _, after = collect(state, jax.random.key(2))
    np.testing.assert_array_equal(after.elapsed, np.where(ends, 0, 1))
    fresh = np.asarray(after.value)
    assert (np.abs(fresh[ends]) < FRESH / 2).all() and (fresh[~ends] > FRESH).all()
    assert len(np.unique(fresh)) == num_envs
