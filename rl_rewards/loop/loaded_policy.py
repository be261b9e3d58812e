"""The policy of a run outside of it, as a function of numpy arrays; ``rl_rewards.load_policy`` returns it."""

from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rl_rewards.core.checks import require
from rl_rewards.core.types import Discrete, EnvSpec, Memory, clip_action
from rl_rewards.loop.onnx_file import OnnxInput, write_onnx
from rl_rewards.loop.policies import RestoredPolicy


class LoadedPolicy:
    """The policy pi(a|s) of numpy arrays in the environment's units; it compiles once for each batch shape.

    The statistics that normalise observations are part of the policy, so that observations are given as the environment
    returns them. A language model takes and returns tokens as its environment has them: ``obs`` holds the prompt, and
    the action is the whole response. A policy of self-play takes the observations of its game.

    Attributes:
        spec: the specification of the environment that the policy was trained on.
        has_memory: True if the policy remembers earlier steps of an episode; then use :meth:`act`.
    """

    def __init__(self, restored: RestoredPolicy) -> None:
        self.spec, self._algorithm, self._state = restored.spec, restored.algorithm, restored.state
        self.has_memory = bool(jax.tree.leaves(jax.eval_shape(partial(self._algorithm.initial_memory, 1))))
        self._act = jax.jit(self._one_step, static_argnames="explore")
        self._calls = 0

    def predict(self, obs: np.ndarray, *, deterministic: bool = False, seed: int | None = None) -> np.ndarray:
        """Return the actions [*batch, *action] in observations; numbers are clipped to the action's bounds.

        Discrete actions are 0 .. n-1, wherever the environment's own numbers start.

        Args:
            obs: [*batch, *obs] raw observations; without batch axes, one observation.
            deterministic: return the mode of the policy instead of a sample.
            seed: of the samples. By default every call samples anew, in the same sequence after every load.

        Raises:
            ConfigError: when the shape does not fit, or the policy has a memory.
        """
        require(
            not self.has_memory,
            "This policy remembers earlier steps of an episode, which predict cannot; begin episodes with "
            "memory = policy.initial_memory(B), and step with action, memory = policy.act(obs, memory).",
        )
        obs = np.asarray(obs)
        batch = batch_axes(self.spec, obs, "policy")
        flat = obs.reshape(-1, *obs.shape[len(batch) :])
        action, _ = self.act(flat, (), deterministic=deterministic, seed=seed)
        return action.reshape(*batch, *action.shape[1:])

    def initial_memory(self, count: int) -> Memory:
        """Return the memory of ``count`` episodes before their first steps, arrays [count, ...]; () without memory."""
        return self._algorithm.initial_memory(count)

    def act(
        self, obs: np.ndarray, memory: Memory, *, deterministic: bool = False, seed: int | None = None
    ) -> tuple[np.ndarray, Memory]:
        """Return the actions [B, *action], and the memory for the next step; see :meth:`predict`.

        Args:
            obs: [B, *obs] raw observations.
            memory: of the step before. Put rows of :meth:`initial_memory` where an episode begins.
        """
        obs = np.asarray(obs)
        batch = batch_axes(self.spec, obs, "policy")
        require(len(batch) == 1, f"obs has the shape {list(obs.shape)}; act needs one batch axis before the obs's own.")
        images = self.spec.obs.dtype == "uint8"
        require(not images or obs.dtype == np.uint8, f"obs has the type {obs.dtype}; this policy was trained on uint8.")
        if deterministic or seed is not None:
            key = jax.random.key(seed or 0)
        else:
            key, self._calls = jax.random.fold_in(jax.random.key(0), self._calls), self._calls + 1
        action, memory = self._act(self._state, memory, obs.astype(self.spec.obs.dtype), key, explore=not deterministic)
        return np.asarray(action), memory

    def to_onnx(self, path: str | PathLike) -> Path:
        """Write the policy's mode as an ONNX file, obs [B, *obs] -> action [B, *action], and return its path.

        The file takes raw observations in the dtype of ``spec.obs``; it has been compared with JAX. ``make onnx``
        installs what this needs.

        Raises:
            ConfigError: when the policy has a memory or cannot be converted, what is needed is not installed, or the
                file cannot be written.
        """
        require(
            not self.has_memory,
            f"{path} is not written: this policy remembers earlier steps of an episode, and only a function of one "
            "observation is written as ONNX.",
        )

        def mode(obs: jax.Array) -> jax.Array:
            return self._one_step(self._state, (), obs, jax.random.key(0), explore=False)[0]

        return write_onnx(path, mode, {"obs": OnnxInput(tuple(self.spec.obs.shape), self.spec.obs.dtype)}, "action")

    def _one_step(self, state: Any, memory: Memory, obs: jax.Array, key: jax.Array, explore: bool) -> Any:
        action, memory, _ = self._algorithm.act(state, memory, obs, key, explore)
        if not isinstance(self.spec.action, Discrete):
            action = clip_action(self.spec.action, action)
        return jnp.asarray(action, self.spec.action.dtype), memory


def batch_axes(spec: EnvSpec, obs: np.ndarray, learned: str) -> tuple[int, ...]:
    """Return the batch axes of observations [*batch, *obs].

    Args:
        learned: what was learned on ``spec``, for the message: "reward" or "policy".

    Raises:
        ConfigError: when the observations have another shape.
    """
    shape = tuple(spec.obs.shape)
    batch = obs.shape[: max(0, obs.ndim - len(shape))]
    require(
        obs.shape == (*batch, *shape),
        f"obs has the shape {list(obs.shape)}; this {learned} was learned on {spec.name}, whose obs has the shape "
        f"{list(shape)} after any batch axes.",
    )
    return batch
