"""The data that environments, reward sources and algorithms pass to each other.

Shape letters used everywhere: T rollout steps, B parallel environments, N minibatch, L segment length,
E ensemble members, S seeds. ``*batch`` stands for any leading axes.

A training reward is never stored: ``Transition`` has ``env_reward`` only, and learners get a ``RewardFn``.
"""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Protocol, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jaxtyping import Array, Bool, Float

from rl_rewards.core.errors import ConfigError
from rl_rewards.core.files import read_json, write_whole

Key = jax.Array
"""A typed ``jax.random.key``; every function that takes one consumes it."""
Obs = jax.Array
Action = jax.Array
Memory = Any
"""The memory of a policy within an episode: arrays [B, ...], or ``()`` for a policy without memory."""
Metrics = dict[str, jax.Array]
"""Scalars by name, each prefixed by its owner: ``reward/...``, ``agent/...``, ``eval/...``, ``time/...``."""
Examples = dict[str, Any]
"""What a person supplied, unchanging during a run: arrays of example states (see ``rl_rewards.data.examples``) and, as
``demos``, a ``rl_rewards.data.dataset.Dataset`` of demonstrations, with their mean true return as ``demo_return``."""


Record = TypeVar("Record", bound=struct.PyTreeNode)


def make_record(kind: type[Record], **leaves: Any) -> Record:
    """Returns ``kind(**leaves)`` of leaves that are not JAX's: numpy arrays on the host, or abstract shapes.

    Records declare JAX's arrays, which their leaves become inside ``jit``. A type checker cannot follow that.
    """
    return kind(**leaves)


class Transition(struct.PyTreeNode):
    """One environment step s_t, a_t -> s_{t+1}; leaves share the leading axes ``*batch``."""

    obs: Obs  # [*batch, ...] s_t, raw: normalising is the network's job
    action: Action  # [*batch, ...] a_t in the env's units, before the env clips it
    next_obs: Obs  # [*batch, ...] the true successor, never a reset observation
    env_reward: Float[Array, "*batch"]  # for the environment's own source and evaluation only
    terminated: Bool[Array, "*batch"]  # the MDP ended: bootstrap with 0 (or the absorbing value)
    truncated: Bool[Array, "*batch"]  # cut by a limit: bootstrap with V(next_obs)
    valid: Bool[Array, "*batch"]  # False on padding and on the other player's turns
    is_demo: Bool[Array, "*batch"]
    behaviour: dict[str, jax.Array]  # recorded when acting, e.g. log_prob [*batch]
    info: dict[str, jax.Array]  # fixed keys from EnvSpec.info; never a network's input

    @property
    def done(self) -> Bool[Array, "*batch"]:
        """True where the next transition of the same environment belongs to another episode."""
        return self.terminated | self.truncated


class StepOut(NamedTuple):
    """What one environment step gives; arrays with leading axes ``*batch`` (numpy from a host environment)."""

    next_obs: Any  # [*batch, ...] the true successor
    env_reward: Any  # [*batch] f32
    terminated: Any  # [*batch] bool
    truncated: Any  # [*batch] bool
    needs_reset: Any  # [*batch] bool; usually terminated | truncated, but not when only one player's part ended
    info: dict[str, Any]


class RewardFn(struct.PyTreeNode):
    """The current learned reward as a function of transitions; what an algorithm sees of a reward source."""

    call: Callable[[Transition], Float[Array, "*batch"]] = struct.field(pytree_node=False)
    absorbing: Float[Array, ""]  # reward per step after a termination

    def __call__(self, transitions: Transition) -> Float[Array, "*batch"]:
        return self.call(transitions)


class RecordedSteps(Protocol):
    """Steps [N, ...] that the run was supplied with; see ``rl_rewards.data.dataset.Dataset``."""

    @property
    def transitions(self) -> Transition:
        """All of them [N, ...], ``valid`` False on padding."""
        ...

    def at(self, index: jax.Array) -> Transition:
        """Those number ``index``: leaves [*index.shape, ...]."""
        ...


class Experience(NamedTuple):
    """Read-only view of the data; built inside jit and closed over, never crosses a jit boundary."""

    rollout: Transition | None  # [T, B, ...]; None offline
    sample: Callable[[Key, int], Transition]  # (key, N) -> [N, ...] from the replay ring; offline, the dataset
    sample_segments: Callable[[Key, int, int], Transition]  # (key, Q, L) -> [Q, L, ...], never across an episode's end
    log_prob: Callable[[Obs, Action], Float[Array, "*batch"]]  # of the policy that made the data
    sample_demos: Callable[[Key, int], Transition] | None = None  # (key, N) -> [N, ...]; None where there are none
    dataset: RecordedSteps | None = None  # all demonstrations; None where there are none
    memory: Memory = ()  # [B, ...] of the policy, before the rollout's first step
    acted: Bool[Array, "T B"] | None = None  # where the policy acted and its memory moved on; None: at every step


