"""The data that environments, reward sources and algorithms pass to each other.

Shape letters used everywhere: T rollout steps, B parallel environments, N minibatch, L segment length,
E ensemble members, S seeds. ``*batch`` stands for any leading axes.

A training reward is never stored: ``Transition`` only has ``env_reward``, and learners receive a ``RewardFn``.
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
from rl_rewards.core.text_spec import LARGEST, TextSpec, read_text_spec, whole

Key = jax.Array
"""A typed ``jax.random.key``; every function that takes one consumes it."""
Obs = jax.Array
Action = jax.Array
Memory = Any
"""The memory of a policy within an episode: arrays [B, ...], or ``()`` for a policy without memory."""
Metrics = dict[str, jax.Array]
"""Scalars by name, each prefixed by its owner: ``reward/...``, ``agent/...``, ``eval/...``, ``time/...``."""
Examples = dict[str, Any]
"""The user's data, which does not change during a run: arrays of example states (see ``rl_rewards.data.examples``) and
two data sets (``rl_rewards.data.dataset.Dataset``): ``demos``, demonstrations, and ``recorded``, the steps that an
offline algorithm learns from. Their mean true returns are ``demo_return`` and ``recorded_return``. ``compared`` has the
comparisons of the environment's file (``rl_rewards.core.queries.GivenComparisons``).
"""


Record = TypeVar("Record", bound=struct.PyTreeNode)


def make_record(kind: type[Record], **leaves: Any) -> Record:
    """Return ``kind(**leaves)`` with leaves that are not JAX arrays: numpy arrays on the host, or abstract shapes.

    Records declare JAX arrays, because their leaves are JAX arrays inside ``jit``. This function hides the difference
    from type checkers.
    """
    return kind(**leaves)


class Transition(struct.PyTreeNode):
    """One environment step s_t, a_t -> s_{t+1}; leaves share the leading axes ``*batch``."""

    obs: Obs  # [*batch, ...] s_t, raw: networks normalise it themselves
    action: Action  # [*batch, ...] a_t in the env's units, before the env clips it
    next_obs: Obs  # [*batch, ...] the true successor, never a reset observation
    env_reward: Float[Array, "*batch"]  # read only by the source `environment` and by evaluation
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
    """The result of one environment step; arrays with leading axes ``*batch`` (numpy from a host environment)."""

    next_obs: Any  # [*batch, ...] the true successor
    env_reward: Any  # [*batch] f32
    terminated: Any  # [*batch] bool
    truncated: Any  # [*batch] bool
    needs_reset: Any  # [*batch] bool; terminated | truncated, except when only one player's part of a game ended
    info: dict[str, Any]


class RewardFn(struct.PyTreeNode):
    """The current learned reward as a function of transitions; algorithms see nothing else of a reward source."""

    call: Callable[[Transition], Float[Array, "*batch"]] = struct.field(pytree_node=False)
    absorbing: Float[Array, ""]  # reward per step after a termination

    def __call__(self, transitions: Transition) -> Float[Array, "*batch"]:
        return self.call(transitions)


class RecordedSteps(Protocol):
    """Recorded steps [N, ...] that the user supplied; see ``rl_rewards.data.dataset.Dataset``."""

    @property
    def transitions(self) -> Transition:
        """All steps [N, ...]; ``valid`` is False on padding."""
        ...

    def at(self, index: jax.Array) -> Transition:
        """Return the steps at ``index``: leaves [*index.shape, ...]."""
        ...


def _no_groups(key: Key, queries: int, clips: int) -> Transition:
    raise ConfigError(
        "This reward compares what follows from the same start, but each environment of this run starts by itself; "
        "choose an algorithm with algorithm.same_start of at least 2."
    )


def _no_completions(key: Key, steps: Transition, place: Any) -> Transition:
    raise ConfigError(
        "This reward completes responses from the end of a step, which only a language model can in an environment of "
        "texts; choose env=text_chains and algorithm=sampler, rloo or another learner of texts."
    )


def _no_retries(key: Key, segments: Transition, action: Action) -> Transition:
    raise ConfigError(
        "This reward asks what other actions would have done, and this run cannot begin its environment in an "
        "observation; choose reward.corrections_from=experience."
    )


class Experience(NamedTuple):
    """A read-only view of the data, built inside jit; it never crosses a jit boundary."""

    rollout: Transition | None  # [T, B, ...]; None offline
    sample: Callable[[Key, int], Transition]  # (key, N) -> [N, ...] from the replay ring; offline, the data set
    sample_segments: Callable[[Key, int, int], Transition]  # (key, Q, L) -> [Q, L, ...], never across an episode's end
    log_prob: Callable[[Obs, Action], Float[Array, "*batch"]]  # of the policy that made the rollout
    sample_demos: Callable[[Key, int], Transition] | None = None  # (key, N) -> [N, ...]; None without demonstrations
    dataset: RecordedSteps | None = None  # offline, all recorded steps; else all demonstrations, or None
    memory: Memory = ()  # [B, ...] of the policy, before the rollout's first step
    sample_same_start: Callable[[Key, int, int], Transition] = _no_groups  # (key, Q, K) -> [Q, K, 1, ...] first steps
    comparisons: Any = None
    """``rl_rewards.core.queries.Comparisons`` that the reward has been told or that the environment's file has; None
    unless the algorithm needs them."""
    complete: Callable[[Key, Transition, Any], Transition] = _no_completions
    """(key, responses [N], place [N]) -> [N]: the policy writes anew what follows after the token ``place``, and the
    environment judges the result."""
    retry: Callable[[Key, Transition, Action], Transition] = _no_retries
    """(key, segments [N, L, ...], other actions [N, L, ...]) -> [N, L, ...]: what these actions do in the environment
    from where the segments begin; not counted as env steps of the run."""
    acted: Bool[Array, "T B"] | None = None
    """Where the policy acted and its memory advanced; None means everywhere. In the other steps another player acted:
    they are never valid, and the step before them is ``done``."""


@dataclass(frozen=True)
class Box:
    """A space of real arrays; ``low`` and ``high`` are flattened bounds, or None if it is unbounded."""

    shape: tuple[int, ...]
    low: tuple[float, ...] | None = None
    high: tuple[float, ...] | None = None
    dtype: str = "float32"


@dataclass(frozen=True)
class Discrete:
    """A space of ``n`` actions, which are int32 0 .. n-1."""

    n: int

    shape: ClassVar[tuple[int, ...]] = ()
    dtype: ClassVar[str] = "int32"


REVISED_BY = "revised_by"
"""In a transition's ``behaviour``: the number of the principle by which a response was revised, or -1."""
REVISION = (REVISED_BY, "original", "critique")
"""The entries of ``behaviour`` that a policy which revises its responses adds; recordings keep all of them."""


