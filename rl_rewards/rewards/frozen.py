"""A reward that another run learned, in its final state and without further training."""

from dataclasses import dataclass, field
from typing import Any, Literal

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from rl_rewards.core.checks import check_fields, require
from rl_rewards.core.queries import Comparisons
from rl_rewards.core.requirements import Requirements
from rl_rewards.core.types import Discrete, EnvSpec, Examples, Key, Transition
from rl_rewards.rewards.base import NamedTerm, RewardSource


@dataclass(frozen=True, kw_only=True)
class Frozen(RewardSource):
    """The reward ``source`` with the state ``learned``; keys: configs/reward/frozen.yaml.

    The state is the source's own, so that a run's checkpoint contains the reward that the run trained on.

    Raises:
        ConfigError: if the reward was learned on an environment of another shape, or if it needs info keys that this
            environment does not have.
    """

    spec: EnvSpec
    source: RewardSource
    learned: Any = field(repr=False)  # the source's state
    learned_spec: EnvSpec  # of the environment it was learned on
    per_seed: bool  # ``learned`` has a leading seed axis: every seed of the run has its own
    run: str
    seed: int | Literal["each"] | None
    early_end: Literal["refuse", "allow"]
    unsure: Literal["refuse", "allow"] = "refuse"
    recombine: Literal["mean", "min", "less_variance"] | None = None  # as ``source`` pays its ensemble now

    def __post_init__(self) -> None:
        check_fields(self, "reward")
        here, there = (f"{s.name} with {_words(s)}" for s in (self.spec, self.learned_spec))
        require(
            _shapes(self.spec) == _shapes(self.learned_spec),
            f"reward.run={self.run} is a run of another environment: it was learned on {there}, and this run uses "
            f"{here}.",
        )
        require(
            self.spec.text == self.learned_spec.text,
            f"reward.run={self.run} was learned with other tokens or other lengths of texts: {self.learned_spec.text}; "
            f"they must be {self.spec.text}.",
        )
        missing = [key for key in self.source.requirements.info_keys if key not in self.spec.info]
        require(
            not missing,
            f"reward.run={self.run} reads '{', '.join(missing)}' from info, which {self.spec.name} does not have.",
        )
        require(
            self.early_end == "allow" or self.learned_spec.ends_early or not self.spec.ends_early,
            f"Episodes of {self.spec.name} can end early, but those of reward.run={self.run} could not, so that their "
            "length leaks into the reward; accept it with reward.early_end=allow.",
        )

    @property
    def requirements(self) -> Requirements:
        """Return those of the source, examples included: only held-out goals can show that the reward is fooled."""
        return self.source.requirements.frozen()

    @property
    def prepared(self) -> Any:
        """Return the states of all seeds, which replace those of :meth:`init`; None if all seeds share one state."""
        return jax.tree.map(jnp.asarray, self.learned) if self.per_seed else None

    def init(self, key: Key) -> Any:
        del key
        assert not self.per_seed, "every seed's state is prepared"
        return jax.tree.map(jnp.asarray, self.learned)

    def reward(self, state: Any, transitions: Transition) -> Float[Array, "*batch"]:
        """Return the reward without the part that was fitted to the other run's dynamics."""
        return self.source.portable_reward(state, transitions)

    def named_terms(self, state: Any, transitions: Transition) -> dict[str, NamedTerm] | None:
        return self.source.named_terms(state, transitions)

    def absorbing_reward(self, state: Any) -> Float[Array, ""]:
        return self.source.portable_absorbing_reward(state)

    def without_memory(self, state: Any) -> Any:
        return self.source.without_memory(state)

    def comparisons(self, state: Any) -> Comparisons | None:
        return self.source.comparisons(state)

    def compared_inputs(self, transitions: Transition) -> Float[Array, "*batch d"] | None:
        return self.source.compared_inputs(transitions)

    def member_rewards(self, state: Any, inputs: Float[Array, "*batch d"]) -> Float[Array, " E *batch"] | None:
        return self.source.member_rewards(state, inputs)

    def heldout_agreement(self, state: Any) -> tuple[Array, Array] | None:
        return self.source.heldout_agreement(state)

    def inspect(self, state: Any, data: Examples, transitions: Transition) -> dict[str, Array]:
        """Return the source's outputs if there are examples, else nothing."""
        return self.source.inspect(state, data, transitions) if data else {}


def _shapes(spec: EnvSpec) -> tuple:
    action = spec.action
    kind = (action.n,) if isinstance(action, Discrete) else (tuple(action.shape), action.dtype)
    return (tuple(spec.obs.shape), spec.obs.dtype, *kind)


def _words(spec: EnvSpec) -> str:
    action = f"{spec.action.n} discrete" if isinstance(spec.action, Discrete) else f"{list(spec.action.shape)}"
    return f"obs {list(spec.obs.shape)} {spec.obs.dtype} and action {action}"
