"""Texts outside of any environment, by their numbers, so that labelers of segments can be asked about them."""

import numpy as np

from rl_rewards.core.types import Box, EnvSpec

_NUMBER = Box((1,), (0.0,), (1e6,))


def numbered(name: str) -> EnvSpec:
    """Return the specification of segments of one step, whose observation and action are one number each."""
    return EnvSpec(
        name=name,
        obs=_NUMBER,
        action=_NUMBER,
        max_episode_steps=1,
        info={},
        ends_early=False,
        restores=True,
        has_success=False,
    )


def no_picture(scene: np.ndarray) -> np.ndarray:
    """Stand where a labeler expects a function that draws scenes; texts are not drawn."""
    raise AssertionError("texts are not drawn for a judge")
