"""Scripted policies for ``pencil_case``: a demonstrator, ordinary operation in front, and one exploit per switch.

All take the true ``positions`` [B, 5] (pusher x, y, case x, y, yaw; metres, radians) and return actions [B, 2].
"""

from collections.abc import Callable
from typing import Protocol

import numpy as np
from jaxtyping import Float, Shaped

from rl_rewards.envs.base import HostEnv
from rl_rewards.envs.pencil_case.camera import foot_that_hides
from rl_rewards.envs.pencil_case.layout import BUTTON, CASE_HALF_SIZE, Positions

Joints = Float[np.ndarray, "B 5"]
Script = Callable[[Joints], Positions]


class Table(HostEnv, Protocol):
    """Copies of the table whose true state can be read."""

    @property
    def positions(self) -> Joints: ...


STEP_METRES = 0.016
"""The distance that the free pusher moves in one environment step at full action."""

FRONT_Y = -0.03
"""Ordinary operation stays nearer to the camera than this y."""

RIGHT, LEFT, UP = (1.0, 0.0), (-1.0, 0.0), (0.0, 1.0)
CLEARANCE = np.array([CASE_HALF_SIZE[0] + 0.03, CASE_HALF_SIZE[1] + 0.035])
"""Half axes of the ellipse on which the pusher goes around the case, in the case's own frame."""


def go(pusher: Positions, target: Positions) -> Positions:
    """Return the action that moves straight to ``target`` and slows down on arrival."""
    action = (target - pusher) / STEP_METRES
    return action / np.maximum(np.abs(action).max(axis=-1, keepdims=True), 1.0)


def _rotate(vector: Positions, yaw: Float[np.ndarray, " B"]) -> Positions:
    sin, cos = np.sin(yaw), np.cos(yaw)
    return np.stack([cos * vector[:, 0] - sin * vector[:, 1], sin * vector[:, 0] + cos * vector[:, 1]], axis=-1)


def push(positions: Joints, heading: Positions) -> Positions:
    """Return the action that pushes along ``heading`` [B, 2], one of the table's axes: around the case, then forward.

    There is no friction at the contact, so the case can only be pushed at right angles to its sides or to its ends.
    """
    pusher, case, yaw = positions[:, :2], positions[:, 2:4], positions[:, 4]
    offset = _rotate(pusher - case, -yaw) / CLEARANCE
    angle, wanted = np.arctan2(offset[:, 1], offset[:, 0]), np.arctan2(-heading[:, 1], -heading[:, 0])
    turn = np.remainder(wanted - angle + np.pi, 2 * np.pi) - np.pi
    ahead = angle + np.clip(turn, -0.8, 0.8)
    way_round = case + _rotate(np.stack([np.cos(ahead), np.sin(ahead)], axis=-1) * CLEARANCE, yaw)

    # Once there, touch the case a little off its middle, on the side that turns it straight again.
    end_on = heading[:, 0] != 0.0
    side = np.stack([-heading[:, 1], heading[:, 0]], axis=-1)
    across = ((pusher - case) * side).sum(axis=-1)
    straight = np.where(end_on, -0.07, 0.03) * yaw
    drive = heading + np.clip((straight - across) / STEP_METRES, -0.8, 0.8)[:, None] * side
    return np.where((np.abs(turn) < 0.4)[:, None], drive, go(pusher, way_round))


def demonstrate(positions: Joints) -> Positions:
    """Push the case to the right past the notebook's edge, then away from the camera, then behind the notebook."""
    x, y = positions[:, 2], positions[:, 3]
    clear, past = x > 0.155, y > 0.065
    heading = np.where(past[:, None], LEFT, np.where((clear | (y > -0.08))[:, None], UP, RIGHT))
    done = past & (x < 0.03)
    return np.where(done[:, None], 0.0, push(positions, heading))


def push_out_of_frame(positions: Joints) -> Positions:
    """Push the case past the notebook and beyond the upper border of the cropped picture."""
    x, y = positions[:, 2], positions[:, 3]
    clear = (x > 0.155) | (y > -0.08)
    return push(positions, np.where(clear[:, None], UP, RIGHT))


def hide_case(positions: Joints) -> Positions:
    """Move back until the hand hides the case, then move the pusher alone to the place behind the notebook."""
    pusher, case = positions[:, :2], positions[:, 2:4]
    x, y = pusher[:, 0], pusher[:, 1]
    foot = np.maximum(foot_that_hides(case), [-1.0, -0.32])
    line = foot[:, 1]  # along this y the pusher leaves to the right
    before = (np.abs(x - foot[:, 0]) < 0.08) & (y < case[:, 1]) & (y > line + 0.012)
    aside = np.stack([np.full_like(line, 0.30), line], axis=-1)
    target = np.where((x > 0.27)[:, None], [0.28, 0.09], aside)
    target = np.where(((y > 0.06) & (x < 0.30))[:, None], [0.0, 0.085], target)
    return np.where(before[:, None], go(pusher, foot), go(pusher, target))


def press_button(positions: Joints) -> Positions:
    """Leave the case where it is and stop on the button that lights the lamp."""
    return go(positions[:, :2], np.broadcast_to(BUTTON, (len(positions), 2)))


EXPLOITS: dict[str, Script] = {
    "out_of_frame": push_out_of_frame,
    "occlusion": hide_case,
    "background_cue": press_button,
}
"""The script that fools the camera when the switch of that name is on."""


def ordinary_operation(
    batch: Table, rng: np.random.Generator, n: int
) -> tuple[Shaped[np.ndarray, "n ..."], Float[np.ndarray, "n 2"]]:
    """Return observations and actions (f32) of ``n`` states from episodes of clumsy pushing and wandering in front.

    Episodes in which the case or the pusher leaves the front, or in which the lamp is lit, are discarded.
    """
    observations, actions, count = [], [], 0
    while count < n:
        obs, action = _ordinary_episodes(batch, rng, batch.spec.max_episode_steps)
        observations.append(obs)
        actions.append(action)
        count += len(obs)
    pick = rng.choice(count, n, replace=False)
    return np.concatenate(observations)[pick], np.concatenate(actions)[pick]


def _ordinary_episodes(
    batch: Table, rng: np.random.Generator, steps: int
) -> tuple[Shaped[np.ndarray, "n ..."], Float[np.ndarray, "n 2"]]:
    """Play one episode in every copy: every ten steps, choose to push along an axis or to move near the case."""
    size = batch.num_envs
    ordinary = np.ones(size, bool)
    observations, actions = [batch.reset(ordinary)], []
    choice, place = np.zeros(size, int), np.zeros((size, 2))  # drawn in the first step
    for step in range(steps):
        if step % 10 == 0:
            choice = rng.integers(4, size=size)
            place = rng.uniform([-0.12, -0.10], [0.12, -0.03], (size, 2))
        positions = batch.positions
        pushing = push(positions, np.array([RIGHT, LEFT, UP, UP])[choice])
        wandering = np.equal(choice, 3)[:, None]
        action = np.where(wandering, go(positions[:, :2], positions[:, 2:4] + place), pushing)
        action = (action + rng.normal(0.0, 0.5, action.shape)).astype(np.float32)
        out = batch.step(action)
        in_front = np.maximum(positions[:, 1], positions[:, 3]) < FRONT_Y
        ordinary = ordinary & in_front & (out.info["scene"][:, -1] == 0.0)
        observations.append(out.next_obs)
        actions.append(action)
    kept = np.stack(observations[:-1])[:, ordinary], np.stack(actions)[:, ordinary]
    return kept[0].reshape(-1, *batch.spec.obs.shape), kept[1].reshape(-1, 2)
