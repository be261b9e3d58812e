"""Base classes of reward sources, and the network inputs that they make of transitions."""

from abc import abstractmethod
from collections.abc import Callable
from functools import partial
from typing import Any, Literal, NamedTuple, Protocol, TypeGuard, TypeVar, cast

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from rl_rewards.core.queries import Comparisons, GivenComparisons, Labels, Query
from rl_rewards.core.requirements import Requirements
from rl_rewards.core.types import (
    Discrete,
    EnvSpec,
    Examples,
    Experience,
    Key,
    Metrics,
    RewardFn,
    Transition,
    clip_action,
)

RewardState = TypeVar("RewardState")
Judges = Literal["obs", "obs_action", "next_obs"]
"""Inputs of a classifier: the state s, the state and action (s, a), or the next state s'."""
JudgesPairs = Literal["obs", "obs_action", "next_obs", "obs_next_obs"]
"""Inputs of a reward that learns from whole transitions; it can also take s and s' together."""


class Switch(NamedTuple):
    """A place in a term that can pass on less than it receives, such as ``clip`` or ``where``."""

    text: str  # as a person wrote it
    side: Array
    """[*batch, ...] -1 where a clip gives its lower bound or a condition is false, 1 where it gives its upper bound or
    the condition is true, and 0 where the clip passes its argument on."""

    @property
    def is_condition(self) -> bool:
        """True for ``where``, and False for what bounds its argument."""
        return self.text.startswith("where(")


def side_of_clip(value: Any, low: Any, high: Any) -> Array:
    """Return 1 where a clip of ``value`` to [low, high] gives its upper bound, -1 at its lower one, and else 0."""
    return (value >= high).astype(jnp.int8) - ((value <= low) & (value < high)).astype(jnp.int8)


class NamedTerm(NamedTuple):
    """The values of one term of a reward that a person wrote."""

    value: Float[Array, "*batch"]  # weighted, and as it is: perhaps not a number, or infinite
    switches: tuple[Switch, ...] = ()


class RewardSource(Protocol[RewardState]):
    """A source of the training reward. Its methods are pure and run inside jit, scan and vmap.

    A class that inherits from it needs to define only ``reward``; the defaults of the other methods are those of a
    fixed reward without a state.
    """

    @property
    def requirements(self) -> Requirements:
        """Return what this reward needs from a run, and what a run must know about it."""
        return Requirements()

    @property
    def prepared(self) -> RewardState | None:
        """Return the states of all seeds, from which each seed's first state is made; None if :meth:`init` is used."""
        return None

    def init_from(self, key: Key, prepared: RewardState) -> RewardState:
        """Return the first state of a seed whose own state was ``prepared``."""
        return prepared

    def init(self, key: Key) -> RewardState:
        """Return the first state, a pytree of arrays."""
        return cast(RewardState, {})

    @abstractmethod
    def reward(self, state: RewardState, transitions: Transition) -> Float[Array, "*batch"]:
        """Return r(s, a, s') under ``state``. It is deterministic, and calling it updates no statistics."""
        ...

    def named_terms(self, state: RewardState, transitions: Transition) -> dict[str, NamedTerm] | None:
        """Return the terms that a person wrote, whose sum is the reward, without those of weight 0; None without any.

        It is called on the host, and not inside jit.
        """
        return None

    def absorbing_reward(self, state: RewardState) -> Float[Array, ""]:
        """Return the reward per step after a termination; 0 unless the source learns an absorbing state."""
        return jnp.zeros(())

    def portable_reward(self, state: RewardState, transitions: Transition) -> Float[Array, "*batch"]:
        """Return the reward without the part that fits the dynamics of the run that learned it (AIRL's shaping)."""
        return self.reward(state, transitions)

    def portable_absorbing_reward(self, state: RewardState) -> Float[Array, ""]:
        """Return :meth:`absorbing_reward` without that part."""
        return self.absorbing_reward(state)

    def update(
        self, state: RewardState, data: Examples, experience: Experience, round: Array, key: Key
    ) -> tuple[RewardState, Metrics]:
        """Learn from the newest experience; called once per round, before the policy's update."""
        return state, {}

    def wrap_env(self, env: Any) -> Any:
        """Return the environment that the run learns in, made from the chosen ``env``; by default ``env`` itself."""
        return env

    def make_algorithm(self, spec: EnvSpec, make: Callable[[EnvSpec], Any]) -> Any:
        """Return the algorithm of the run; by default ``make(spec)``.

        Args:
            spec: of the environment that :meth:`wrap_env` returned.
            make: returns the chosen algorithm for environments of a given spec.
        """
        return make(spec)

    def without_memory(self, state: RewardState) -> RewardState:
        """Return ``state`` with the experience that is kept only for learning removed; reward and shapes do not change.

        Leaves may have additional leading axes.
        """
        return state

    def comparisons(self, state: RewardState) -> Comparisons | None:
        """Return the answered queries that the source keeps, for algorithms that learn from them; None without any."""
        return None

    def compared_inputs(self, transitions: Transition) -> Float[Array, "*batch d"] | None:
        """Return transitions as :meth:`comparisons` holds them, so that both can be compared; None if it holds none."""
        return None

    def member_rewards(self, state: RewardState, inputs: Float[Array, "*batch d"]) -> Float[Array, " E *batch"] | None:
        """Return the reward of each member of an ensemble for such inputs; None if the source has no members."""
        return None

    def heldout_agreement(self, state: RewardState) -> tuple[Array, Array] | None:
        """Return how many held-out pairs the reward orders as they were answered, and how many there are.

        None if the source holds no answers out.
        """
        return None

    def begin_with(self, state: RewardState, policy: Any) -> RewardState:
        """Return the first ``state`` with networks that begin with those of a pretrained ``policy``.

        It is called once, for a run with ``pretrain``; ``policy`` has the parameters of the policy's network. By
        default the state does not change.
        """
        return state

    def begin_with_comparisons(self, state: RewardState, compared: GivenComparisons) -> RewardState:
        """Return the first ``state`` with the comparisons of the environment's file; by default it does not change.

        It is called once, on the host and not inside jit, if :attr:`requirements` has ``takes_comparisons``.

        Raises:
            ConfigError: if the source cannot learn from these comparisons.
        """
        return state

    def inspect(self, state: RewardState, data: Examples, transitions: Transition) -> dict[str, Array]:
        """Return the source's outputs on the examples and on ``transitions``, for evaluation only.

        Any keys are allowed; means are logged as ``eval/KEY``, and the arrays are stored for the report. Classifiers
        return ``prob_heldout_goals``, ``prob_non_goals``, ``prob_visited`` and ``reward_heldout_goals``.
        """
        return {}


