"""Base classes of environments: pure JAX functions of a state, or a batch that is stepped on the host.

Neither kind resets itself. ``next_obs`` is always the true successor, and ``needs_reset`` asks the collector, the only
code that resets, to begin a new episode. Methods for people (pictures, example states) are in the same class.
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
from rl_rewards.core.types import Action, EnvSpec, Key, Obs, StepOut, Transition

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
    """States that a person would give as examples, with the actions taken in them."""

    obs: np.ndarray  # [n, ...]
    action: np.ndarray  # [n, ...] the action taken in that state


def without_examples(name: str) -> ConfigError:
    """Return the error for a reward that needs examples in the environment ``name``, which cannot generate them."""
    return ConfigError(
        f"This reward learns from examples, and {name} cannot generate them; give a file of examples with "
        "examples.path=FILE.npz (its layout is in configs/README.md)."
    )


class Told(NamedTuple):
    """An episode of several players, for people who watch it."""

    words: str  # what happened, a sentence without its full stop
    scenes: np.ndarray | None  # [steps, k], for ``Environment.draw``; None if there are none
    players: np.ndarray  # [steps] int8, whose move led to each scene; see rl_rewards.reporting.video


@dataclass(frozen=True)
class Episodes:
    """The episodes that a run learns from, and those in which it is evaluated."""

    evaluated: "Environment"
    """The environment in which the policy is evaluated."""
    also_played: "Environment | None" = None
    """Every evaluation also plays one episode in each copy of this environment; see :meth:`measure`."""
    begin_with_rollout: bool = False
    """True if every rollout begins new episodes; False if episodes continue from one rollout to the next."""
    fixed_starts: bool = False
    """True if all evaluations of all seeds begin in the same states, such as with the same prompts. Only for a
    :class:`JaxEnv`."""

    def select(self, rollout: Transition) -> tuple[Transition, Bool[Array, "T B"]]:
        """Return the rollout [T, B, ...], with ``valid`` True at the steps that count, and a mask of the steps that end
        an episode of the task."""
        return rollout, rollout.done & rollout.valid

    def measure(self, rollout: Transition, paid: np.ndarray) -> tuple[dict[str, float], dict[str, np.ndarray]]:
        """Return metrics (``eval/NAME``) and arrays for the report, from episodes [T, N, ...] in ``also_played``.

        Args:
            paid: the learned reward of every step [T, N].
        """
        raise NotImplementedError("A class that sets also_played must implement measure.")

    def told(self, rollout: Transition, number: int) -> Told:
        """Return one of the episodes [T, N, ...] in ``also_played`` for people who watch it."""
        raise NotImplementedError("A class that sets also_played must implement told.")


class Environment(Protocol):
    """The members that both kinds of environment have. Constructing an environment is cheap and compiles nothing.

    Everything but the dynamics has a default: no pictures, no examples, no map, no description, no goals, no expert,
    and one physics engine.
    """

    describe: Callable[..., str] | None = None  # takes a Transition; "...", since a method also takes self
    """A method that describes a segment (a Transition with leaves [L, ...] in numpy) to a judge that reads text. It
    returns a few sentences with numbers and their units. They state facts only: neither the true reward nor whether the
    segment is good. None if there is no such description.
    """
    passage: Callable[..., tuple[str, str]] | None = None  # takes a Transition, like describe
    """A method that returns the prompt and the response of a segment that is one text, for people who read it. None if
    segments are not texts; people then see pictures.
    """
    answered: Callable[..., StepOut] | None = None  # takes observations and actions
    """A method (obs [*batch, ...], action [*batch, ...]) -> the outcome of episodes of one step that begin with these
    observations. None if an observation does not determine an episode's beginning."""
    begin_at: Callable[..., Any] | None = None  # takes an observation
    """A method (obs [...]) -> the state of an episode of this JaxEnv that begins with ``obs``. None if an observation
    does not determine how an episode goes on, or for a host environment."""
    goal_names: tuple[str, ...] = ()
    """The names of the entries of :meth:`goal_features`, each with its unit. If there are any, one player can set
    states as goals for another."""
    goal_threshold: float = 0.0
    """A goal is reached within this distance of its features, unless the run's configuration sets another distance."""
    reported: tuple[str, ...] = ()
    """Numbers in ``info`` whose mean at the end of an episode is reported by evaluations, as ``eval/NAME``."""
    feature_names: tuple[str, ...] = ()
    """The names of the numbers in ``info["features"]``, if it has them."""
    reversible: bool = False
    """True if every step can be undone by later steps, so that a player can go back the way it came."""

    @property
    @abstractmethod
    def spec(self) -> EnvSpec:
        """Return the spaces, the step limit and the contents of ``info``."""
        ...

    @property
    def requirements(self) -> Requirements:
        """Return what this environment needs from a run, and what a run must know about it."""
        return Requirements()

    @property
    def episodes(self) -> Episodes:
        """Return the default: episodes continue from rollout to rollout, and this environment is evaluated."""
        return Episodes(evaluated=self)

    def in_engine(self) -> "Environment":
        """Return this environment in the physics engine that was chosen, if there are several.

        Raises:
            ConfigError: if that engine cannot be used.
        """
        return self

    @property
    def legend(self) -> str:
        """Return what the pictures of :meth:`draw` show, in words for people who judge them; empty if not described."""
        return ""

    def draw(self, scene: np.ndarray) -> np.ndarray:
        """Draw ``info["scene"]`` ([k] f32, compact state) as a picture [height, width, 3] uint8."""
        raise CannotDraw(f"{self.spec.name} draws no pictures.")

    def collect_examples(self, rng: np.random.Generator, n: int, goal: bool) -> ExampleStates:
        """Return ``n`` example states inside (``goal``) or outside the goal set, such as a person would collect."""
        raise without_examples(self.spec.name)

    def plane(self, n: int) -> Plane | None:
        """Return a grid of n x n observations over the picture, or None if there is no natural 2-D picture."""
        return None

    def place(self, scene: np.ndarray) -> np.ndarray | None:
        """Return the positions of scenes [*batch, k] on :meth:`plane`, x and y [*batch, 2]; None if they have none."""
        return None

    def manners(self, obs: np.ndarray, action: np.ndarray) -> dict[str, np.ndarray]:
        """Return numbers [*batch] of segments that say how something is done, and not whether; none by default.

        A labeler may be biased towards them; ``python -m rl_rewards.calibrate`` tells. For texts only.

        Args:
            obs, action: of segments, [*batch, L, ...].
        """
        return {}

    def reward_of(self, obs: Array, action: Array, next_obs: Array) -> Array | None:
        """Return the true reward [*batch] of any transitions, even impossible ones; None if observations hide it."""
        return None

    def expert(self, obs: Obs, speed: float = 1.0) -> Action:
        """Return the actions [*batch, ...] of a scripted expert in ``obs`` [*batch, ...].

        Args:
            speed: in (0, 1], as a share of the expert's full speed; less makes slow demonstrations.
        """
        raise ConfigError(f"{self.spec.name} has no scripted expert; add a method expert to its class.")

    def goal_features(self, state: Any) -> Float[Array, " g"] | Float[np.ndarray, "B g"]:
        """Return the features by which a goal counts as reached: f32 [g] of one state (JAX), or [B, g] of states [B, n]
        (host)."""
        raise ConfigError(f"{self.spec.name} does not define goals; add goal_features and goal_names to its class.")


