"""Exact states of Gymnasium environments: MuJoCo's own and classic control's, as flat arrays, never as a pickle.

Random generators of all environments beside them, as JSON.

Gymnasium has no interface for this, so it is known here per family, and ``continues_exactly`` tries it out: a family's
environment with hidden state of its own, or inside a wrapper that remembers, is found out and not called restorable.
"""

import json
from typing import Any, Protocol

import gymnasium
import numpy as np

DERIVED = ("xpos", "xquat", "xmat", "xipos", "geom_xpos", "site_xpos", "subtree_com", "sensordata", "cvel", "cfrc_ext")
"""What MuJoCo computes from the state. It lags a substep behind after a step, and some environments (Ant, Humanoid)
read it before the next step: without it their next reward would differ."""

TRIED_STEPS = 8
"""Steps that ``continues_exactly`` compares."""


class Restorer(Protocol):
    """Reads and writes the state of one environment."""

    def read(self) -> np.ndarray:
        """[n] f64: all that the next step depends on."""
        ...

    def write(self, values: np.ndarray) -> None: ...

    def scene(self) -> np.ndarray:
        """[k] f32: enough to draw the state."""
        ...

    def show(self, scene: np.ndarray) -> None:
        """Put the environment where :meth:`scene` was taken, near enough to draw it."""
        ...


class MujocoState:
    """Of a ``MujocoEnv``: MuJoCo's integration state (time and warm start among it) and what lags behind it."""

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
        """Positions alone: joints, then the mocap bodies."""
        data = self._env.data
        return np.concatenate([data.qpos, data.mocap_pos.ravel(), data.mocap_quat.ravel()]).astype(np.float32)

    def show(self, scene: np.ndarray) -> None:
        data, split = self._env.data, self._env.model.nq
        data.qpos[:] = scene[:split]
        places, turns = np.split(scene[split:], [data.mocap_pos.size])
        data.mocap_pos[:], data.mocap_quat[:] = places.reshape(-1, 3), turns.reshape(-1, 4)
        self._mujoco.mj_forward(self._env.model, data)


class ClassicControlState:
    """Of CartPole, Acrobot, both MountainCars and Pendulum: ``state``, and what else a step reads.

    The dtype of ``state`` is kept too: some have f64 after a reset and f32 after a step, and compute in what they have.
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
    """The restorer of ``env``'s family, or None where its state is unknown."""
    from gymnasium.envs import classic_control

    known = ("CartPoleEnv", "AcrobotEnv", "MountainCarEnv", "Continuous_MountainCarEnv", "PendulumEnv")
    if isinstance(env.unwrapped, tuple(getattr(classic_control, name) for name in known)):
        return ClassicControlState(env)
    if hasattr(env.unwrapped, "mujoco_renderer"):  # spares the others the import
        from gymnasium.envs.mujoco import MujocoEnv

        if isinstance(env.unwrapped, MujocoEnv):
            return MujocoState(env)
    return None


def read_generator(env: gymnasium.Env) -> dict[str, Any] | None:
    """The state of ``env``'s random generator: a Generator over any bit generator, or a RandomState; else None."""
    generator = getattr(env.unwrapped, "np_random", None)
    if isinstance(generator, np.random.RandomState):
        return dict(generator.get_state(legacy=False))
    if isinstance(generator, np.random.Generator):
        return dict(generator.bit_generator.state)
    return None


def write_generator(env: gymnasium.Env, state: dict[str, Any] | None) -> None:
    """Put back what :func:`read_generator` returned."""
    generator: Any = getattr(env.unwrapped, "np_random", None)
    if state is None:
        return
    if isinstance(generator, np.random.RandomState):
        generator.set_state(state)
    else:
        generator.bit_generator.state = state


def generators_as_json(states: list[dict[str, Any] | None]) -> str:
    """The inverse of :func:`generators_from_json`."""
    return json.dumps(states, default=_as_plain)


def generators_from_json(text: str) -> list[dict[str, Any] | None]:
    """States as :func:`read_generator` returns them."""
    return json.loads(text, object_hook=_from_plain)


def _as_plain(value: Any) -> Any:
    """Arrays, which all bit generators but PCG64 have, with their dtype."""
    if isinstance(value, np.ndarray):
        return {"array": value.tolist(), "dtype": str(value.dtype)}
    return value.item()


def _from_plain(value: dict[str, Any]) -> Any:
    return np.array(value["array"], value["dtype"]) if value.keys() == {"array", "dtype"} else value


def continues_exactly(env: gymnasium.Env) -> bool:
    """Whether ``env`` put back where it was, from within another episode, gives the same bits again. Resets ``env``.

    Its random generator too: the episodes that begin after that must be the same.
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
    """What each step gave, but for info, up to an end of the episode."""
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
