"""Positions and sizes on the pencil case's table, in metres: x to the right, y away from the camera, z up.

The notebook stands in the middle, with its length along x. Sizes that the physics needs are in
``assets/pencil_case.xml``; the tests check that both agree. Formulas of positions work on numpy arrays and on traced
JAX arrays.
"""

from typing import Any

import numpy as np
from jaxtyping import Bool, Float

NOTEBOOK_HALF_SIZE = (0.10, 0.012)
NOTEBOOK_HEIGHT = 0.08
CASE_HALF_SIZE = (0.055, 0.02)
CASE_HEIGHT = 0.04
PUSHER_RADIUS = 0.015
TABLE_HALF_SIZE = (0.38, 0.33)
"""Reach of the pusher; the case stays at least 0.04 inside it."""

HAND_HEIGHT = 0.20
HAND_RADIUS = 0.035
"""The pusher is a thin stick held from above by a hand, which can hide what is behind it."""

GOAL_HALF_WIDTH = 0.08
GOAL_DEPTH = (0.04, 0.16)
"""Success: the centre of the case has |x| below the first and y within the second."""
EXAMPLE_MARGIN = 0.025
"""Success examples are clear: they lie at least this far inside the limits."""

START_X, START_Y, START_YAW = (0.13, 0.20), (-0.20, -0.14), (-0.3, 0.3)
START_PUSHER_X, START_PUSHER_Y = (-0.03, 0.03), (-0.09, -0.065)
"""Ranges of the starts: of the case, and of the pusher relative to the case."""
START_LOW, START_HIGH = np.transpose([START_PUSHER_X, START_PUSHER_Y, START_X, START_Y, START_YAW])

BUTTON, BUTTON_RADIUS = (-0.27, -0.22), 0.06
"""The lamp is lit while the pusher stands on this button (with ``background_cue``)."""

Either = Any
"""A numpy array in the C engine, a JAX array in MJX."""
Positions = Float[Either, "*batch 2"]


def functions(array: Either) -> Any:
    """Return the module that computes with ``array``: numpy or jax.numpy."""
    return array.__array_namespace__()


def is_success(case: Positions) -> Bool[Either, "*batch"]:
    """Return True where the true centre of the case lies behind the notebook."""
    low, high = GOAL_DEPTH
    y = case[..., 1]
    return (abs(case[..., 0]) < GOAL_HALF_WIDTH) & (y > low) & (y < high)


def distance_to_goal(case: Positions) -> Float[Either, "*batch"]:
    """Return the length in metres of the case's shortest way to the middle of the goal, around the notebook.

    The case counts as a disc as wide as its length, so that the notebook is longer by half that length on both sides.
    From y = 0 on the way is straight: a case that passes an end of the notebook closely gains up to 6 cm there.
    """
    module = functions(case)
    x, y = case[..., 0], case[..., 1]
    goal_y = sum(GOAL_DEPTH) / 2
    straight = module.hypot(x, goal_y - y)
    end = NOTEBOOK_HALF_SIZE[0] + CASE_HALF_SIZE[0]
    around = module.hypot(end - abs(x), y) + float(np.hypot(end, goal_y))
    crossing = abs(x) * goal_y / module.maximum(goal_y - y, 1e-6)  # |x| where the straight way crosses y = 0
    return module.where((y < 0.0) & (crossing < end), around, straight)


def on_button(pusher: Positions) -> Bool[Either, "*batch"]:
    """Return True where the pusher's foot is on the lamp's button."""
    x, y = pusher[..., 0] - BUTTON[0], pusher[..., 1] - BUTTON[1]
    return x * x + y * y < BUTTON_RADIUS**2


def sample_start(rng: np.random.Generator, n: int) -> Float[np.ndarray, "n 5"]:
    """Return joint positions of new episodes (pusher x, y, case x, y, yaw): the case and the pusher in front."""
    return beside_case(rng.uniform(START_LOW, START_HIGH, (n, 5)))


def beside_case(start: Float[Either, "*batch 5"]) -> Float[Either, "*batch 5"]:
    """Return joint positions of draws between START_LOW and START_HIGH, whose pusher is relative to the case."""
    return functions(start).concatenate([start[..., :2] + start[..., 2:4], start[..., 2:]], axis=-1)


def sample_goal(rng: np.random.Generator, n: int) -> Float[np.ndarray, "n 5"]:
    """Return joint positions as :func:`sample_start` does, with the case behind the notebook and the pusher near it."""
    margin = EXAMPLE_MARGIN
    goal = np.empty((n, 5))
    goal[:, 2] = rng.uniform(-GOAL_HALF_WIDTH + margin, GOAL_HALF_WIDTH - margin, n)
    goal[:, 3] = rng.uniform(GOAL_DEPTH[0] + margin, GOAL_DEPTH[1] - margin, n)
    goal[:, 4] = rng.normal(0.0, 0.4, n)
    todo = np.arange(n)
    while todo.size:  # reject pushers that overlap the case or the notebook
        angle, radius = rng.uniform(-np.pi, np.pi, todo.size), rng.uniform(0.036, 0.10, todo.size)
        offset = radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], -1)
        goal[todo, :2] = goal[todo, 2:4] + offset
        free = ~_touches_case(offset, goal[todo, 4]) & (goal[todo, 1] > NOTEBOOK_HALF_SIZE[1] + PUSHER_RADIUS)
        todo = todo[~free]
    return goal


def _touches_case(offset: Positions, yaw: Float[np.ndarray, " n"]) -> Bool[np.ndarray, " n"]:
    """Return True where a pusher at ``offset`` from the centre of the case (a capsule) overlaps the case."""
    along = offset[:, 0] * np.cos(yaw) + offset[:, 1] * np.sin(yaw)
    across = offset[:, 1] * np.cos(yaw) - offset[:, 0] * np.sin(yaw)
    half_length, radius = CASE_HALF_SIZE[0] - CASE_HALF_SIZE[1], CASE_HALF_SIZE[1]
    return np.hypot(np.maximum(np.abs(along) - half_length, 0.0), across) < radius + PUSHER_RADIUS
