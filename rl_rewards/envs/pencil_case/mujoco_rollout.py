"""Steps a batch of copies of one MuJoCo model in C threads, with the same number of physics steps for each.

Every call starts from a zero warm start, so that ``mjSTATE_FULLPHYSICS`` is the complete state: continuing from a copy
of it gives the same bits, whatever the number of threads, the chunk size or the other rows of the batch.
"""

# mujoco is written in C and has no stubs:
# pyright: reportAttributeAccessIssue=false

import time

import mujoco
import numpy as np
from jaxtyping import Float
from mujoco.rollout import Rollout

MAX_CHUNK = 64
"""The most rows that a thread takes at once. Larger chunks leave threads idle at the end; smaller ones need more
locking."""


class BatchStepper:
    """``num_envs`` copies of ``model``.

    Attributes:
        state: [B, n] f64, mjSTATE_FULLPHYSICS; it may be written between calls.
        physics_seconds: wall time spent inside MuJoCo so far.
    """

    def __init__(self, model: mujoco.MjModel, num_envs: int, threads: int, substeps: int) -> None:
        self._models = [model] * num_envs  # the unchecked call needs one per row
        self._data = [mujoco.MjData(model) for _ in range(max(threads, 1))]
        self._rollout = Rollout(nthread=threads)
        self._substeps = substeps
        self._chunk = min(MAX_CHUNK, max(1, num_envs // (2 * max(threads, 1))))
        full = mujoco.mjtState.mjSTATE_FULLPHYSICS
        initial = np.empty(mujoco.mj_stateSize(model, full))
        mujoco.mj_getState(model, self._data[0], initial, full)
        self.state = np.tile(initial, (num_envs, 1))
        self._control = np.zeros((num_envs, substeps, model.nu))
        self._states = np.empty((num_envs, substeps, initial.size))
        self.physics_seconds = 0.0

    def step(self, control: Float[np.ndarray, "B nu"]) -> Float[np.ndarray, "B n"]:
        """Advance ``substeps`` physics steps with a constant ``control``; return ``self.state``, updated in place."""
        self._control[:] = control[:, None]
        start = time.perf_counter()
        self._rollout.rollout(
            self._models,
            self._data,
            self.state,
            self._control,
            skip_checks=True,
            nstep=self._substeps,
            state=self._states,
            chunk_size=self._chunk,
        )
        self.physics_seconds += time.perf_counter() - start
        self.state[:] = self._states[:, -1]
        return self.state
