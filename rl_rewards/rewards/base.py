"""What a reward source is, and which part of a transition it looks at."""

from abc import abstractmethod
from collections.abc import Callable
from functools import partial
from typing import Any, Literal, Protocol, TypeGuard, TypeVar, cast

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from rl_rewards.core.queries import Labels, Query
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
"""What a classifier sees: the state s, the state and action (s, a), or the state reached s'."""
JudgesPairs = Literal["obs", "obs_action", "next_obs", "obs_next_obs"]
"""What one that has whole transitions to learn from can see besides: s and s' together."""


class RewardSource(Protocol[RewardState]):
    """Where the training reward comes from. Pure; runs inside jit, scan and vmap.

    A class that inherits from it needs ``reward`` alone; the rest has defaults, which are those of a fixed reward
    without a state.
    """

    @property
    def requirements(self) -> Requirements:
        """Returns what this part needs of a run, and what a run must know about it."""
        return Requirements()

    @property
    def prepared(self) -> RewardState | None:
        """The states of all seeds, in place of what :meth:`init` makes of a key; None where there are none."""
        return None

    def init(self, key: Key) -> RewardState:
        """The first state: a pytree of arrays."""
        return cast(RewardState, {})

    @abstractmethod
    def reward(self, state: RewardState, transitions: Transition) -> Float[Array, "*batch"]:
        """r(s, a, s') under ``state``. Deterministic; reading moves no statistics."""
        ...

    def absorbing_reward(self, state: RewardState) -> Float[Array, ""]:
        """Reward per step after a termination; 0 unless it learns what follows."""
        return jnp.zeros(())

    def portable_reward(self, state: RewardState, transitions: Transition) -> Float[Array, "*batch"]:
        """The reward without what fits the dynamics of the run that it was learned in (AIRL's shaping)."""
        return self.reward(state, transitions)

    def portable_absorbing_reward(self, state: RewardState) -> Float[Array, ""]:
        """The same of :meth:`absorbing_reward`."""
        return self.absorbing_reward(state)

    def update(
        self, state: RewardState, data: Examples, experience: Experience, round: Array, key: Key
    ) -> tuple[RewardState, Metrics]:
        """Learn from the newest experience; called once a round, before the policy's update."""
        return state, {}

    def wrap_env(self, env: Any) -> Any:
        """The environment that the run learns in, made of the chosen one ``env``; by default ``env`` itself."""
        return env

    def make_algorithm(self, spec: EnvSpec, make: Callable[[EnvSpec], Any]) -> Any:
        """The algorithm of the run, for the environment of :meth:`wrap_env`, whose spec is ``spec``.

        Args:
            make: gives the chosen algorithm for environments of any spec; by default the algorithm is ``make(spec)``.
        """
        return make(spec)

    def without_memory(self, state: RewardState) -> RewardState:
        """``state`` without experience that is kept for learning alone; its reward and its shapes are the same.

        Leaves may have axes in front.
        """
        return state

    def inspect(self, state: RewardState, data: Examples, transitions: Transition) -> dict[str, Array]:
        """What the source says of the supplied examples and of ``transitions``; read by evaluation alone.

        Keys are free; means are logged as ``eval/KEY`` and the arrays stored for the report. Classifiers give
        ``prob_heldout_goals``, ``prob_non_goals``, ``prob_visited`` and ``reward_heldout_goals``.
        """
        return {}


class AsksForLabels(RewardSource[RewardState], Protocol[RewardState]):
    """A source that can be fed by a labeler. All methods are pure; the wait for answers is on the host.

    Its requirements name the ``queries`` of the run. Where these are None it asks nothing, and none of its methods
    below is called; see :func:`asks`.
    """

    @abstractmethod
    def may_ask(self, round: Array) -> Bool[Array, ""]:
        """Whether ``propose`` is called in this round; the same for every seed, so that a round can skip it."""
        ...

    @abstractmethod
    def propose(self, state: RewardState, experience: Experience, round: Array, key: Key) -> tuple[RewardState, Query]:
        """What this round asks; the source keeps its segments by id."""
        ...

    @abstractmethod
    def absorb(self, state: RewardState, labels: Labels) -> RewardState:
        """Learn of answers, to queries of this round or of earlier ones."""
        ...


def asks(source: RewardSource) -> TypeGuard[AsksForLabels]:
    """True if ``source`` asks a labeler anything in its run."""
    return source.requirements.queries is not None


def changes_run(kind: Any) -> bool:
    """True if ``kind`` is a class of reward sources that changes the environment or the algorithm of its run."""
    hooks = ("wrap_env", "make_algorithm")
    inherits = isinstance(kind, type) and RewardSource in kind.__mro__
    return inherits and any(getattr(kind, name) is not getattr(RewardSource, name) for name in hooks)


def reward_fn(source: RewardSource, state: Any) -> RewardFn:
    """The source's current reward as one function of transitions."""
    return RewardFn(call=partial(source.reward, state), absorbing=source.absorbing_reward(state))


def make_features(spec: EnvSpec, judges: Judges) -> Callable[[Array, Array], Float[Array, "*batch d"]]:
    """A function (obs, action) -> flat network input, for environments of ``spec``.

    Actions are clipped to the bounds (an unclipped one would be a trivial tell) and one-hot encoded when discrete.
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


def looked_at(transitions: Transition, judges: Judges) -> tuple[Array, Array]:
    """The (obs, action) pair of each transition that a source with ``judges`` looks at."""
    return (transitions.next_obs if judges == "next_obs" else transitions.obs), transitions.action


def make_pair_features(spec: EnvSpec, judges: JudgesPairs) -> Callable[[Transition], Float[Array, "*batch d"]]:
    """A function transitions -> flat network input; see :func:`make_features`."""
    if judges == "obs_next_obs":
        flat = make_features(spec, "obs")
        return lambda t: jnp.concatenate([flat(t.obs, t.action), flat(t.next_obs, t.action)], axis=-1)
    features = make_features(spec, judges)
    return lambda t: features(*looked_at(t, judges))


def feature_size(spec: EnvSpec, judges: JudgesPairs) -> int:
    """d, how many numbers those inputs have."""
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
"""What of a transition each way of judging depends on."""
