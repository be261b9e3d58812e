"""Python interface to what a run learned: its policy and its reward as functions of numpy arrays.

``rl_rewards.load_policy(RUN_DIR)`` acts in any program. Any library can train on ``rl_rewards.load_reward(RUN_DIR)``
and on the Gymnasium wrapper ``rl_rewards.LearnedReward(env, RUN_DIR)``. Only the run's configuration, its spec.json and
the policy or the reward in its checkpoint are read.
"""

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np

from rl_rewards.core.checks import require
from rl_rewards.core.errors import ConfigError
from rl_rewards.core.types import Discrete, EnvSpec, Transition
from rl_rewards.loop.loaded_policy import LoadedPolicy, batch_axes
from rl_rewards.loop.onnx_file import OnnxInput, write_onnx
from rl_rewards.loop.policies import restore_policy
from rl_rewards.loop.sources import RestoredReward, restore_from_run
from rl_rewards.loop.trust import trusted_packages


def load_policy(run_dir: str | PathLike, seed: int | None = None, trust: str | Sequence[str] = ()) -> LoadedPolicy:
    """Return the policy of the newest checkpoint of ``run_dir``; arguments and errors are those of :func:`load_reward`.

    Args:
        run_dir: the folder of a run; RUN_DIR@best for the policy of its best evaluation, RUN_DIR@12 for that after 12
            rounds, RUN_DIR@last for the newest.
        seed: the seed whose policy is loaded; needed if several seeds were trained in one program.
        trust: a package, or several, with your own classes of algorithms and models. Loading runs their code.
    """
    return LoadedPolicy(restore_policy(run_dir, seed, trusted_packages(trust)))


def load_reward(run_dir: str | PathLike, seed: int | None = None, trust: str | Sequence[str] = ()) -> "LoadedReward":
    """Return the reward of the newest checkpoint of ``run_dir``, without changing anything in the folder.

    The folder may be someone else's: only classes of rl_rewards and of the packages in ``trust`` are used.

    Args:
        run_dir: the folder of a run; RUN_DIR@best for the reward of its best evaluation, RUN_DIR@12 for that after 12
            rounds, RUN_DIR@last for the newest.
        seed: the seed whose reward is loaded; needed if several seeds were trained in one program.
        trust: a package, or several, with your own reward classes. Loading the reward runs their code.

    Raises:
        ConfigError: when the folder is not a run's folder, has no checkpoint or has a damaged file, when its
            configuration names a class that is not trusted, or when it has several seeds and ``seed`` is None.
    """
    return LoadedReward(restore_from_run(run_dir, seed, trusted_packages(trust)))


class LoadedReward:
    """The reward r(s, a, s') of numpy arrays in the environment's units. It compiles once for each batch shape.

    Attributes:
        spec: the specification of the environment that the reward was learned on.
        reads: the inputs that the reward depends on, among obs, action, next_obs, env_reward and info.KEY.
    """

    def __init__(self, restored: RestoredReward) -> None:
        source, state, self.spec = restored
        self.reads = source.requirements.reads
        self._info_keys = source.requirements.info_keys
        self._of_transitions = partial(source.portable_reward, state)
        self._reward = jax.jit(lambda values: self._of_transitions(self._transitions(values)))

    def __call__(
        self,
        obs: np.ndarray,
        action: np.ndarray | None = None,
        next_obs: np.ndarray | None = None,
        *,
        env_reward: np.ndarray | None = None,
        info: Mapping[str, np.ndarray] | None = None,
    ) -> np.ndarray:
        """Return the reward [*batch] f32; without batch axes a single number.

        All arguments but ``obs`` are needed only if ``reads`` names them.

        Args:
            obs: [*batch, *obs] the state s.
            action: [*batch, *action] the action in s; discrete actions are 0 .. n-1.
            next_obs: [*batch, *obs] the true successor s', not the first observation of the next episode.
            env_reward: [*batch] the environment's own reward.
            info: the values [*batch, ...] that the environment reports, by their keys.

        Raises:
            ConfigError: when an input that the reward reads is missing, or a shape does not fit.
        """
        given = {"obs": obs, "action": action, "next_obs": next_obs, "env_reward": env_reward}
        given |= {f"info.{key}": (info or {}).get(key) for key in self._info_keys}
        for name in self.reads:
            require(
                given[name] is not None,
                f"This reward reads {', '.join(self.reads)}, and {name} is missing; give it as {_argument(name)}.",
            )
        batch = batch_axes(self.spec, np.asarray(obs), "reward")
        values = {
            name: np.zeros((*batch, *shape), dtype)
            if given[name] is None
            else _checked(self.spec, name, np.asarray(given[name]), batch, shape, dtype)
            for name, (shape, dtype) in self._layout().items()
        }
        _check_choice(self.spec, values["action"])
        return np.asarray(self._reward(values))

    def to_onnx(self, path: str | PathLike) -> Path:
        """Write the reward as an ONNX file and return its path.

        Its inputs are those that the reward reads (``reads``) by their names, each [B, ...]; its output is ``reward``
        [B]. It has been compared with JAX. ``make onnx`` installs what this needs.

        Raises:
            ConfigError: when the reward cannot be converted, what is needed is not installed, or the file cannot be
                written.
        """
        layout = self._layout()
        choices = self.spec.action.n if isinstance(self.spec.action, Discrete) else None
        inputs = {name: OnnxInput(*layout[name], choices if name == "action" else None) for name in self.reads}
        require(bool(inputs), f"{path} is not written: this reward reads nothing, so that it is a constant.")

        def reward(*given: jax.Array) -> jax.Array:
            batch, known = given[0].shape[:1], dict(zip(inputs, given, strict=True))
            values = {
                name: known[name] if name in known else jnp.zeros((*batch, *shape), dtype)
                for name, (shape, dtype) in layout.items()
            }
            return self._of_transitions(self._transitions(values))

        return write_onnx(path, reward, inputs, "reward")

    def _transitions(self, values: Mapping[str, Any]) -> Transition:
        """Return transitions of ``values``, which has the names of :meth:`_layout`; no episode ends in them."""
        flag = jnp.zeros_like(values["env_reward"], bool)  # [*batch]
        return Transition(
            **{name: value for name, value in values.items() if not name.startswith("info.")},
            terminated=flag,
            truncated=flag,
            valid=~flag,
            is_demo=flag,
            behaviour={},
            info={key: values[f"info.{key}"] for key in self._info_keys},
        )

    def _layout(self) -> dict[str, tuple[tuple[int, ...], str]]:
        """Return shape without batch axes, and dtype, of every possible input."""
        spec = self.spec
        action = (spec.action.shape, spec.action.dtype)
        obs = (tuple(spec.obs.shape), spec.obs.dtype)
        infos = {f"info.{key}": (tuple(spec.info[key]), "float32") for key in self._info_keys}
        return {"obs": obs, "action": action, "next_obs": obs, "env_reward": ((), "float32"), **infos}


