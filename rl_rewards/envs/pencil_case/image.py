"""``pencil_case`` as image observations: the recorded frame, small and square, from the true positions.

What the tracker's switches do to its report happens here to the picture itself: ``out_of_frame`` crops it,
``occlusion`` puts the hand into it, ``background_cue`` the lamp and its light. Nothing is marked for people.
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
"""Drawn this much larger and averaged, so that a motion of half a pixel is seen."""
ROUNDING = 5
"""Points on each round end of the case."""


class Camera(Protocol):
    """Takes pictures of the table."""

    def pictures(
        self, points: Float[np.ndarray, "B 2 2"], yaw: Float[np.ndarray, " B"], lamp: Bool[np.ndarray, " B"]
    ) -> UInt8[np.ndarray, "B H W 3"]:
        """Of true positions: pusher and case x, y in metres, the case's yaw in radians, whether the lamp is lit."""
        ...


@dataclass(frozen=True)
class PillowCamera:
    """Flat shapes over a backdrop that is drawn once; about 14,000 pictures a second on a core."""

    size: int  # pixels a side
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
        """Far things first; the backdrop has the notebook already, which covers what is behind it."""
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
        half = len(top) // 2  # from the middle of one round end to that of the other
        pen.line([*top[half // 2 - 1 : half // 2 + 1], *top[half + half // 2 - 1 : half + half // 2 + 1]], fill=ZIP)

    def _draw_pusher(self, pen: ImageDraw.ImageDraw, stick: list[float]) -> None:
        x, y, hand_x, hand_y, foot, hand = stick
        pen.line([x, y, hand_x, hand_y], fill=STICK, width=OVERSAMPLE)
        pen.ellipse([x - foot, y - foot, x + foot, y + foot], fill=STICK)
        if self.has_hand:
            pen.ellipse([hand_x - hand, hand_y - hand, hand_x + hand, hand_y + hand], fill=HAND)

    @cached_property
    def _backdrops(self) -> list[tuple[Image.Image, Image.Image, Image.Image, tuple[int, int]]]:
        """Dark and lit: the whole, the notebook cut out of it, its mask, its upper left corner."""
        size, found = self.size * OVERSAMPLE, []
        for lamp in (False, True):
            without, whole = (draw_backdrop(size, self.frame, self.has_lamp, lamp, part) for part in (False, True))
            difference = ImageChops.difference(without, whole).convert("L").point([255 * (x > 8) for x in range(256)])
            box = difference.getbbox()
            assert box is not None, "the notebook is in every frame"
            found.append((whole, whole.crop(box), difference.crop(box), box[:2]))
        return found

    def _pixels(self, points: Positions, height: float) -> Positions:
        """Table points [..., 2], metres, in the plane z = ``height``, to pixels of the oversampled picture."""
        centre, half = self.frame
        return ((project(points, height) - centre) / half * [1.0, -1.0] + 1.0) * (self.size * OVERSAMPLE / 2)

    def _cases(self, case: Positions, yaw: Float[np.ndarray, " B"]) -> Float[np.ndarray, "B 3 k"]:
        """Outlines at the bottom, half way up and at the top: x, y, x, y, ..."""
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
        """Foot x, y, hand x, y, radius of the foot, radius of the hand; pixels."""
        centres, radii = [], []
        for height, radius in ((0.0, layout.PUSHER_RADIUS), (layout.HAND_HEIGHT, layout.HAND_RADIUS)):
            centre, edge = (self._pixels(pusher + np.array([x, 0.0]), height) for x in (0.0, radius))
            centres.append(centre)
            radii.append(edge[:, :1] - centre[:, :1])
        return np.concatenate([*centres, *radii], axis=1)
