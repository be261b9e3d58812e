"""Exact solutions of finite Markov decision processes with a known model.

soft:  Q(s, a) = r(s, a) + gamma E V(s'),  V(s) = tau log sum_a exp(Q(s, a) / tau),  tau log pi(a|s) = Q(s, a) - V(s)
hard:  the same with V(s) = max_a Q(s, a)
(Ziebart 2010, PhD thesis, algorithm 9.1.) Unlike there, the horizon is infinite and discounted, because in this package
a time limit only truncates an episode and policies do not see the time, so they are stationary.
"""

import math
from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from rl_rewards.core.checks import require
from rl_rewards.core.types import EnvSpec, Obs, Transition

PRECISION = 1e-7
"""The error of the values when iteration stops, as a fraction of the largest possible value; f32 allows no less."""


@runtime_checkable
class TabularModel(Protocol):
    """An environment whose dynamics and reward are known exactly. Arrays are numpy and the same for all seeds."""

    @property
    def spec(self) -> EnvSpec: ...

    @property
    def transition_tensor(self) -> Float[np.ndarray, "states actions states"]:
        """P(s'|s, a)."""
        ...

    @property
    def true_reward(self) -> Float[np.ndarray, "states actions states"]:
        """The true reward ``env_reward`` of s, a, s'."""
        ...

    @property
    def start(self) -> Float[np.ndarray, " states"]:
        """P(s_0)."""
        ...

    @property
    def observations(self) -> Float[np.ndarray, "states ..."]:
        """The observation of every state."""
        ...

    @property
    def reached_info(self) -> Mapping[str, np.ndarray]:
        """The ``info`` of a step by the state that it reaches, [states, ...]."""
        ...

    @property
    def features(self) -> Mapping[str, Float[np.ndarray, "states features"]]:
        """State features for learning a linear reward, by the name of the feature set."""
        ...

    def state_of(self, obs: Obs) -> Int[Array, "*batch"]:
        """Return the index of the state that ``obs`` [*batch, ...] shows."""
        ...


def require_tabular(model: Any, what: str) -> None:
    """Check that ``model`` is a :class:`TabularModel`, which ``what`` needs.

    Raises:
        ConfigError: if it is not.
    """
    name = getattr(getattr(model, "spec", None), "name", type(model).__name__)
    require(
        isinstance(model, TabularModel),
        f"{what} needs an environment with finitely many states and a known model, such as env=grid; {name} has none.",
    )


def every_step(model: TabularModel) -> Transition:
    """Return all steps s, a, s' as transitions [states, actions, states]; ``valid`` marks the possible ones."""
    shape = model.transition_tensor.shape

    def over(table: np.ndarray, axis: int) -> Array:
        """Return ``table`` [n, ...] along one of the three axes, repeated along the others."""
        lead = [1, 1, 1]
        lead[axis] = len(table)
        # The barrier stops XLA from evaluating the reward of these constants at compile time, which takes a minute.
        hidden = jax.lax.optimization_barrier(jnp.asarray(table))
        return jnp.broadcast_to(hidden.reshape(*lead, *table.shape[1:]), (*shape, *table.shape[1:]))

    never = jnp.zeros(shape, bool)
    return Transition(
        obs=over(model.observations, 0),
        action=over(np.arange(shape[1], dtype=np.int32), 1),
        next_obs=over(model.observations, 2),
        env_reward=jnp.asarray(model.true_reward),
        terminated=never,
        truncated=never,
        valid=jnp.asarray(model.transition_tensor > 0.0),
        is_demo=never,
        behaviour={},
        info={key: over(table, 2) for key, table in model.reached_info.items()},
    )


def expected_reward(
    transition: Float[Array, "states actions states"], reward: Float[Array, "states actions states"]
) -> Float[Array, "states actions"]:
    """Return sum_s' P(s'|s, a) r(s, a, s'), ignoring ``reward`` on impossible steps."""
    return jnp.sum(transition * jnp.where(transition > 0.0, reward, 0.0), axis=-1)


def soft_values(
    transition: Float[Array, "states actions states"],
    reward: Float[Array, "states actions"],
    discount: float,
    temperature: float,
) -> Float[Array, "states actions"]:
    """Return Q of the policy that maximises reward + temperature * entropy (nats); differentiable in ``reward``."""

    def value(q: Array) -> Array:
        return temperature * jax.nn.logsumexp(q / temperature, axis=-1)

    return _iterate(transition, reward, discount, value)


def soft_policy(q: Float[Array, "states actions"], temperature: float) -> Float[Array, "states actions"]:
    """Return log pi(a|s) of the soft-optimal policy."""
    return jax.nn.log_softmax(q / temperature, axis=-1)


def optimal_values(
    transition: Float[Array, "states actions states"], reward: Float[Array, "states actions"], discount: float
) -> Float[Array, "states actions"]:
    """Return Q of the policy that maximises reward alone."""
    return _iterate(transition, reward, discount, lambda q: jnp.max(q, axis=-1))


def greedy_policy(q: Float[Array, "states actions"]) -> Float[Array, "states actions"]:
    """Return pi(a|s) with probability 1 on the first of the best actions."""
    return jax.nn.one_hot(jnp.argmax(q, axis=-1), q.shape[-1])


def policy_values(
    transition: Float[Array, "states actions states"],
    reward: Float[Array, "states actions"],
    policy: Float[Array, "states actions"],
    discount: float,
) -> Float[Array, " states"]:
    """Return V of ``policy`` without entropy: the solution of the linear equations V = r_pi + gamma P_pi V."""
    return jnp.linalg.solve(_flow(transition, policy, discount), jnp.sum(policy * reward, axis=-1))


def visitation(
    transition: Float[Array, "states actions states"],
    policy: Float[Array, "states actions"],
    start: Float[Array, " states"],
    discount: float,
) -> Float[Array, " states"]:
    """Return the expected discounted number of visits to every state: d = start + gamma P_pi^T d.

    The visits sum to 1 / (1 - gamma). Multiplied by ``policy``, they are the visits to state-action pairs; multiplied
    by 1 - gamma, they are the fraction of steps. (The limit of Ziebart et al. 2008, AAAI, algorithm 1.)
    """
    return jnp.linalg.solve(_flow(transition, policy, discount).T, start)


def _flow(transition: Array, policy: Array, discount: float) -> Float[Array, "states states"]:
    """Return 1 - gamma P_pi."""
    return jnp.eye(transition.shape[0]) - discount * jnp.einsum("sa,sat->st", policy, transition)


def _iterate(transition: Array, reward: Array, discount: float, value: Any) -> Float[Array, "states actions"]:
    """Return the fixed point of Q = r + gamma P value(Q), which is a contraction, iterated to ``PRECISION``."""
    sweeps = math.ceil(math.log(PRECISION * (1.0 - discount)) / math.log(discount)) if discount > 0.0 else 1

    def sweep(q: Array, _: None) -> tuple[Array, None]:
        return reward + discount * jnp.einsum("sat,t->sa", transition, value(q)), None

    return jax.lax.scan(sweep, reward, None, length=sweeps)[0]
