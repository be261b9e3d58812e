"""``gymnasium``: any registered Gymnasium id, or your own ``module:Class``, in plain environments in this process.

Each environment is stepped and reset on its own, without Gymnasium's vector environments, so that ``next_obs`` is the
true successor. The step limit is counted here, separately from the environment's own ``terminated``.
"""

import atexit
import logging
import os
import sys
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import gymnasium
import numpy as np

from rl_rewards.core.checks import check_fields, require
from rl_rewards.core.errors import CannotDraw, ConfigError, one_line
from rl_rewards.core.requirements import Requirements
from rl_rewards.core.types import EnvSpec
from rl_rewards.envs.adapters.faults import raised
from rl_rewards.envs.adapters.gymnasium_batch import GymnasiumBatch
from rl_rewards.envs.adapters.gymnasium_checks import action_space, registered
from rl_rewards.envs.adapters.gymnasium_state import Restorer, continues_exactly, restorer
from rl_rewards.envs.adapters.observations import Observations
from rl_rewards.envs.adapters.returned import AUTO, Reader, find_success
from rl_rewards.envs.base import HostEnvironment


class _Found(NamedTuple):
    """Results of making an environment and trying a step."""

    spec: EnvSpec
    reader: Reader
    notes: list[str]


@dataclass(frozen=True, kw_only=True)
class Gymnasium(HostEnvironment):
    """A Gymnasium environment; keys and units: configs/env/gymnasium.yaml.

    Discrete observations become f32 one-hot vectors.

    Raises:
        ConfigError: for an id that cannot be made, spaces that are not supported, info keys that do not exist, and
            wrong values or exceptions of an environment (``EnvironmentFault``); when ``spec`` is first read, and later.
    """

    id: str
    kwargs: dict[str, Any]
    max_episode_steps: int | None
    info: tuple[str, ...]
    success: str | None
    ends_early: bool
    flatten_observations: bool = False

    def __post_init__(self) -> None:
        check_fields(self, "env")
        limit = self.max_episode_steps
        require(limit is None or limit > 0, f"env.max_episode_steps={limit} must be at least 1, or null.")
        taken = sorted({"success", "scene"} & set(self.info))
        require(not taken, f"env.info has '{(taken or [''])[0]}', which is a reserved name; see env.success.")

    @property
    def spec(self) -> EnvSpec:
        return self._found.spec

    @property
    def requirements(self) -> Requirements:
        return Requirements(notes=tuple(self._found.notes))

    @cached_property
    def _found(self) -> _Found:
        """Return the results of making one environment and trying a step."""
        env = self.make_one()
        limit = self.max_episode_steps or registered(self.id).max_episode_steps
        if limit is None:
            raise ConfigError(f"{self.id} has no registered step limit; give one with env.max_episode_steps=N.")
        action = action_space(self.id, env.action_space)
        observations = Observations(self.id, env.observation_space, self.flatten_observations)
        reader, notes = self._tried(env, observations, limit)
        try:
            state, exact = restorer(env), continues_exactly(env)
        except Exception as error:  # whatever the environment's own code raises
            raise raised(self.id, 0, 0, error) from error
        info: dict[str, tuple[int, ...]] = dict.fromkeys(self.info, ())
        if reader.success is not None:
            info["success"] = ()
        if state is not None:
            info["scene"] = state.scene().shape
        frames_per_second = env.metadata.get("render_fps")
        spec = EnvSpec(
            name=self.id.rpartition(":")[2],
            obs=observations.box,
            action=action,
            max_episode_steps=limit,
            info=info,
            ends_early=self.ends_early,
            restores=exact,
            has_success=reader.success is not None,
            step_seconds=1.0 / frames_per_second if frames_per_second else 1.0,
        )
        env.close()
        return _Found(spec, reader, notes)

    def _tried(self, env: gymnasium.Env, observations: Observations, limit: int) -> tuple[Reader, list[str]]:
        """Return a reader that knows the key of success, and notes, after a reset and a step.

        A given key may appear only at an episode's end, so that the episode continues until the key appears.
        """
        env.action_space.seed(0)
        key, notes = (None, []) if self.success == AUTO else (self.success, [])
        reader, row = Reader(self.id, observations, self.info, key), observations.buffer(1)
        copy = np.zeros(1, np.int64)
        reader.reset(env, 0, 0, row)
        reader.check_values(row, copy, copy)
        for step in range(1, limit + 1):
            _, terminated, truncated, info = reader.step(env, 0, step, env.action_space.sample(), row)
            reader.check_values(row, copy, copy + step)
            if self.success == AUTO:
                reader.success, notes = find_success(info)
            ended = terminated or truncated or step == limit
            reader.read_info(info, 0, step, ended, ended)
            if reader.success is None or reader.success in info or ended:
                break
        return reader, notes

    def make(self, num_envs: int, seed: int) -> GymnasiumBatch:
        reader = self._found.reader
        return GymnasiumBatch(self.spec, reader, [self.make_one() for _ in range(num_envs)], seed)

    def make_one(self, **kwargs: Any) -> gymnasium.Env:
        """Return one environment, without Gymnasium's own time limit."""
        entry = registered(self.id)
        made = self.id if entry.id in gymnasium.registry else entry
        kwargs = {**self.kwargs, **kwargs}
        try:
            return gymnasium.make(made, max_episode_steps=-1, disable_env_checker=True, **kwargs)
        except Exception as error:  # whatever the environment's own constructor raises
            raise ConfigError(f"env.id={self.id} cannot be made: {one_line(error)}") from error

    def draw(self, scene: np.ndarray) -> np.ndarray:
        """Return a picture of ``scene``.

        Raises:
            CannotDraw: if the environment's renderer does not work on this machine.
        """
        try:
            env, state = self._artist
            state.show(scene)
            return np.asarray(env.render())
        except Exception as error:  # renderers fail in many ways
            raise CannotDraw(
                f"{self.id} cannot be drawn here: {one_line(error)} (MuJoCo needs EGL or OSMesa, chosen by MUJOCO_GL; "
                "classic control needs pygame: pip install 'gymnasium[classic-control]')"
            ) from error

    @cached_property
    def _artist(self) -> tuple[gymnasium.Env, Restorer]:
        """Return an environment that is only used for drawing, and its restorer."""
        if "DISPLAY" not in os.environ and sys.platform == "linux":
            os.environ.setdefault("MUJOCO_GL", "egl")  # otherwise MuJoCo tries to open a window and fails
            if "WAYLAND_DISPLAY" not in os.environ:
                os.environ.setdefault("SDL_VIDEODRIVER", "dummy")  # otherwise pygame prints complaints
        os.environ.setdefault("SDL_AUDIODRIVER", "dummy")  # pygame would also look for a sound card
        logging.getLogger("OpenGL").setLevel(logging.WARNING)  # it logs every accelerator that is missing
        env = self.make_one(render_mode="rgb_array")
        env.reset(seed=0)
        state = restorer(env)
        assert state is not None, "only environments with a restorer have scenes"
        model = getattr(env.unwrapped, "model", None)
        if model is not None:  # shadows and smooth edges make software rendering ten times slower
            model.vis.quality.offsamples = model.vis.quality.shadowsize = 0
        env.render()
        atexit.register(env.close)  # registered after the renderer's own cleanup, and therefore called before it
        return env, state
