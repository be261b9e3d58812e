"""Exact states of Gymnasium's MuJoCo and classic control environments, as flat arrays, never as a pickle.

The random generators of all environments are stored as JSON.

Gymnasium has no interface for states, so that each family has a class here, and ``continues_exactly`` tests it: an
environment with hidden state, or in a wrapper with memory, fails the test and does not count as restorable.
"""

import json
from typing import Any, Protocol

import gymnasium
import numpy as np

DERIVED = ("xpos", "xquat", "xmat", "xipos", "geom_xpos", "site_xpos", "subtree_com", "sensordata", "cvel", "cfrc_ext")
"""Values that MuJoCo computes from the state. After a step they lag one substep behind, and some environments (Ant,
Humanoid) read them before the next step: without them the next reward would differ."""

TRIED_STEPS = 8
"""The number of steps that ``continues_exactly`` compares."""


class Restorer(Protocol):
    """Reads and writes the state of one environment."""

    def read(self) -> np.ndarray:
        """Return all that the next step depends on, f64 [n]."""
        ...

    def write(self, values: np.ndarray) -> None: ...

    def scene(self) -> np.ndarray:
        """Return enough to draw the state, f32 [k]."""
        ...

    def show(self, scene: np.ndarray) -> None:
        """Set the environment to the state of :meth:`scene`, exactly enough to draw it."""
        ...


class MujocoState:
    """State of a ``MujocoEnv``: MuJoCo's integration state, with time and warm start, and ``DERIVED``."""

    def __init__(self, env: gymnasium.Env) -> None:
        import mujoco

        self._mujoco: Any = mujoco  # in C, without stubs
        self._env: Any = env.unwrapped
        self._kind = self._mujoco.mjtState.mjSTATE_INTEGRATION
        self._size = self._mujoco.mj_stateSize(self._env.model, self._kind)

    def read(self) -> np.ndarray:
        data = self._env.data
        state = np.empty(self._size)
        self._mujoco.mj_getState(self._env.model, data, state, self._kind)
        return np.concatenate([state, *(np.ravel(getattr(data, name)) for name in DERIVED)])

    def write(self, values: np.ndarray) -> None:
        data = self._env.data
        self._mujoco.mj_setState(self._env.model, data, np.ascontiguousarray(values[: self._size]), self._kind)
        start = self._size
        for name in DERIVED:
            target = getattr(data, name)
            target[...] = values[start : start + target.size].reshape(target.shape)
            start += target.size

    def scene(self) -> np.ndarray:
        """Return positions only: joints, then mocap bodies."""
        data = self._env.data
        return np.concatenate([data.qpos, data.mocap_pos.ravel(), data.mocap_quat.ravel()]).astype(np.float32)

    def show(self, scene: np.ndarray) -> None:
        data, split = self._env.data, self._env.model.nq
        data.qpos[:] = scene[:split]
        places, turns = np.split(scene[split:], [data.mocap_pos.size])
        data.mocap_pos[:], data.mocap_quat[:] = places.reshape(-1, 3), turns.reshape(-1, 4)
        self._mujoco.mj_forward(self._env.model, data)


class ClassicControlState:
    """State of CartPole, Acrobot, both MountainCars and Pendulum: ``state`` and whatever else a step reads.

    The dtype of ``state`` is stored too: some environments have f64 after a reset and f32 after a step, and compute in
    that dtype.
    """

    def __init__(self, env: gymnasium.Env) -> None:
        self._env: Any = env.unwrapped

    def read(self) -> np.ndarray:
        state = np.asarray(self._env.state)
        beyond = getattr(self._env, "steps_beyond_terminated", None)
        return np.array([*state, state.itemsize, -1 if beyond is None else beyond], np.float64)

    def write(self, values: np.ndarray) -> None:
        *state, itemsize, beyond = values
        self._env.state = np.array(state, np.float32 if itemsize == 4 else np.float64)
        if hasattr(self._env, "steps_beyond_terminated"):
            self._env.steps_beyond_terminated = None if beyond < 0 else int(beyond)

    def scene(self) -> np.ndarray:
        return np.asarray(self._env.state, np.float32)

    def show(self, scene: np.ndarray) -> None:
        self._env.state = np.asarray(scene, np.float64)