@dataclass(frozen=True)
class EnvSpec:
    """The properties of an environment that rewards, algorithms and reports may use; saved as spec.json."""

    name: str
    obs: Box
    action: Box | Discrete
    max_episode_steps: int
    info: Mapping[
        str, tuple[int, ...]
    ]  # key -> shape of the value in one environment; "success" and "scene" are float or bool
    ends_early: bool  # True if an episode can end before max_episode_steps
    restores: bool  # True if a saved state can be restored exactly
    has_success: bool  # True if info["success"] tells whether the task is done in the state just reached
    has_true_reward: bool = True  # False if nothing measures what is wanted; then ``env_reward`` is always 0
    obs_names: tuple[str, ...] = ()  # one per entry of a flat observation, with its unit
    step_seconds: float = 1.0  # simulated seconds per environment step
    cells: int = 0  # info["cell"], the cell just reached, is one of 0 .. cells - 1; with 0 there are no cells
    text: TextSpec | None = None  # how observations and actions hold text; None: they are not text
    objectives: tuple[str, ...] = ()  # the observation tells the policy a weight of each, see ``core.objectives``

    def save(self, path: Path) -> None:
        """Write the spec to ``path`` as JSON."""
        write_whole(path, json.dumps(asdict(self), indent=2) + "\n")

    @classmethod
    def load(cls, path: Path) -> "EnvSpec":
        """Return the spec that :meth:`save` wrote.

        Raises:
            ConfigError: if the file is damaged.
        """
        raw = read_json(path)
        try:
            action = raw["action"]
            raw["obs"] = _box(raw["obs"])
            raw["action"] = Discrete(whole(action["n"], 1)) if "n" in action else _box(action)
            raw["info"] = {key: _shape(shape) for key, shape in raw["info"].items()}
            raw["obs_names"] = tuple(map(str, raw["obs_names"]))
            raw["objectives"] = tuple(map(str, raw.get("objectives", ())))  # older files lack it
            raw["text"] = None if raw.get("text") is None else read_text_spec(raw["text"])
            whole(raw["max_episode_steps"], 1)
            return cls(**raw)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ConfigError(f"{path} is not a valid environment spec: {type(error).__name__}: {error}.") from None


def _box(raw: Any) -> Box:
    shape, dtype = _shape(raw["shape"]), str(np.dtype(raw["dtype"]))
    low, high = (None if raw[side] is None else tuple(map(float, raw[side])) for side in ("low", "high"))
    for bound in (low, high):
        if bound is not None and len(bound) != math.prod(shape):
            raise ValueError(f"{len(bound)} bounds for the shape {list(shape)}")
    return Box(shape=shape, low=low, high=high, dtype=dtype)


def _shape(raw: Any) -> tuple[int, ...]:
    shape = tuple(whole(size, 0) for size in raw)
    if math.prod(shape) > LARGEST:
        raise ValueError(f"the shape {list(shape)} is too large")
    return shape


LARGEST_BOUND = float(np.sqrt(np.finfo(np.float32).max))
"""A bound beyond this counts as infinite, because its square overflows f32. Environments often write the largest float
where they have no bound."""


def box_bounds(box: Box) -> tuple[np.ndarray, np.ndarray]:
    """Return the bounds of ``box`` as f32 arrays of its shape, infinite where it is unbounded (``LARGEST_BOUND``)."""
    if box.low is None or box.high is None:
        return np.full(box.shape, -np.inf, np.float32), np.full(box.shape, np.inf, np.float32)
    low, high = (np.asarray(side, np.float64).reshape(box.shape) for side in (box.low, box.high))
    return (
        np.where(low < -LARGEST_BOUND, -np.inf, low).astype(np.float32),
        np.where(high > LARGEST_BOUND, np.inf, high).astype(np.float32),
    )


def clip_action(space: Box | Discrete, action: Action) -> Action:
    """Return the action that an environment executes when given ``action`` [*batch, ...], in the env's units.

    An action in a box is clipped to the bounds of ``space``; a discrete one is returned unchanged.
    """
    if isinstance(space, Discrete):
        return action
    low, high = box_bounds(space)
    if is_whole(space):  # tokens stay integers, whatever the type of the bounds
        low, high = low.astype(space.dtype), high.astype(space.dtype)
    return jnp.clip(action, low, high)


def is_whole(space: Box | Discrete) -> bool:
    """Return True if the entries of ``space`` are whole numbers, such as the tokens of a text, and not pixels."""
    return np.issubdtype(np.dtype(space.dtype), np.integer) and space.dtype != "uint8"
