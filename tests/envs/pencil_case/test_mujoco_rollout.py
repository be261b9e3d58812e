"""The batch stepper: the full physics state determines everything."""

import mujoco
import numpy as np
import pytest

from rl_rewards.envs.pencil_case.layout import sample_start
from rl_rewards.envs.pencil_case.mujoco_rollout import BatchStepper
from rl_rewards.envs.pencil_case.table import MODEL

NUM_ENVS = 130


def _start(stepper: BatchStepper) -> np.random.Generator:
    """Set start states with contacts: the pusher is near the case."""
    rng = np.random.default_rng(0)
    stepper.state[:, 1:6] = sample_start(rng, len(stepper.state))
    return rng


def _controls(steps: int, rng: np.random.Generator) -> np.ndarray:
    return rng.uniform(-1.0, 1.0, (steps, NUM_ENVS, 2)) + np.array([0.0, 0.5])


@pytest.fixture(scope="module")
def model() -> mujoco.MjModel:
    return mujoco.MjModel.from_xml_path(str(MODEL))


def test_the_state_goes_on_bit_for_bit_whatever_the_threads_and_chunks(model):
    final = []
    for threads, chunk in ((0, 64), (1, 7), (2, 1), (2, 64), (3, 5)):
        stepper = BatchStepper(model, NUM_ENVS, threads, substeps=4)
        stepper._chunk = chunk
        controls = _controls(20, _start(stepper))
        for control in controls:
            stepper.step(control)
        final.append(stepper.state.copy())
    assert np.ptp(final[0][:, 3]) > 0.05  # something was pushed
    for other in final[1:]:
        np.testing.assert_array_equal(final[0], other)


def test_continuing_from_a_copied_state_gives_the_same_bits_also_in_another_row(model):
    first = BatchStepper(model, NUM_ENVS, 2, substeps=3)
    controls = _controls(30, _start(first))
    for control in controls[:15]:
        first.step(control)
    second = BatchStepper(model, NUM_ENVS, 1, substeps=3)
    second.state[:] = first.state[::-1]
    for control in controls[15:]:
        first.step(control)
        second.step(control[::-1])
    np.testing.assert_array_equal(first.state, second.state[::-1])


def test_a_step_is_that_of_plain_mujoco(model):
    stepper = BatchStepper(model, 3, 0, substeps=4)
    _start(stepper)
    data = mujoco.MjData(model)
    mujoco.mj_setState(model, data, stepper.state[1].copy(), mujoco.mjtState.mjSTATE_FULLPHYSICS)
    data.ctrl[:] = [0.3, 1.0]
    mujoco.mj_step(model, data, nstep=4)
    stepper.step(np.tile([0.3, 1.0], (3, 1)))
    np.testing.assert_allclose(stepper.state[1, 1:6], data.qpos, rtol=0, atol=1e-12)


def test_physics_time_is_counted(model):
    stepper = BatchStepper(model, 8, 2, substeps=2)
    stepper.step(np.zeros((8, 2)))
    assert stepper.physics_seconds > 0.0
