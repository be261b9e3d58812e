"""What a learning algorithm is. It knows nothing of where rewards come from."""

from typing import Literal, Protocol, TypeVar, runtime_checkable

from jax import Array
from jaxtyping import Float

from rl_rewards.core.types import Action, Experience, Key, Metrics, Obs, RewardFn

AgentState = TypeVar("AgentState")


class Algorithm(Protocol[AgentState]):
    """A policy and how it learns. Pure; runs inside jit, scan and vmap."""

    @property
    def data(self) -> Literal["rollout", "replay", "dataset"]: ...

    @property
    def num_envs(self) -> int:
        """B; not of a dataset's, which steps no environment and has ``rounds`` and ``gradient_steps`` of each."""
        ...

    @property
    def rollout_length(self) -> int:
        """T; nor this."""
        ...

    @property
    def history(self) -> int:
        """Env steps of experience it wants kept in the replay ring (0: one rollout suffices)."""
        ...

    def init(self, key: Key) -> AgentState: ...

    def act(self, state: AgentState, obs: Obs, key: Key, explore: bool) -> tuple[Action, dict[str, Array]]:
        """Actions [B, ...] in the env's units and what to record as ``behaviour``; ``explore`` False is the mode."""
        ...

    def adopt(self, state: AgentState, learned: AgentState) -> AgentState:
        """``state`` with what ``learned``, of another run, knows: networks and observation statistics, no optimiser."""
        ...

    def log_prob(self, state: AgentState, obs: Obs, action: Action) -> Float[Array, "*batch"]: ...

    def update(
        self, state: AgentState, experience: Experience, reward_fn: RewardFn, round: Array, key: Key
    ) -> tuple[AgentState, Metrics]: ...


@runtime_checkable
class HasSchedule(Protocol):
    """An algorithm of which something may change over the whole run, and which must therefore know how long that is."""

    def with_budget(self, env_steps: int) -> Algorithm:
        """The same algorithm in a run of ``env_steps`` env steps."""
        ...
