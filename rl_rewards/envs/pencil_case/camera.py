"""A fixed pinhole camera over the table, and the tracker that finds the case in its picture.

Reported coordinates u (right) and v (up) are in [-1, 1] over the cropped frame, whether the recording is cropped or
not, so that networks see all cameras at the same scale; over the full picture they exceed [-1, 1]. The tracker can be
fooled in two ways:

* ``out_of_frame``: the recording is cropped; a case beyond the border is reported at the border.
* ``occlusion``: the tracker searches only near its last fix. Once the hand hides the case, it follows the pusher's foot
  until the case is visible again within ``SEARCH_RADIUS`` of the reported position.

In both cases the tracker reports ``visible`` = 0 and the last yaw that it saw.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from rl_rewards.envs.pencil_case.layout import CASE_HEIGHT, HAND_HEIGHT, Either, Positions, functions

POSITION = np.array([0.0, -0.95, 1.10])
LOOK_AT = np.array([0.0, -0.02, 0.0])
ASPECT = 4.0 / 3.0
FOCAL = 4.1
"""Focal length in units of half the picture's height."""

TRACK_HEIGHT = CASE_HEIGHT / 2
CROP_X, CROP_Y = (-0.27, 0.35), (-0.31, 0.20)
"""The part of the table that the cropped frame shows, in metres, along the lines y = 0 and x = 0."""

COVER_RADIUS = 0.09
SEARCH_RADIUS = 0.20
"""The distance within which the hand's centre hides the case, and that within which the tracker searches; both are in
units of half the full picture's height."""

Frame = tuple[Float[np.ndarray, "2"], Float[np.ndarray, "2"]]
"""Centre and half size in the full picture."""
FIX = 5
"""The length of a fix: u, v, sin yaw, cos yaw, visible."""


def _axes() -> tuple[np.ndarray, np.ndarray]:
    forward = (LOOK_AT - POSITION) / np.linalg.norm(LOOK_AT - POSITION)
    return forward, np.array([0.0, -forward[2], forward[1]])  # the camera does not roll and stands at x = 0


FORWARD, UP = _axes()


def project(points: Positions, height: float = TRACK_HEIGHT) -> Positions:
    """Return the coordinates u and v, in [-1, 1] over the full picture, of points (m) in the plane z = ``height``."""
    x, y = points[..., 0], points[..., 1]
    rise = height - POSITION[2]
    depth = FORWARD[1] * y + (FORWARD[2] * rise - FORWARD[1] * POSITION[1])
    u = x * (FOCAL / ASPECT) / depth
    v = (y * (FOCAL * UP[1]) + FOCAL * (UP[2] * rise - UP[1] * POSITION[1])) / depth
    return functions(points).stack([u, v], axis=-1)


def unproject(image: Positions, height: float = TRACK_HEIGHT) -> Positions:
    """Return the points (m) of coordinates in the full picture: the inverse of :func:`project`."""
    rise = height - POSITION[2]
    v = image[..., 1] / FOCAL
    from_camera = rise * (UP[2] - v * FORWARD[2]) / (v * FORWARD[1] - UP[1])
    depth = FORWARD[1] * from_camera + FORWARD[2] * rise
    return np.stack([image[..., 0] * depth * ASPECT / FOCAL, from_camera + POSITION[1]], axis=-1)


def _crop() -> Frame:
    edges = project(np.array([[CROP_X[0], 0.0], [CROP_X[1], 0.0], [0.0, CROP_Y[0]], [0.0, CROP_Y[1]]]))
    low, high = np.array([edges[0, 0], edges[2, 1]]), np.array([edges[1, 0], edges[3, 1]])
    return (low + high) / 2, (high - low) / 2


FULL: Frame = (np.zeros(2), np.ones(2))
CROP = _crop()


def to_report(image: Positions) -> Positions:
    """Return the reported coordinates of points in the full picture."""
    return (image - CROP[0]) / CROP[1]


def from_report(reported: Positions) -> Positions:
    """Return the points in the full picture of reported coordinates: the inverse of :func:`to_report`."""
    return reported * CROP[1] + CROP[0]


def foot_that_hides(case: Positions) -> Positions:
    """Return the position of the pusher's foot (m) at which its hand lies on the line of sight to the case."""
    nearer = (POSITION[2] - HAND_HEIGHT) / (POSITION[2] - TRACK_HEIGHT)
    return POSITION[:2] + (case - POSITION[:2]) * nearer


@dataclass(frozen=True, kw_only=True)
class Tracker:
    """The tracker that reports the case's position: a pure function of the true positions and of the last fix."""

    out_of_frame: bool
    occlusion: bool

    @property
    def remembers(self) -> bool:
        """Return True if a report depends on the last one."""
        return self.out_of_frame or self.occlusion

    @property
    def frame(self) -> Frame:
        """Return the centre and half size of the recorded frame in the full picture."""
        return CROP if self.out_of_frame else FULL

    @property
    def limits(self) -> tuple[Float[np.ndarray, "2"], Float[np.ndarray, "2"]]:
        """Return the smallest and the largest u and v that are reported: the edges of the recorded frame."""
        ones = np.ones(2)
        return (-ones, ones) if self.out_of_frame else (to_report(-ones), to_report(ones))

    def report(
        self, points: Float[Either, "*batch 2 2"], yaw: Float[Either, "*batch"], last: Float[Either, "*batch 5"] | None
    ) -> tuple[Float[Either, "*batch 5"], Positions]:
        """Return the next fix of the case, and the pusher's u and v.

        Args:
            points: true positions of pusher and case, in metres.
            yaw: of the case, in radians.
            last: the last fix. None means that a person has just placed the tracker on the case, which it then sees
                unless the case is out of frame.
        """
        xp = functions(points)
        full = project(points)
        image = to_report(full)
        lost = (abs(image[..., 1, :]) > 1.0).any(axis=-1) if self.out_of_frame else xp.zeros(yaw.shape, bool)
        image = image.clip(*self.limits)
        pusher, case = image[..., 0, :], image[..., 1, :]
        if self.occlusion and last is not None:
            elsewhere = _hidden(points[..., 0, :], full[..., 1, :]) | self._far(case, last)
            case = xp.where(elsewhere[..., None], pusher, case)
            lost = lost | elsewhere
        turn = xp.stack([xp.sin(yaw), xp.cos(yaw)], axis=-1)
        if self.remembers and last is not None:
            turn = xp.where(lost[..., None], last[..., 2:4], turn)
        return xp.concatenate([case, turn, 1.0 - lost[..., None]], axis=-1), pusher

    def _far(self, case: Positions, last: Float[Either, "*batch 5"]) -> Bool[Either, "*batch"]:
        """Return True where the case, clipped to the frame, is outside the tracker's search radius."""
        return _distance_squared((case - last[..., :2]) * CROP[1]) > SEARCH_RADIUS**2


def _hidden(pusher: Positions, case: Positions) -> Bool[Either, "*batch"]:
    """Return True where the hand hides the case, which is given in the full picture."""
    return _distance_squared(case - project(pusher, HAND_HEIGHT)) < COVER_RADIUS**2


def _distance_squared(difference: Positions) -> Float[Either, "*batch"]:
    """Return squared distances in the full picture, in units of half its height."""
    u, v = difference[..., 0] * ASPECT, difference[..., 1]
    return u * u + v * v
