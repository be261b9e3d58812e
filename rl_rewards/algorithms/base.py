"""The contract of a learning algorithm, which does not depend on the source of its rewards."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, Protocol, Self, TypeVar

from jax import Array
from jaxtyping import Float

from rl_rewards.core.errors import ConfigError
from rl_rewards.core.requirements import Requirements
from rl_rewards.core.types import Action, Experience, Key, Memory, Metrics, Obs, RewardFn

AgentState = TypeVar("AgentState")


class RolloutSizes(Protocol):
    """The amount of experience that an algorithm collects in a round."""

    num_envs: int  # B, environments stepped together
    rollout_length: int  # T, environment steps in each


class DatasetSizes(Protocol):
    """The amount of training of an algorithm that learns from a data set and steps no environment."""

    rounds: int  # in the whole run
    gradient_steps: int  # in each round


class Algorithm(RolloutSizes, Protocol[AgentState]):
    """A policy and its learning rule. All methods are pure and run inside jit, scan and vmap.

    A subclass must define ``init``, ``act``, ``update`` and the two sizes of :class:`RolloutSizes` or of
    :class:`DatasetSizes`, depending on the data that it learns from; the rest has defaults.
    """

    @property
    def requirements(self) -> Requirements:
        """The needs of this algorithm, and the properties that the other parts of a run must know."""
        return Requirements()

    @property
    def learners(self) -> Mapping[str, "Algorithm"]:
        """The algorithms that this one combines, by name; empty if it combines none.

        If it does, its :meth:`adopt` takes one more argument: the name of the learner that adopts.
        """
        return {}

    def with_budget(self, env_steps: int) -> Self:
        """Return the same algorithm for a run of ``env_steps`` env steps; schedules over the whole run need it."""
        return self

    @abstractmethod
    def init(self, key: Key) -> AgentState:
        """Return the initial state; ``key`` is consumed."""
        ...

    def initial_memory(self, num_envs: int) -> Memory:
        """Return the policy's memory before an episode's first step, arrays [num_envs, ...].

        It is ``()`` for a policy without memory, which acts on each observation alone.
        """
        return ()

    @abstractmethod
    def act(
        self, state: AgentState, memory: Memory, obs: Obs, key: Key, explore: bool
    ) -> tuple[Action, Memory, dict[str, Array]]:
        """Choose an action in each of B environments.

        Args:
            memory: [B, ...] of the earlier steps of the same episode. The caller carries it from step to step and
                resets it to ``initial_memory`` where an episode begins.
            obs: [B, ...] raw observations.
            key: consumed.
            explore: True for sampled actions, False for the policy's mode.

        Returns:
            The actions [B, ...] in the env's units; the memory after this step, with the shapes of ``memory``; and the
            arrays [B, ...] to record as ``behaviour``, by name.
        """
        ...

    def can_adopt(self, other: "Algorithm") -> bool:
        """Return True if :meth:`adopt` takes states of ``other``; by default those of the same class."""
        return type(self) is type(other)

    def trunk(self, state: AgentState) -> Any:
        """Return the parameters with which a reward model can begin (``RewardSource.begin_with``); None if none can."""
        return None

    def adopt(self, state: AgentState, learned: AgentState) -> AgentState:
        """Return ``state`` with the networks and observation statistics of ``learned``, which is from another run.

        Subclasses should keep the optimiser of ``state``; this default returns all of ``learned``.
        """
        return learned

    def answer_log_prob(self, state: AgentState, prompt: Array, answer: Array) -> Array:
        """Return the log-probability [N], in nats, of answers [N, L] to prompts [N, P], tokens of any length.

        Raises:
            ConfigError: if the policy is not a language model.
        """
        raise ConfigError(
            f"{type(self).__name__} is not a language model, so that it cannot be asked; name a run of algorithm=lm or "
            "of another learner of texts."
        )

    def state_with(self, weights: Any) -> AgentState:
        """Return a state that has only these weights of a pretrained network, for :meth:`adopt`.

        Args:
            weights: the parameters of a language model, from a file (``pretrain=FILE``).

        Raises:
            ConfigError: if the policy is not a language model.
        """
        raise ConfigError(
            f"{type(self).__name__} is not a language model, which a file of pretrained weights holds; choose "
            "env=text_prompts with algorithm=dpo, sampler, rloo or another learner of texts."
        )

    def value_estimate(self, state: AgentState, obs: Obs, key: Key) -> Float[Array, " B"] | None:
        """Return the policy's discounted return from observations [B, ...] as the algorithm estimates it.

        It is in the units of the learned reward. Evaluations compare it with the return that is then reached. It may
        contain what the algorithm adds to its values, such as entropy, or be the value of the policy that recorded the
        data. None if the algorithm estimates no values.
        """
        return None

    def log_prob(self, state: AgentState, obs: Obs, action: Action) -> Float[Array, "*batch"]:
        """Return log pi(a|s) in nats, which some rewards read (``airl``).

        Raises:
            ConfigError: if the algorithm does not define it.
        """
        raise ConfigError(f"{type(self).__name__} has no method log_prob, which this reward needs; add it.")

    def complete(self, state: AgentState, obs: Obs, action: Action, place: Array, key: Key) -> Action:
        """Return responses whose tokens after ``place`` the policy has written anew.

        Raises:
            ConfigError: if the policy is not a language model.
        """
        raise ConfigError(f"{type(self).__name__} is not a language model, which alone can complete a response.")

    @abstractmethod
    def update(
        self, state: AgentState, experience: Experience, reward_fn: RewardFn, round: Array, key: Key
    ) -> tuple[AgentState, Metrics]:
        """Learn from the experience of a round.

        Args:
            reward_fn: gives the current learned reward of each step: ``reward_fn(transitions)``.
            round: number of the round, counted from 0.
            key: consumed.

        Returns:
            The new state, and metrics with the prefix ``agent/``.
        """
        ...
