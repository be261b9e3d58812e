"""What a learning algorithm is. It knows nothing of where rewards come from."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Protocol, Self, TypeVar

from jax import Array
from jaxtyping import Float

from rl_rewards.core.errors import ConfigError
from rl_rewards.core.requirements import Requirements
from rl_rewards.core.types import Action, Experience, Key, Memory, Metrics, Obs, RewardFn

AgentState = TypeVar("AgentState")


class RolloutSizes(Protocol):
    """How much an algorithm collects in a round."""

    num_envs: int  # B
    rollout_length: int  # T


class DatasetSizes(Protocol):
    """How much an algorithm that learns from a dataset does: it steps no environment."""

    rounds: int  # of the whole run
    gradient_steps: int  # of a round


class Algorithm(RolloutSizes, Protocol[AgentState]):
    """A policy and how it learns. Pure; runs inside jit, scan and vmap.

    A class that inherits from it needs ``init``, ``act``, ``update`` and the two sizes of what it learns from, see
    :class:`RolloutSizes` and :class:`DatasetSizes`; the rest has defaults.
    """

    @property
    def requirements(self) -> Requirements:
        """Returns what this part needs of a run, and what a run must know about it."""
        return Requirements()

    @property
    def learners(self) -> Mapping[str, "Algorithm"]:
        """The algorithms that this one is made of, by name; empty where it is one.

        An algorithm that has some gives :meth:`adopt` one more argument: the name of the only learner that adopts.
        """
        return {}

    def with_budget(self, env_steps: int) -> Self:
        """The same algorithm in a run of ``env_steps`` env steps; for one of which something changes with time."""
        return self

    @abstractmethod
    def init(self, key: Key) -> AgentState: ...

    def initial_memory(self, num_envs: int) -> Memory:
        """Returns what the policy remembers before an episode's first step, arrays [num_envs, ...].

        ``()``: it remembers nothing, and acts on each observation alone.
        """
        return ()

    @abstractmethod
    def act(
        self, state: AgentState, memory: Memory, obs: Obs, key: Key, explore: bool
    ) -> tuple[Action, Memory, dict[str, Array]]:
        """Chooses an action in each of B environments.

        Args:
            memory: [B, ...] of the steps before in the same episode. Whoever steps the environments carries it from
                call to call, and gives ``initial_memory`` where an episode begins.
            explore: False for the policy's mode.

        Returns:
            The actions [B, ...] in the env's units; the memory after this step, in the arrays of the one before; and
            what to record as ``behaviour``, by name, [B, ...].
        """
        ...

    def adopt(self, state: AgentState, learned: AgentState) -> AgentState:
        """``state`` with what ``learned``, of another run, knows: networks and observation statistics, no optimiser.

        Where an algorithm does not tell that apart, all of ``learned``.
        """
        return learned

    def log_prob(self, state: AgentState, obs: Obs, action: Action) -> Float[Array, "*batch"]:
        """log pi(a|s); read by rewards that compare with it (``airl``)."""
        raise ConfigError(f"{type(self).__name__} has no log_prob, which this reward reads; add that method.")

    @abstractmethod
    def update(
        self, state: AgentState, experience: Experience, reward_fn: RewardFn, round: Array, key: Key
    ) -> tuple[AgentState, Metrics]:
        """Learn from the newest experience; ``reward_fn(transitions)`` is what each step earns."""
        ...
