"""What an environment is: pure JAX functions of a state, or a batch stepped on the host.

Both kinds never reset themselves: ``next_obs`` is always the true successor and ``needs_reset`` asks the collector,
the only place that resets, to start anew. What a person needs (pictures, example states) sits beside the dynamics.
"""

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, TypeVar, runtime_checkable

import numpy as np
from jax import Array
from jaxtyping import Bool, Float

from rl_rewards.core.errors import CannotDraw, ConfigError
from rl_rewards.core.requirements import Requirements
from rl_rewards.core.types import EnvSpec, Key, Obs, StepOut, Transition

EnvState = TypeVar("EnvState")


class Plane(NamedTuple):
    """Observations on a grid over a 2-D picture, for drawing a reward as a heat map."""

    obs: np.ndarray  # [n, n, ...] row i is y[i], column j is x[j]
    x: np.ndarray  # [n]
    y: np.ndarray  # [n]
    x_label: str
    y_label: str
    caption: str  # what is held fixed while x and y vary


class ExampleStates(NamedTuple):
    """States a person would hand over as examples, with the actions that led on from them."""

    obs: np.ndarray  # [n, ...]
    action: np.ndarray  # [n, ...] what was done in that state


def without_examples(name: str) -> ConfigError:
    """The refusal of a reward that needs examples, which nobody can record in the environment ``name``."""
    return ConfigError(
        f"There is no ordinary way to record examples in {name}, and this reward learns from examples; give a file of "
        "them with examples.path=FILE.npz (its layout is in configs/README.md)."
    )


@dataclass(frozen=True)
class Episodes:
    """How a run learns from the episodes of an environment, and in which episodes it is evaluated."""

    evaluated: "Environment"
    """The environment whose episodes evaluation judges."""
    also_played: "Environment | None" = None
    """An environment of which every evaluation also plays one episode in each copy; see :meth:`measure`."""
    begin_with_rollout: bool = False
    """Every rollout begins with fresh episodes; else episodes go on from one rollout to the next."""

    def select(self, rollout: Transition) -> tuple[Transition, Bool[Array, "T B"]]:
        """The rollout [T, B, ...] with ``valid`` where a step counts, and the steps that end an episode of the task."""
        return rollout, rollout.done & rollout.valid

    def measure(self, rollout: Transition, paid: np.ndarray) -> tuple[dict[str, float], dict[str, np.ndarray]]:
        """Metrics (``eval/NAME``) and arrays for the report, of episodes [T, N, ...] in ``also_played``.

        Args:
            paid: the learned reward of every step [T, N].
        """
        raise NotImplementedError("whoever names also_played says what is measured there")


class Environment(Protocol):
    """The members that both kinds of environment have. Constructing one is cheap and compiles nothing.

    What is not the dynamics has defaults: no pictures, no examples, no map, no words, no goals, one physics engine.
    """

    describe: Callable[..., str] | None = None  # of a Transition; "...", since a method also takes self
    """A method that tells a judge who reads what happens in a segment, leaves [L, ...] in numpy, in a few sentences and
    numbers with their units: facts alone, neither the true reward nor whether it is good. None: there are no words.
    """
    goal_names: tuple[str, ...] = ()
    """The entries of :meth:`goal_features`, each with its unit. Where there are any, states can be set as goals, by one
    player for another."""
    goal_threshold: float = 0.0
    """A goal is reached within this distance of its features, where a run's config names no other."""
    reversible: bool = False
    """True if every state can be left again for the one before, so that a way can be gone back."""

    @property
    @abstractmethod
    def spec(self) -> EnvSpec: ...

    @property
    def requirements(self) -> Requirements:
        """Returns what this part needs of a run, and what a run must know about it."""
        return Requirements()

    @property
    def episodes(self) -> Episodes:
        """Returns the default: episodes go on from rollout to rollout, and this environment is evaluated."""
        return Episodes(evaluated=self)

    def in_engine(self) -> "Environment":
        """The environment in the physics engine that was chosen, where there are several.

        Raises:
            ConfigError: where that engine cannot be used.
        """
        return self

    def draw(self, scene: np.ndarray) -> np.ndarray:
        """Draw ``info["scene"]`` ([k] f32, compact state) as a picture [height, width, 3] uint8."""
        raise CannotDraw(f"{self.spec.name} draws no pictures.")

    def collect_examples(self, rng: np.random.Generator, n: int, goal: bool) -> ExampleStates:
        """``n`` example states inside (``goal``) or outside the goal set, collected as a person ordinarily would."""
        raise without_examples(self.spec.name)

    def plane(self, n: int) -> Plane | None:
        """A grid of n x n observations over the picture, or None where there is no natural 2-D picture."""
        return None

    def place(self, scene: np.ndarray) -> np.ndarray | None:
        """x and y of :meth:`plane` [*batch, 2] for scenes [*batch, k]; None where scenes have no place on it."""
        return None

    def reward_of(self, obs: Array, action: Array, next_obs: Array) -> Array | None:
        """The true reward [*batch] of transitions, such as never happen too; None where observations hide it."""
        return None

    def goal_features(self, state: Any) -> Float[Array, " g"] | Float[np.ndarray, "B g"]:
        """What decides whether a goal is reached: f32 [g], of one state (JAX), or [B, g] of states [B, n] (host)."""
        raise ConfigError(f"{self.spec.name} does not tell what a goal is; add goal_features and goal_names.")


@runtime_checkable
class JaxEnv(Environment, Protocol[EnvState]):
    """Pure functions of an explicit state of one environment; vmapped over B by the collector."""

    @abstractmethod
    def reset(self, key: Key) -> EnvState:
        """The first state of an episode: a pytree of arrays."""
        ...

    @abstractmethod
    def observe(self, state: EnvState) -> Obs:
        """Returns the observation of ``state``, of the shape and dtype of ``spec.obs``."""
        ...

    @abstractmethod
    def step(self, key: Key, state: EnvState, action) -> tuple[EnvState, StepOut]:
        """The next state and what the step gives; ``action`` may lie outside its bounds, and is for this to clip."""
        ...


@runtime_checkable
class HostEnv(Protocol):
    """B environments in numpy, stepped together."""

    spec: EnvSpec
    num_envs: int

    @property
    def physics_seconds(self) -> float:
        """Wall time spent inside the simulators so far; 0 where nobody counts it."""
        return 0.0

    @abstractmethod
    def reset(self, mask: np.ndarray) -> np.ndarray:
        """Start new episodes where ``mask`` [B] bool; returns the observations [B, ...] of all, fresh or not."""
        ...

    @abstractmethod
    def step(self, action: np.ndarray) -> StepOut: ...

    @abstractmethod
    def get_state(self) -> np.ndarray:
        """[B, n] f64: everything the dynamics depend on, so that :meth:`set_state` continues bit for bit."""
        ...

    @abstractmethod
    def set_state(self, mask: np.ndarray, states: np.ndarray) -> None: ...

    @abstractmethod
    def save(self) -> bytes:
        """States, random generator and step counts."""
        ...

    @abstractmethod
    def load(self, saved: bytes) -> None: ...


@runtime_checkable
class HostEnvironment(Environment, Protocol):
    """A description of a host environment, from which batches are made."""

    @abstractmethod
    def make(self, num_envs: int, seed: int) -> HostEnv:
        """``num_envs`` copies with their own random stream; every environment still needs a first reset."""
        ...