@runtime_checkable
class JaxEnv(Environment, Protocol[EnvState]):
    """Pure functions of an explicit state of one environment; the collector maps them over B environments."""

    @abstractmethod
    def reset(self, key: Key) -> EnvState:
        """Return the first state of an episode, a pytree of arrays."""
        ...

    @abstractmethod
    def observe(self, state: EnvState) -> Obs:
        """Return the observation of ``state``, with the shape and dtype of ``spec.obs``."""
        ...

    @abstractmethod
    def step(self, key: Key, state: EnvState, action) -> tuple[EnvState, StepOut]:
        """Return the next state and the step's outcome; ``action`` may exceed its bounds, and this method clips it."""
        ...


@runtime_checkable
class HostEnv(Protocol):
    """B environments in numpy, stepped together."""

    spec: EnvSpec
    num_envs: int

    @property
    def physics_seconds(self) -> float:
        """Return the wall time spent inside the simulators so far, in seconds; 0 if it is not measured."""
        return 0.0

    @abstractmethod
    def reset(self, mask: np.ndarray) -> np.ndarray:
        """Begin new episodes where ``mask`` [B] is True, and return the observations [B, ...] of all environments."""
        ...

    @abstractmethod
    def step(self, action: np.ndarray) -> StepOut:
        """Step all environments with ``action`` [B, ...], which may exceed its bounds, and return the outcomes."""
        ...

    @abstractmethod
    def get_state(self) -> np.ndarray:
        """Return all that the dynamics depend on, f64 [B, n]; after :meth:`set_state` they continue bit for bit."""
        ...

    @abstractmethod
    def set_state(self, mask: np.ndarray, states: np.ndarray) -> None:
        """Restore the rows of ``states`` [B, n] from :meth:`get_state` where ``mask`` [B] is True."""
        ...

    @abstractmethod
    def save(self) -> bytes:
        """Return the states, the random generator and the step counts."""
        ...

    @abstractmethod
    def load(self, saved: bytes) -> None:
        """Continue from the bytes that :meth:`save` returned."""
        ...


@runtime_checkable
class HostEnvironment(Environment, Protocol):
    """A host environment that makes batches of itself."""

    @abstractmethod
    def make(self, num_envs: int, seed: int) -> HostEnv:
        """Return ``num_envs`` copies with their own random stream; each of them still needs a first reset."""
        ...
