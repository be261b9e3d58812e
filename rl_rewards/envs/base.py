"""What an environment is: pure JAX functions of a state, or a batch stepped on the host.

Both kinds never reset themselves: ``next_obs`` is always the true successor and ``needs_reset`` asks the collector,
the only place that resets, to start anew. What a person needs (pictures, example states) sits beside the dynamics.
"""

from abc import abstractmethod
from typing import Any, NamedTuple, Protocol, TypeVar, runtime_checkable

import numpy as np
from jax import Array
from jaxtyping import Float

from rl_rewards.core.errors import CannotDraw, ConfigError
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


class Environment(Protocol):
    """The members that both kinds of environment have. Constructing one is cheap and compiles nothing.

    What a person needs besides the dynamics has defaults: no pictures, no examples, no map.
    """

    @property
    @abstractmethod
    def spec(self) -> EnvSpec: ...

    def draw(self, scene: np.ndarray) -> np.ndarray:
        """Draw ``info["scene"]`` ([k] f32, compact state) as a picture [height, width, 3] uint8."""
        raise CannotDraw(f"{self.spec.name} draws no pictures.")

    def collect_examples(self, rng: np.random.Generator, n: int, goal: bool) -> ExampleStates:
        """``n`` example states inside (``goal``) or outside the goal set, collected as a person ordinarily would."""
        raise without_examples(self.spec.name)

    def plane(self, n: int) -> Plane | None:
        """A grid of n x n observations over the picture, or None where there is no natural 2-D picture."""
        return None


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

    def reset(self, mask: np.ndarray) -> np.ndarray:
        """Start new episodes where ``mask`` [B] bool; returns the observations [B, ...] of all, fresh or not."""
        ...

    def step(self, action: np.ndarray) -> StepOut: ...

    def get_state(self) -> np.ndarray:
        """[B, n] f64: everything the dynamics depend on, so that :meth:`set_state` continues bit for bit."""
        ...

    def set_state(self, mask: np.ndarray, states: np.ndarray) -> None: ...

    def save(self) -> bytes:
        """States, random generator and step counts."""
        ...

    def load(self, saved: bytes) -> None: ...


@runtime_checkable
class HostEnvironment(Environment, Protocol):
    """A description of a host environment, from which batches are made."""

    @abstractmethod
    def make(self, num_envs: int, seed: int) -> HostEnv:
        """``num_envs`` copies with their own random stream; every environment still needs a first reset."""
        ...


@runtime_checkable
class HasEngines(Protocol):
    """A description of an environment that several physics engines can run."""

    def in_engine(self) -> Environment:
        """The environment in the chosen engine. Raises ConfigError where that cannot be used."""
        ...


@runtime_checkable
class HasNotes(Protocol):
    """A description of an environment that is found out by trying it."""

    @property
    def notes(self) -> list[str]:
        """Sentences about what was found that a person should know."""
        ...


@runtime_checkable
class PlacesScenes(Protocol):
    """An environment that can tell where on its plane a scene lies, so that episodes can be drawn over the map."""

    def place(self, scene: np.ndarray) -> np.ndarray:
        """x and y of :meth:`Environment.plane` [*batch, 2] for scenes [*batch, k]."""
        ...


@runtime_checkable
class Describes(Protocol):
    """An environment that can tell in words what happens, for a judge that reads."""

    def describe(self, segment: Transition) -> str:
        """What happens in a segment, leaves [L, ...] in numpy: a few sentences and numbers with their units.

        Facts alone: neither the true reward nor whether it is good.
        """
        ...


@runtime_checkable
class HasGoals(Protocol):
    """An environment whose states can be set as goals, by one player for another."""

    @property
    def goal_names(self) -> tuple[str, ...]:
        """What :meth:`goal_features` tells, one name per entry, with its unit."""
        ...

    @property
    def goal_threshold(self) -> float:
        """A goal is reached within this distance of its features, where a run's config names no other."""
        ...

    @property
    def reversible(self) -> bool:
        """Whether every state can be left again for the one before, so that a way can be gone back."""
        ...

    def goal_features(self, state: Any) -> Float[Array, "g"]:
        """What decides whether a goal is reached: f32 [g], of one state (JAX), or [B, g] of states [B, n] (host)."""
        ...


@runtime_checkable
class KnowsReward(Protocol):
    """An environment whose true reward follows from what is observed."""

    def reward_of(self, obs: Array, action: Array, next_obs: Array) -> Array | None:
        """The true reward [*batch] of transitions, such as never happen too; None where observations hide it."""
        ...


class OtherPeoples:
    """What an adapter of environments known by ``id`` alone cannot offer."""

    id: str

    def collect_examples(self, rng: np.random.Generator, n: int, goal: bool) -> ExampleStates:
        raise without_examples(self.id)

    def plane(self, n: int) -> None:
        return None