class AsksForLabels(RewardSource[RewardState], Protocol[RewardState]):
    """A source that can ask a labeler. All methods are pure; the host waits for the answers.

    Its requirements contain the ``queries`` of the run. If these are None, it asks nothing, and none of the methods
    below is called; see :func:`asks`.
    """

    @abstractmethod
    def may_ask(self, round: Array) -> Bool[Array, ""]:
        """Return True if ``propose`` is called in this round; equal for all seeds, so that a round can skip it."""
        ...

    @abstractmethod
    def propose(self, state: RewardState, experience: Experience, round: Array, key: Key) -> tuple[RewardState, Query]:
        """Return the query of this round; the source keeps the query's segments by their ids."""
        ...

    @abstractmethod
    def absorb(self, state: RewardState, labels: Labels) -> RewardState:
        """Return the state after answers to queries of this round or of earlier ones."""
        ...


def asks(source: RewardSource) -> TypeGuard[AsksForLabels]:
    """Return True if ``source`` asks a labeler in its run."""
    return source.requirements.queries is not None


def changes_run(kind: Any) -> bool:
    """Return True if ``kind`` is a reward source class that changes the environment or the algorithm of its run."""
    hooks = ("wrap_env", "make_algorithm")
    inherits = isinstance(kind, type) and RewardSource in kind.__mro__
    return inherits and any(getattr(kind, name) is not getattr(RewardSource, name) for name in hooks)


def first_state(source: RewardSource, key: Key, prepared: Any) -> Any:
    """Return the first state of one seed; ``prepared`` is its own part of ``source.prepared``, or None."""
    return source.init(key) if prepared is None else source.init_from(key, prepared)


def reward_fn(source: RewardSource, state: Any) -> RewardFn:
    """Return the source's current reward as one function of transitions."""
    return RewardFn(call=partial(source.reward, state), absorbing=source.absorbing_reward(state))


def make_features(spec: EnvSpec, judges: Judges) -> Callable[[Array, Array], Float[Array, "*batch d"]]:
    """Return a function (obs, action) -> flat network input, for environments of ``spec``.

    Actions are clipped to their bounds (otherwise a classifier could recognise the policy by its unclipped actions) and
    one-hot if discrete.
    """

    def flat_obs(obs: Array) -> Array:
        batch = obs.shape[: obs.ndim - len(spec.obs.shape)]
        scaled = obs.astype(jnp.float32) / (255.0 if obs.dtype == jnp.uint8 else 1.0)
        return scaled.reshape(*batch, -1)

    def flat_action(action: Array) -> Array:
        if isinstance(spec.action, Discrete):
            return jax.nn.one_hot(action, spec.action.n)
        clipped = clip_action(spec.action, action)
        return clipped.reshape(*action.shape[: action.ndim - len(spec.action.shape)], -1)

    def features(obs: Array, action: Array) -> Array:
        if judges == "obs_action":
            return jnp.concatenate([flat_obs(obs), flat_action(action)], axis=-1)
        return flat_obs(obs)

    return features


def judged_obs_action(transitions: Transition, judges: Judges) -> tuple[Array, Array]:
    """Return the observation (s or s', by ``judges``) and the action of each transition."""
    return (transitions.next_obs if judges == "next_obs" else transitions.obs), transitions.action


def make_pair_features(spec: EnvSpec, judges: JudgesPairs) -> Callable[[Transition], Float[Array, "*batch d"]]:
    """Return a function transitions -> flat network input; see :func:`make_features`."""
    if judges == "obs_next_obs":
        flat = make_features(spec, "obs")
        return lambda t: jnp.concatenate([flat(t.obs, t.action), flat(t.next_obs, t.action)], axis=-1)
    features = make_features(spec, judges)
    return lambda t: features(*judged_obs_action(t, judges))


def feature_size(spec: EnvSpec, judges: JudgesPairs) -> int:
    """Return d, the size of those inputs."""
    size = int(np.prod(spec.obs.shape))
    if judges == "obs_next_obs":
        return 2 * size
    if judges != "obs_action":
        return size
    return size + (spec.action.n if isinstance(spec.action, Discrete) else int(np.prod(spec.action.shape)))


READS: dict[str, tuple[str, ...]] = {
    "obs": ("obs",),
    "obs_action": ("obs", "action"),
    "next_obs": ("next_obs",),
    "obs_next_obs": ("obs", "next_obs"),
}
"""The fields of a transition that each kind of input reads."""
