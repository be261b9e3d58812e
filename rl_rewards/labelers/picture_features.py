"""Features of pictures that may bias whoever looks at them: how much of them is red, green, blue or yellow.

A judge that is shown pictures may favour what has nothing to do with the task, such as a red lamp, as a judge of texts
may favour long ones. Like the features in ``nuisance.py``, one of these may also belong to the task.
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Bool, Float, UInt8

from rl_rewards.core.errors import CannotDraw

COLOURS = {"red": (0,), "green": (1,), "blue": (2,), "yellow": (0, 1)}
"""The channels of each colour."""
CLEARLY, STRONG = 1.6, 100
"""A pixel has a colour if its channels exceed ``STRONG`` of 255, and ``CLEARLY`` times each of the others."""
UNITS = {colour: f"share of {colour} pixels in the last picture" for colour in COLOURS}
"""The features, with their units. Brightness is left out, because every coloured thing changes it, too."""
MEASURED_SIDE = 60
"""Larger pictures are measured at about this many rows and columns of their pixels, evenly spaced."""
LEAST_RANGE = 1e-9
"""A feature that varies by less is left out."""


def has_colour(picture: UInt8[np.ndarray, "H W 3"], colour: str) -> Bool[np.ndarray, "H W"]:
    """Return True where a pixel has a colour of ``COLOURS``."""
    channels, own = picture.astype(np.float32), COLOURS[colour]
    others = [channels[..., i] for i in range(3) if i not in own]
    return np.logical_and.reduce(
        [(channels[..., i] > STRONG) & (channels[..., i] > CLEARLY * other) for i in own for other in others]
    )


def picture_features(
    scenes: np.ndarray, draw: Callable[[np.ndarray], np.ndarray]
) -> dict[str, Float[np.ndarray, "*batch"]]:
    """Return the features of the last picture of segments, those that vary; none if nothing can be drawn.

    Args:
        scenes: [*batch, L, k], the environment's ``info["scene"]``.
        draw: a function of one scene that returns a picture uint8 [H, W, 3].
    """
    batch = scenes.shape[:-2]
    try:
        pictures = [_thinned(draw(scene)) for scene in scenes[..., -1, :].reshape(-1, scenes.shape[-1])]
    except CannotDraw:
        return {}
    found = {
        colour: np.reshape(np.array([has_colour(one, colour).mean() for one in pictures]), batch) for colour in COLOURS
    }
    return {colour: shares for colour, shares in found.items() if np.ptp(shares) > LEAST_RANGE}


def _thinned(picture: UInt8[np.ndarray, "H W 3"]) -> UInt8[np.ndarray, "h w 3"]:
    every = max(1, min(picture.shape[:2]) // MEASURED_SIDE)
    return picture[every // 2 :: every, every // 2 :: every]