@dataclass(frozen=True)
class Box:
    """A real array; ``low`` and ``high`` are flat, of the array's size, or None where it is unbounded."""

    shape: tuple[int, ...]
    low: tuple[float, ...] | None = None
    high: tuple[float, ...] | None = None
    dtype: str = "float32"


@dataclass(frozen=True)
class Discrete:
    """One of ``n`` actions, as int32 0 .. n-1."""

    n: int

    shape: ClassVar[tuple[int, ...]] = ()
    dtype: ClassVar[str] = "int32"


@dataclass(frozen=True)
class EnvSpec:
    """What rewards, algorithms and reports may know of an environment; plain data, saved as spec.json."""

    name: str
    obs: Box
    action: Box | Discrete
    max_episode_steps: int
    info: Mapping[
        str, tuple[int, ...]
    ]  # key -> shape of one environment's value; "success" and "scene" are float or bool
    ends_early: bool  # True if an episode can end before max_episode_steps
    restores: bool  # True if a state can be put back exactly
    has_success: bool  # True if info["success"] tells whether the task is done in the state just reached
    obs_names: tuple[str, ...] = ()  # one per entry of a flat observation, with its unit
    step_seconds: float = 1.0  # simulated seconds per environment step
    cells: int = 0  # info["cell"], the place just reached, is one of 0 .. cells - 1; 0: places are not counted

    def save(self, path: Path) -> None:
        """Write as JSON."""
        write_whole(path, json.dumps(asdict(self), indent=2) + "\n")

    @classmethod
    def load(cls, path: Path) -> "EnvSpec":
        """Read what :meth:`save` wrote.

        Raises:
            ConfigError: when the file is damaged.
        """
        raw = read_json(path)
        try:
            action = raw["action"]
            raw["obs"] = _box(raw["obs"])
            raw["action"] = Discrete(_whole(action["n"], 1)) if "n" in action else _box(action)
            raw["info"] = {key: _shape(shape) for key, shape in raw["info"].items()}
            raw["obs_names"] = tuple(map(str, raw["obs_names"]))
            _whole(raw["max_episode_steps"], 1)
            return cls(**raw)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ConfigError(f"{path} is no description of an environment: {type(error).__name__}: {error}.") from None


LARGEST = 10**8
"""Entries of an observation or an action; a damaged file may say any number."""


def _box(raw: Any) -> Box:
    shape, dtype = _shape(raw["shape"]), str(np.dtype(raw["dtype"]))
    low, high = (None if raw[side] is None else tuple(map(float, raw[side])) for side in ("low", "high"))
    for bound in (low, high):
        if bound is not None and len(bound) != math.prod(shape):
            raise ValueError(f"{len(bound)} bounds for the shape {list(shape)}")
    return Box(shape=shape, low=low, high=high, dtype=dtype)


def _shape(raw: Any) -> tuple[int, ...]:
    shape = tuple(_whole(size, 0) for size in raw)
    if math.prod(shape) > LARGEST:
        raise ValueError(f"the shape {list(shape)} is too large")
    return shape


def _whole(value: Any, least: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= LARGEST:
        raise ValueError(f"{value} is no whole number from {least} to {LARGEST}")
    return value


LARGEST_BOUND = float(np.sqrt(np.finfo(np.float32).max))
"""A bound beyond this is none: its square overflows f32. Environments write the largest float where they have none."""


def box_bounds(box: Box) -> tuple[np.ndarray, np.ndarray]:
    """Bounds of ``box`` as f32 arrays of its shape; infinite where it is unbounded, see ``LARGEST_BOUND``."""
    if box.low is None or box.high is None:
        return np.full(box.shape, -np.inf, np.float32), np.full(box.shape, np.inf, np.float32)
    low, high = (np.asarray(side, np.float64).reshape(box.shape) for side in (box.low, box.high))
    return (
        np.where(low < -LARGEST_BOUND, -np.inf, low).astype(np.float32),
        np.where(high > LARGEST_BOUND, np.inf, high).astype(np.float32),
    )


def clip_action(space: Box | Discrete, action: Action) -> Action:
    """What an environment of action space ``space`` does when given ``action`` [*batch, ...], in the env's units.

    A real one is clipped to the bounds, a discrete one stays as it is.
    """
    return action if isinstance(space, Discrete) else jnp.clip(action, *box_bounds(space))
