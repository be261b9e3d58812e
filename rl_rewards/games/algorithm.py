"""Alice and Bob as one algorithm: two learners of any on-policy algorithm, each trained on its own turns.

The observation says who acts (``rules.FLAGS``). Two options are from OpenAI et al. 2021 (arXiv:2101.04882): games
against past opponents, and behaviour cloning of Alice with loss = -weight * E[log pi_B(a_A | s, s*)] over those of
Alice's turns that led to goals which Bob then failed to reach. Unlike there, cloning takes plain likelihood steps,
without a clipped ratio.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import jax
import jax.numpy as jnp
import optax
from flax import struct
from jaxtyping import Array, Float

from rl_rewards.algorithms.base import Algorithm
from rl_rewards.core.checks import require
from rl_rewards.core.losses import masked_mean
from rl_rewards.core.requirements import Requirements
from rl_rewards.core.types import (
    Action,
    Box,
    Discrete,
    EnvSpec,
    Experience,
    Key,
    Memory,
    Metrics,
    Obs,
    RewardFn,
    Transition,
)
from rl_rewards.games.rules import FLAGS, Opponents, outcome

PlayerName = Literal["alice", "bob"]


class TwoPlayerState(struct.PyTreeNode):
    alice: Any  # state of her algorithm
    bob: Any  # state of his algorithm
    past: dict[str, Any] | None  # past states of each player [versions, ...]; None without games against them
    cloning: optax.OptState | None  # the optimiser with which Bob clones Alice; None without cloning


@dataclass(frozen=True, kw_only=True)
class TwoPlayer(Algorithm):
    """Two learners, each built by ``make`` from its own spec, on observations and actions of ``games.env``.

    Raises:
        ConfigError: if the learners do not learn from rollouts.
    """

    spec: EnvSpec  # spec of the game
    make: Callable[[EnvSpec], Algorithm]
    opponents: Opponents

    def __post_init__(self) -> None:
        require(
            self.bob.requirements.learns_from == "rollout",
            "reward=self_play needs an algorithm that learns from whole rollouts; choose algorithm=ppo or reinforce.",
        )

    @cached_property
    def alice(self) -> Algorithm:
        return self.make(replace(self.spec, obs=self._shown))

    @cached_property
    def bob(self) -> Algorithm:
        return self.make(replace(self.spec, obs=self._shown, action=without_stop(self.spec.action)))

    @property
    def learners(self) -> Mapping[str, Algorithm]:
        return {"alice": self.alice, "bob": self.bob}

    # Other algorithms have these two as fields; pyright cannot declare a member that a field or a property may fulfil.
    @property
    def num_envs(self) -> int:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self.bob.num_envs

    @property
    def rollout_length(self) -> int:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self.bob.rollout_length

    @property
    def requirements(self) -> Requirements:
        return self.bob.requirements

    @property
    def _random_alice(self) -> bool:
        return self.opponents.alice == "random"

    @property
    def _shown(self) -> Box:
        """The observations of the networks: everything except the flag of the opponent."""
        return Box(shape=(self.spec.obs.shape[0] - 1,))

    def init(self, key: Key) -> TwoPlayerState:
        alice_key, bob_key = jax.random.split(key)
        alice, bob = self.alice.init(alice_key), self.bob.init(bob_key)
        past = None
        if self.opponents.past_share > 0.0:
            copies = self.opponents.past_versions
            past = jax.tree.map(lambda x: jnp.broadcast_to(x, (copies, *x.shape)), {"alice": alice, "bob": bob})
        cloning = self._cloning.init(bob.params) if self.opponents.cloning_weight > 0.0 else None
        return TwoPlayerState(alice=alice, bob=bob, past=past, cloning=cloning)

    def initial_memory(self, num_envs: int) -> dict[PlayerName, Memory]:
        """Return the memory of each player before its first move in a game."""
        return {"alice": self.alice.initial_memory(num_envs), "bob": self.bob.initial_memory(num_envs)}

    def act(
        self, state: TwoPlayerState, memory: dict[PlayerName, Memory], obs: Obs, key: Key, explore: bool
    ) -> tuple[Action, dict[PlayerName, Memory], dict[str, Array]]:
        """Return the action of the player whose turn it is; Bob's actions are padded where Alice's have the stop entry.

        Only the memory of the player who acts is updated. If a past version plays, it acts and updates the memory.
        """
        seen, is_alice, opponent = self._split(obs)
        now_key, past_key = jax.random.split(key)
        today = self._act(state.alice, state.bob, memory, seen, is_alice, now_key, explore)
        if state.past is None:
            return today
        versions = self.opponents.past_versions
        keys = jax.random.split(past_key, versions)
        then = jax.vmap(lambda p, k: self._act(p["alice"], p["bob"], memory, seen, is_alice, k, explore))(
            state.past, keys
        )
        version = jnp.clip(jnp.abs(opponent) - 1, 0, versions - 1).astype(jnp.int32)
        chosen = jax.tree.map(lambda x: x[version, jnp.arange(len(version))], then)
        by_past = self._acts_in_the_past(is_alice, opponent)
        return jax.tree.map(lambda old, new: _where(by_past, old, new), chosen, today)

    def _act(
        self,
        alice: Any,
        bob: Any,
        memory: dict[PlayerName, Memory],
        seen: Obs,
        is_alice: Array,
        key: Key,
        explore: bool,
    ) -> tuple[Action, dict[PlayerName, Memory], dict[str, Array]]:
        alice_key, bob_key = jax.random.split(key)
        if self._random_alice:
            hers = self._random(alice_key, seen.shape[:-1])
            log_prob_hers, alice_memory = jnp.zeros(seen.shape[:-1]), memory["alice"]
        else:
            hers, alice_memory, told = self.alice.act(alice, memory["alice"], seen, alice_key, explore)
            log_prob_hers = told["log_prob"]
        his, bob_memory, told = self.bob.act(bob, memory["bob"], seen, bob_key, explore)
        action = _where(is_alice, hers, self._pad(his))
        moved: dict[PlayerName, Memory] = {
            "alice": jax.tree.map(lambda new, old: _where(is_alice, new, old), alice_memory, memory["alice"]),
            "bob": jax.tree.map(lambda new, old: _where(~is_alice, new, old), bob_memory, memory["bob"]),
        }
        return action, moved, {"log_prob": jnp.where(is_alice, log_prob_hers, told["log_prob"])}

    def log_prob(self, state: TwoPlayerState, obs: Obs, action: Action) -> Float[Array, "*batch"]:
        seen, is_alice, _ = self._split(obs)
        hers = self.alice.log_prob(state.alice, seen, action)
        return jnp.where(is_alice, hers, self.bob.log_prob(state.bob, seen, self._unpad(action)))

    def update(
        self, state: TwoPlayerState, experience: Experience, reward_fn: RewardFn, round: Array, key: Key
    ) -> tuple[TwoPlayerState, Metrics]:
        rollout = experience.rollout
        assert rollout is not None, "compatibility.check ensures that an on-policy algorithm gets rollouts"
        rewards = reward_fn(rollout)
        seen, is_alice, opponent = self._split(rollout.obs)
        counts = rollout.valid & ~self._acts_in_the_past(is_alice, opponent)
        after = self._split(rollout.next_obs)[0]
        mine = RewardFn(call=lambda _: rewards, absorbing=reward_fn.absorbing)
        alice_key, bob_key = jax.random.split(key)

        def turns(player: PlayerName, of: Array, action: Action) -> Experience:
            its_own = rollout.replace(obs=seen, next_obs=after, action=action, valid=counts & of)
            return experience._replace(rollout=its_own, memory=experience.memory[player], acted=of)

        metrics: Metrics = {"agent/reward_mean": masked_mean(rewards, rollout.valid)}
        alice = state.alice
        if not self._random_alice:
            hers = turns("alice", is_alice, rollout.action)
            alice, found = self.alice.update(state.alice, hers, mine, round, alice_key)
            metrics |= _of("alice", found)
        his = turns("bob", ~is_alice, self._unpad(rollout.action))
        bob, found = self.bob.update(state.bob, his, mine, round, bob_key)
        metrics |= _of("bob", found)
        cloning = state.cloning
        if cloning is not None:
            bob, cloning, metrics["agent/bob_cloning_loss"] = self._clone(bob, cloning, rollout)
        return TwoPlayerState(alice=alice, bob=bob, past=self._remember(state, round), cloning=cloning), metrics

    def adopt(self, state: TwoPlayerState, learned: TwoPlayerState, part: str | None = None) -> TwoPlayerState:
        """Return ``state`` with both players of another run, or with the one named ``part``; see ``PPO.adopt``."""
        chosen = self.learners if part is None else {part: self.learners[part]}
        adopted = {name: own.adopt(getattr(state, name), getattr(learned, name)) for name, own in chosen.items()}
        return state.replace(**adopted)

    # Cloning of Alice.

    @cached_property
    def _cloning(self) -> optax.GradientTransformation:
        return optax.chain(optax.clip_by_global_norm(1.0), optax.adam(self.opponents.cloning_learning_rate))

    def _clone(self, bob: Any, optimizer: optax.OptState, rollout: Transition) -> tuple[Any, optax.OptState, Array]:
        """Take ``cloning_steps`` gradient steps on Alice's actions on her way to goals that Bob failed to reach."""
        obs, counts = self._as_bobs(rollout)
        action = self._unpad(rollout.action)

        def loss(params: Any) -> Array:
            log_prob = self.bob.log_prob(bob.replace(params=params), obs, action)
            return -self.opponents.cloning_weight * masked_mean(log_prob, counts)

        def step(carry, _):
            params, optimizer = carry
            value, gradients = jax.value_and_grad(loss)(params)
            updates, optimizer = self._cloning.update(gradients, optimizer, params)
            return (optax.apply_updates(params, updates), optimizer), value

        (params, optimizer), values = jax.lax.scan(step, (bob.params, optimizer), length=self.opponents.cloning_steps)
        return bob.replace(params=params), optimizer, values[0]

    def _as_bobs(self, rollout: Transition) -> tuple[Obs, Array]:
        """Return Alice's steps as Bob's observations, with the state where she ended as goal, and which steps count."""
        seen, is_alice, _ = self._split(rollout.obs)
        size = (self.spec.obs.shape[0] - len(FLAGS)) // 2
        ended = is_alice & rollout.terminated

        def step(carry, row):
            ended, reached = row
            carry = jnp.where(ended[:, None], reached, carry)
            return carry, carry

        last = rollout.next_obs[..., :size]
        _, goal = jax.lax.scan(step, jnp.zeros_like(last[0]), (ended, last), reverse=True)
        _, bob_reached = outcome(rollout)
        stopped = self._is_stop(rollout.action)
        counts = rollout.valid & is_alice & ~bob_reached & ~stopped
        not_alice = jnp.zeros_like(seen[..., 2 * size :])  # the flags of Bob's turn in a game
        return jnp.concatenate([seen[..., :size], goal, not_alice], axis=-1), counts

    def _remember(self, state: TwoPlayerState, round: Array) -> dict[str, Any] | None:
        """Return the past versions; every ``past_every`` rounds, the current players replace the oldest ones."""
        if state.past is None:
            return None
        due = round % self.opponents.past_every == 0
        slot = (round // self.opponents.past_every) % self.opponents.past_versions
        today = {"alice": state.alice, "bob": state.bob}
        return jax.tree.map(lambda old, new: old.at[slot].set(jnp.where(due, new, old[slot])), state.past, today)

    # The observations and actions of the game.

    def _split(self, obs: Obs) -> tuple[Obs, Array, Array]:
        """Return the networks' observations, whether it is Alice's turn, and the flag of the opponent."""
        return obs[..., :-1], obs[..., -len(FLAGS)] > 0.5, obs[..., -1]

    @staticmethod
    def _acts_in_the_past(is_alice: Array, opponent: Array) -> Array:
        return jnp.where(is_alice, opponent > 0.0, opponent < 0.0)

    @property
    def _discrete(self) -> bool:
        return isinstance(self.spec.action, Discrete)

    def _is_stop(self, action: Action) -> Array:
        if isinstance(self.spec.action, Discrete):
            return action == self.spec.action.n - 1
        return action[..., -1] >= 1.0

    def _pad(self, action: Action) -> Action:
        if self._discrete:
            return action
        return jnp.concatenate([action, jnp.full_like(action[..., :1], -1.0)], axis=-1)

    def _unpad(self, action: Action) -> Action:
        """Return Bob's part of an action; Alice's discrete stop, which Bob cannot take, becomes an arbitrary action."""
        if isinstance(self.spec.action, Discrete):
            return jnp.minimum(action, self.spec.action.n - 2)
        return action[..., :-1]

    def _random(self, key: Key, batch: tuple[int, ...]) -> Action:
        """Return uniformly random moves of Alice, who stops after ``alice_moves / 2`` moves on average."""
        move_key, stop_key = jax.random.split(key)
        stops = jax.random.bernoulli(stop_key, 2.0 / self.opponents.alice_moves, batch)
        action = self.spec.action
        if isinstance(action, Discrete):
            moves = jax.random.randint(move_key, batch, 0, action.n - 1, jnp.int32)
            return jnp.where(stops, action.n - 1, moves)
        moves = jax.random.uniform(move_key, (*batch, action.shape[0] - 1), minval=-1.0)
        return jnp.concatenate([moves, jnp.where(stops, 1.0, -1.0)[..., None]], axis=-1)


def without_stop(action: Box | Discrete) -> Box | Discrete:
    """Return the action space of the environment, given that of the game."""
    if isinstance(action, Discrete):
        return Discrete(action.n - 1)
    assert action.low is not None and action.high is not None, "a game's actions have bounds"
    return Box(shape=(action.shape[0] - 1,), low=action.low[:-1], high=action.high[:-1])


def _of(player: str, metrics: Metrics) -> Metrics:
    return {name.replace("agent/", f"agent/{player}_", 1): value for name, value in metrics.items()}


def _where(condition: Array, this: Array, that: Array) -> Array:
    """Return ``this`` where ``condition`` [*batch] is True and ``that`` elsewhere, for arrays [*batch, ...]."""
    return jnp.where(condition.reshape(condition.shape + (1,) * (this.ndim - condition.ndim)), this, that)
