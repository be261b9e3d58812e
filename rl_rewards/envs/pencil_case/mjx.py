"""``pencil_case`` with its physics in the JAX graph, for a GPU: ``env.engine=mjx`` runs the same MJCF in MJX, in f32.

Observations, success, the tracker and the lamp use the same formulas as with the C engine, and the C engine records the
example states. From equal states, positions after a step agree with the C engine's to 2e-4 (m, rad), except for 3 steps
in 10,000: these differ by up to 0.06 where the case slides over a corner of the notebook or a contact just opens.
"""

import contextlib
import importlib
import io
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jaxtyping import Array, Float, Int

from rl_rewards.core.checks import require
from rl_rewards.core.errors import ConfigError
from rl_rewards.core.requirements import Requirements
from rl_rewards.core.types import EnvSpec, Key, Obs, StepOut, Transition
from rl_rewards.envs.base import ExampleStates, JaxEnv, Plane
from rl_rewards.envs.pencil_case import formulas, layout
from rl_rewards.envs.pencil_case.table import PencilCaseTable

OBSERVATIONS = ("tracker", "true_pose")

MOST_ON_CPU = 4096
"""The most tables that are stepped together on a CPU. 4,096 ran; 8,192 did not return within two minutes, and 7,680
hung for twenty. The cause was not found; XLA's CPU runtime is known to hang in batched factorisations, which the solver
uses."""


class TableState(struct.PyTreeNode):
    """One table; without batch axes. Every step begins with a zero warm start, as in C, so none is stored."""

    qpos: Float[Array, "5"]  # pusher x, y, case x, y in metres, yaw in radians
    qvel: Float[Array, "5"]
    fix: Float[Array, "5"]  # the tracker's last report
    elapsed: Int[Array, ""]  # steps since the reset


@dataclass(frozen=True)
class PencilCaseMjx(JaxEnv):
    """``table`` as pure functions of a state. Compiling takes 12 CPU seconds for a step, and 30 or more for a round.

    Raises:
        ConfigError: if mujoco-mjx is missing or has another version than mujoco, or if observations are pictures.
    """

    table: PencilCaseTable

    def __post_init__(self) -> None:
        require(
            self.table.observation in OBSERVATIONS,
            f"env.engine=mjx has no pictures, but env.observation is {self.table.observation}; choose env.engine=c, or "
            "env.observation=tracker or true_pose.",
        )
        load_mjx()

    @property
    def spec(self) -> EnvSpec:
        return self.table.spec

    @property
    def requirements(self) -> Requirements:
        return Requirements(most_copies=MOST_ON_CPU if jax.default_backend() == "cpu" else None)

    def reset(self, key: Key) -> TableState:
        drawn = jax.random.uniform(key, (5,), minval=layout.START_LOW, maxval=layout.START_HIGH)
        qpos = layout.beside_case(drawn)
        fix, _ = self.table.tracker.report(qpos[:4].reshape(2, 2), qpos[4], None)
        return TableState(qpos=qpos, qvel=jnp.zeros(5), fix=fix, elapsed=jnp.zeros((), jnp.int32))

    def observe(self, state: TableState) -> Obs:
        points, yaw = state.qpos[:4].reshape(2, 2), state.qpos[4]
        _, pusher = self.table.tracker.report(points, yaw, None)
        return jnp.asarray(self.table.observe(points, yaw, state.fix, pusher, self.table.lamp(points)))

    def step(self, key: Key, state: TableState, action: Float[Array, "2"]) -> tuple[TableState, StepOut]:
        del key  # deterministic
        mjx, model, blank = self._physics
        data = blank.replace(qpos=state.qpos, qvel=state.qvel, ctrl=jnp.clip(action, -1.0, 1.0))
        data = jax.lax.fori_loop(0, self.table.substeps, lambda _, data: mjx.step(model, data), data)
        points, yaw = data.qpos[:4].reshape(2, 2), data.qpos[4]
        fix, _ = self.table.tracker.report(points, yaw, state.fix)
        state = TableState(qpos=data.qpos, qvel=data.qvel, fix=fix, elapsed=state.elapsed + 1)
        success = layout.is_success(points[1])
        truncated = state.elapsed >= self.table.max_episode_steps
        scene = formulas.scene_of(points, yaw, fix, self.table.lamp(points))
        return state, StepOut(
            next_obs=self.observe(state),
            env_reward=self.table.paid(points[1]),
            terminated=jnp.zeros((), bool),
            truncated=truncated,
            needs_reset=truncated,
            info={"success": success, "scene": scene},
        )

    @cached_property
    def _physics(self) -> tuple[Any, Any, Any]:
        """Return MJX, the model, and data with a zero warm start; they are made outside any trace."""
        mjx = load_mjx()
        with jax.ensure_compile_time_eval():
            model = mjx.put_model(self.table.model, impl="jax")
            # With the C engine's tolerance, MJX's solver sometimes stopped before it had converged, due to rounding.
            model = model.tree_replace({"opt.tolerance": 0.0})
            return mjx, model, mjx.make_data(self.table.model, impl="jax")

    def collect_examples(self, rng: np.random.Generator, n: int, goal: bool) -> ExampleStates:
        return self.table.collect_examples(rng, n, goal)

    def plane(self, n: int) -> Plane:
        return self.table.plane(n)

    def place(self, scene: np.ndarray) -> np.ndarray:
        return self.table.place(scene)

    def describe(self, segment: Transition) -> str:
        return self.table.describe(segment)

    @property
    def legend(self) -> str:
        return self.table.legend

    def draw(self, scene: np.ndarray) -> np.ndarray:
        return self.table.draw(scene)


def load_mjx() -> Any:
    """Return MJX, an optional package whose version must be mujoco's."""
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # it prints that the backend warp is missing
            mjx = importlib.import_module("mujoco.mjx")
    except ImportError as error:
        raise ConfigError(
            "env.engine=mjx needs the package mujoco-mjx, which is not installed; pip install 'rl_rewards[mjx]', or "
            "choose env.engine=c."
        ) from error
    ours, theirs = version("mujoco"), version("mujoco-mjx")
    require(
        ours == theirs,
        f"env.engine=mjx needs mujoco and mujoco-mjx of the same version, but they are {ours} and {theirs}; "
        f"pip install mujoco-mjx=={ours}.",
    )
    return mjx