class LearnedReward(gymnasium.Wrapper):
    """Gymnasium wrapper that replaces an environment's reward; the true reward stays in ``info["env_reward"]``.

    Args:
        reward: a run's folder, as for :func:`load_reward`, or any function (obs, action, next_obs) -> number.
        seed: as for :func:`load_reward`.
        trust: as for :func:`load_reward`.
    """

    def __init__(
        self,
        env: gymnasium.Env,
        reward: str | PathLike | Callable[..., Any],
        seed: int | None = None,
        trust: str | Sequence[str] = (),
    ) -> None:
        super().__init__(env)
        self.learned_reward = reward if callable(reward) else load_reward(reward, seed, trust)
        if isinstance(self.learned_reward, LoadedReward):
            _check_space(self.learned_reward.spec, env)
        self._obs: Any = None

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        obs, info = self.env.reset(seed=seed, options=options)
        self._obs = deepcopy(obs)  # an environment may reuse the buffer for the next observation
        return obs, info

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        next_obs, env_reward, terminated, truncated, info = self.env.step(action)
        if isinstance(self.learned_reward, LoadedReward):
            counted = _from_zero(self.env.action_space, action)
            reward = float(self.learned_reward(self._obs, counted, next_obs, env_reward=env_reward, info=info))
        else:  # any other function receives the action as the environment counts it
            reward = float(self.learned_reward(self._obs, action, next_obs))
        self._obs = deepcopy(next_obs)
        return next_obs, reward, terminated, truncated, {**info, "env_reward": float(env_reward)}


def _from_zero(space: gymnasium.Space, action: Any) -> Any:
    """Return a discrete action counted from 0, as rewards expect it, wherever the environment's numbers start."""
    return action - space.start if isinstance(space, gymnasium.spaces.Discrete) else action


def _argument(name: str) -> str:
    return f"info={{'{name.removeprefix('info.')}': ARRAY}}" if name.startswith("info.") else f"{name}=ARRAY"


def _checked(
    spec: EnvSpec, name: str, value: np.ndarray, batch: tuple[int, ...], shape: tuple[int, ...], dtype: str
) -> np.ndarray:
    require(
        value.shape == (*batch, *shape),
        f"{name} has the shape {list(value.shape)}; with obs of batch axes {list(batch)} this reward, learned on "
        f"{spec.name}, needs {[*batch, *shape]}.",
    )
    numeric = np.issubdtype(value.dtype, np.number) or value.dtype == bool
    wrong = not numeric or (dtype == "uint8" and value.dtype != np.uint8)
    require(not wrong, f"{name} has the type {value.dtype}; this reward was learned on {dtype}.")
    return value.astype(dtype)


def _check_choice(spec: EnvSpec, action: np.ndarray) -> None:
    """Refuse discrete actions outside 0 .. n-1."""
    if isinstance(spec.action, Discrete) and action.size:
        least, most = int(action.min()), int(action.max())
        require(
            least >= 0 and most < spec.action.n,
            f"action holds {least if least < 0 else most}; {spec.name} has {spec.action.n} actions, counted from 0 "
            f"to {spec.action.n - 1} here.",
        )


def _check_space(spec: EnvSpec, env: gymnasium.Env) -> None:
    shape = env.observation_space.shape
    if shape is None or tuple(shape) != tuple(spec.obs.shape):
        raise ConfigError(
            f"This environment's observations have the shape {None if shape is None else list(shape)}; the reward was "
            f"learned on {spec.name}, whose obs has the shape {list(spec.obs.shape)}."
        )
