"""Image observations of ``pencil_case``: the recorded frame, small and square, drawn from the true positions.

The switches change the picture itself, as they change the tracker's report: ``out_of_frame`` crops it, ``occlusion``
draws the hand, and ``background_cue`` draws the lamp and its light. The picture has no marks for people.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from jaxtyping import Bool, Float, UInt8
from PIL import Image, ImageChops, ImageDraw

from rl_rewards.envs.pencil_case import layout
from rl_rewards.envs.pencil_case.camera import Frame, project
from rl_rewards.envs.pencil_case.layout import Positions
from rl_rewards.envs.pencil_case.scene import CASE_SIDE, CASE_TOP, HAND, STICK, ZIP, draw_backdrop

OVERSAMPLE = 2
"""The picture is drawn this many times larger and averaged, so that a motion of half a pixel is visible."""
ROUNDING = 5
"""Points on each round end of the case."""


class Camera(Protocol):
    """Takes pictures of the table."""

    def pictures(
        self, points: Float[np.ndarray, "B 2 2"], yaw: Float[np.ndarray, " B"], lamp: Bool[np.ndarray, " B"]
    ) -> UInt8[np.ndarray, "B H W 3"]:
        """Return pictures of the table.

        Args:
            points: true x and y of pusher and case, in metres.
            yaw: of the case, in radians.
            lamp: True where the lamp is lit.
        """
        ...


@dataclass(frozen=True)
class PillowCamera:
    """Draws flat shapes over a backdrop that is drawn once; about 14,000 pictures per second on one core."""

    size: int  # pixels per side
    frame: Frame  # centre and half size in the full picture
    has_hand: bool
    has_lamp: bool

    def pictures(
        self, points: Float[np.ndarray, "B 2 2"], yaw: Float[np.ndarray, " B"], lamp: Bool[np.ndarray, " B"]
    ) -> UInt8[np.ndarray, "B H W 3"]:
        result = np.empty((len(points), self.size, self.size, 3), np.uint8)
        cases, sticks = self._cases(points[:, 1], yaw).tolist(), self._sticks(points[:, 0]).tolist()
        depths = points[:, :, 1].tolist()
        for i, lit in enumerate(lamp):
            result[i] = self._picture(bool(lit), depths[i], cases[i], sticks[i])
        return result

    def _picture(self, lit: bool, depths: list[float], case: list[list[float]], stick: list[float]) -> np.ndarray:
        """Draw far things first, and paste the notebook again over the things behind it."""
        backdrop, notebook, mask, corner = self._backdrops[lit]
        image = backdrop.copy()
        pen = ImageDraw.Draw(image)
        pusher_y, case_y = depths
        things = [(case_y, self._draw_case, case), (pusher_y, self._draw_pusher, stick)]
        if case_y < pusher_y:
            things.reverse()
        uncovered = max(depths) > 0.0
        for y, draw, where in things:
            if y <= 0.0 and uncovered:
                image.paste(notebook, corner, mask)
                uncovered = False
            draw(pen, where)
        if uncovered:
            image.paste(notebook, corner, mask)
        return np.asarray(image.reduce(OVERSAMPLE))

    def _draw_case(self, pen: ImageDraw.ImageDraw, outlines: list[list[float]]) -> None:
        low, middle, top = outlines
        pen.polygon(low, fill=CASE_SIDE)
        pen.polygon(middle, fill=CASE_SIDE)
        pen.polygon(top, fill=CASE_TOP)
        half = len(top) // 2  # points on each round end; the zip joins the two centres
        pen.line([*top[half // 2 - 1 : half // 2 + 1], *top[half + half // 2 - 1 : half + half // 2 + 1]], fill=ZIP)

    def _draw_pusher(self, pen: ImageDraw.ImageDraw, stick: list[float]) -> None:
        x, y, hand_x, hand_y, foot, hand = stick
        pen.line([x, y, hand_x, hand_y], fill=STICK, width=OVERSAMPLE)
        pen.ellipse([x - foot, y - foot, x + foot, y + foot], fill=STICK)
        if self.has_hand:
            pen.ellipse([hand_x - hand, hand_y - hand, hand_x + hand, hand_y + hand], fill=HAND)

    @cached_property
    def _backdrops(self) -> list[tuple[Image.Image, Image.Image, Image.Image, tuple[int, int]]]:
        """Return the backdrop, the notebook cut out of it, its mask and its upper left corner, for dark and for lit."""
        size, found = self.size * OVERSAMPLE, []
        for lamp in (False, True):
            without, whole = (draw_backdrop(size, self.frame, self.has_lamp, lamp, part) for part in (False, True))
            difference = ImageChops.difference(without, whole).convert("L").point([255 * (x > 8) for x in range(256)])
            box = difference.getbbox()
            assert box is not None, "the notebook is in every frame"
            found.append((whole, whole.crop(box), difference.crop(box), box[:2]))
        return found

    def _pixels(self, points: Positions, height: float) -> Positions:
        """Return the pixels, in the oversampled picture, of points [..., 2] (m) in the plane z = ``height``."""
        centre, half = self.frame
        return ((project(points, height) - centre) / half * [1.0, -1.0] + 1.0) * (self.size * OVERSAMPLE / 2)

    def _cases(self, case: Positions, yaw: Float[np.ndarray, " B"]) -> Float[np.ndarray, "B 3 k"]:
        """Return the case's outlines at the bottom, half way up and at the top: x, y, x, y, ..., in pixels."""
        radius = layout.CASE_HALF_SIZE[1]
        angle = np.linspace(-np.pi / 2, np.pi / 2, ROUNDING)
        end = np.stack([np.cos(angle) * radius + layout.CASE_HALF_SIZE[0] - radius, np.sin(angle) * radius], axis=-1)
        outline = np.concatenate([end, -end])
        sin, cos = np.sin(yaw), np.cos(yaw)
        turn = np.stack([np.stack([cos, sin], -1), np.stack([-sin, cos], -1)], axis=1)  # [B, 2, 2]
        placed = outline @ turn + case[:, None]
        heights = (0.0, layout.CASE_HEIGHT / 2, layout.CASE_HEIGHT)
        return np.stack([self._pixels(placed, height).reshape(len(yaw), -1) for height in heights], axis=1)

    def _sticks(self, pusher: Positions) -> Float[np.ndarray, "B 6"]:
        """Return x and y of the foot, x and y of the hand, the foot's radius and the hand's radius, in pixels."""
        centres, radii = [], []
        for height, radius in ((0.0, layout.PUSHER_RADIUS), (layout.HAND_HEIGHT, layout.HAND_RADIUS)):
            centre, edge = (self._pixels(pusher + np.array([x, 0.0]), height) for x in (0.0, radius))
            centres.append(centre)
            radii.append(edge[:, :1] - centre[:, :1])
        return np.concatenate([*centres, *radii], axis=1)
