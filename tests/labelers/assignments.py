"""Assignments for tests of labelers."""

from pathlib import Path

import numpy as np

from rl_rewards.core.types import EnvSpec
from rl_rewards.labelers.base import Assignment
from tests.probes import make_spec


def assignment(answers: int, clips: int = 2, seed: int = 0, folder: Path = Path(), spec: EnvSpec | None = None, **more):
    """Return an assignment of an environment whose pictures show the scene as a grey level."""
    return Assignment(
        seed=seed,
        answers=answers,
        clips=clips,
        budget=100,
        folder=folder,
        spec=spec or make_spec(obs=2, action=1),
        acquisition="uniform",
        **{"draw": draw, "describe": None} | more,
    )


def draw(scene: np.ndarray) -> np.ndarray:
    """Return a picture uint8 [6, 8, 3] of a scene [k]."""
    return np.full((6, 8, 3), int(abs(float(scene[0])) * 40.0) % 256, np.uint8)