def restorer(env: gymnasium.Env) -> Restorer | None:
    """Return the restorer of ``env``'s family, or None if the family is unknown."""
    from gymnasium.envs import classic_control

    known = ("CartPoleEnv", "AcrobotEnv", "MountainCarEnv", "Continuous_MountainCarEnv", "PendulumEnv")
    if isinstance(env.unwrapped, tuple(getattr(classic_control, name) for name in known)):
        return ClassicControlState(env)
    if hasattr(env.unwrapped, "mujoco_renderer"):  # so that other environments skip the import
        from gymnasium.envs.mujoco import MujocoEnv

        if isinstance(env.unwrapped, MujocoEnv):
            return MujocoState(env)
    return None


def read_generator(env: gymnasium.Env) -> dict[str, Any] | None:
    """Return the state of ``env``'s random generator (any Generator or a RandomState); None if it has neither."""
    generator = getattr(env.unwrapped, "np_random", None)
    if isinstance(generator, np.random.RandomState):
        return dict(generator.get_state(legacy=False))
    if isinstance(generator, np.random.Generator):
        return dict(generator.bit_generator.state)
    return None


def write_generator(env: gymnasium.Env, state: dict[str, Any] | None) -> None:
    """Restore the state that :func:`read_generator` returned."""
    generator: Any = getattr(env.unwrapped, "np_random", None)
    if state is None:
        return
    if isinstance(generator, np.random.RandomState):
        generator.set_state(state)
    else:
        generator.bit_generator.state = state


def generators_as_json(states: list[dict[str, Any] | None]) -> str:
    """Return states of :func:`read_generator` as JSON: the inverse of :func:`generators_from_json`."""
    return json.dumps(states, default=_as_plain)


def generators_from_json(text: str) -> list[dict[str, Any] | None]:
    """Return the states in a text of :func:`generators_as_json`."""
    return json.loads(text, object_hook=_from_plain)


def _as_plain(value: Any) -> Any:
    """Return ``value`` as plain Python; all bit generators but PCG64 have arrays, which keep their dtype."""
    if isinstance(value, np.ndarray):
        return {"array": value.tolist(), "dtype": str(value.dtype)}
    return value.item()


def _from_plain(value: dict[str, Any]) -> Any:
    return np.array(value["array"], value["dtype"]) if value.keys() == {"array", "dtype"} else value


def continues_exactly(env: gymnasium.Env) -> bool:
    """Return True if ``env``, restored to a state during another episode, repeats the same steps bit for bit.

    Its random generator is tested too: the episodes that begin after a restore must be the same. Resets ``env``.
    """
    state = restorer(env)
    if state is None:
        return False
    env.reset(seed=1)
    generator = read_generator(env)
    started = env.reset()[0]
    write_generator(env, generator)
    if generator is None or not np.array_equal(started, env.reset()[0]):
        return False
    env.action_space.seed(0)
    actions = [env.action_space.sample() for _ in range(TRIED_STEPS)]
    env.reset(seed=1)
    _play(env, actions[:3])
    kept = state.read()
    first = _play(env, actions)
    env.reset(seed=2)
    _play(env, actions[:2])
    state.write(kept)
    return _same(first, _play(env, actions))


def _play(env: gymnasium.Env, actions: list[Any]) -> list[tuple]:
    """Return what each step gave, without info, up to a termination."""
    steps = []
    for action in actions:
        steps.append(env.step(action)[:4])
        if steps[-1][2]:
            break
    return steps


def _same(first: list[tuple], second: list[tuple]) -> bool:
    if len(first) != len(second):
        return False
    pairs = [pair for steps in zip(first, second, strict=True) for pair in zip(*steps, strict=True)]
    return all(np.array_equal(np.asarray(a), np.asarray(b)) for a, b in pairs)
