"""Draws a ``pencil_case`` scene for people, as the camera would see it, with the tracker's report as a cross-hair."""

import numpy as np
from PIL import Image, ImageDraw

from rl_rewards.envs.pencil_case import layout
from rl_rewards.envs.pencil_case.camera import Frame, from_report, project

WIDTH, HEIGHT, OVERSAMPLE = 320, 240, 2
TABLE = (0.42, 0.375)
"""Half size of the drawn table in metres, a little more than the pusher's reach."""

BULB = np.array([0.82, 0.86])
"""Position of the lamp in image coordinates."""

Points = list[tuple[float, float]]

DARK_WALL, LIT_WALL, WOOD, WOOD_EDGE = (96, 100, 116), (232, 222, 190), (205, 170, 125), (150, 115, 78)
LIT_WOOD = (236, 208, 160)
COVER, COVER_SIDE, PAPER, LABEL = (52, 88, 150), (38, 66, 116), (246, 244, 236), (236, 232, 214)
CASE_TOP, CASE_SIDE, ZIP = (214, 92, 70), (158, 58, 44), (250, 214, 120)
STICK, HAND, HAND_SHADE = (70, 70, 74), (236, 196, 164), (196, 152, 120)
GOAL, SEEN, LOST = (90, 190, 100, 80), (20, 160, 40), (225, 20, 20)


class _Canvas:
    """A Pillow canvas that takes metres on the table; colours may be translucent."""

    def __init__(self, background: tuple[int, int, int]) -> None:
        self.size = np.array([WIDTH, HEIGHT]) * OVERSAMPLE
        self.image = Image.new("RGB", (int(self.size[0]), int(self.size[1])), background)
        self.pen = ImageDraw.Draw(self.image, "RGBA")

    def pixels(self, image_points: np.ndarray) -> Points:
        """Return the pixels of image coordinates [n, 2]."""
        scaled = (np.asarray(image_points) * [1.0, -1.0] + 1.0) / 2.0 * self.size
        return [(float(x), float(y)) for x, y in scaled]

    def at(self, points, height: float = 0.0) -> Points:
        """Return the pixels of points [n, 2], in metres, in the plane z = ``height``."""
        return self.pixels(project(np.asarray(points, float), height))

    def disc(self, centre: tuple[float, float], radius: float, fill) -> None:
        x, y = centre
        self.pen.ellipse([x - radius, y - radius, x + radius, y + radius], fill=fill)


def draw_scene(scene: np.ndarray, frame: Frame | None, has_lamp: bool, has_tracker: bool) -> np.ndarray:
    """Return a picture [240, 320, 3] uint8 of ``scene`` [9]; ``frame`` is the cropped recording, None if uncropped."""
    case, pusher = np.asarray(scene[:3], float), np.asarray(scene[3:5], float)
    fix, visible, lamp = np.asarray(scene[5:7], float), bool(scene[7] > 0.5), bool(scene[8] > 0.5)
    canvas = _Canvas(LIT_WALL if lamp else DARK_WALL)
    _draw_table(canvas, WOOD)
    _draw_goal(canvas)
    if has_lamp:
        _draw_button(canvas, lamp)
        _draw_bulb(canvas, BULB, lamp)
    things = [
        (0.0, lambda: _draw_notebook(canvas)),
        (case[1], lambda: _draw_case(canvas, case)),
        (pusher[1], lambda: _draw_pusher(canvas, pusher)),
    ]
    for _, draw in sorted(things, key=lambda thing: -thing[0]):  # far things first
        draw()
    if frame is not None:
        _draw_border(canvas, frame)
    if has_tracker:
        _draw_report(canvas, from_report(fix), SEEN if visible else LOST)
    return np.asarray(canvas.image.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS))


def draw_backdrop(size: int, frame: Frame, has_lamp: bool, lamp: bool, notebook: bool) -> Image.Image:
    """Draw all that never moves, ``size`` x ``size`` pixels of ``frame``, as a camera sees it: without the goal zone.

    The bulb is inside the frame and brightens the table when it is lit.
    """
    centre, half = frame
    canvas = _Canvas(LIT_WALL if lamp else DARK_WALL)
    _draw_table(canvas, LIT_WOOD if lamp else WOOD)
    if has_lamp:
        _draw_button(canvas, lamp)
        _draw_bulb(canvas, BULB * half + centre, lamp)
    if notebook:
        _draw_notebook(canvas)
    (left, bottom), (right, top) = canvas.pixels(np.stack([centre - half, centre + half]))
    return canvas.image.resize((size, size), Image.Resampling.LANCZOS, box=(left, top, right, bottom))


def _draw_table(canvas: _Canvas, wood: tuple[int, int, int]) -> None:
    x, y = TABLE
    top = canvas.at([[-x, -y], [x, -y], [x, y], [-x, y]])
    edge = canvas.at([[-x, -y], [x, -y]], -0.03)
    canvas.pen.polygon([top[0], top[1], edge[1], edge[0]], fill=WOOD_EDGE)
    canvas.pen.polygon(top, fill=wood)
    for line in np.linspace(-y, y, 7)[1:-1]:
        canvas.pen.line(canvas.at([[-x, line], [x, line]]), fill=(190, 154, 110), width=2)


def _draw_goal(canvas: _Canvas) -> None:
    low, high = layout.GOAL_DEPTH
    half = layout.GOAL_HALF_WIDTH
    zone = canvas.at([[-half, low], [half, low], [half, high], [-half, high]])
    canvas.pen.polygon(zone, fill=GOAL, outline=(60, 150, 70, 160), width=2)


def _draw_button(canvas: _Canvas, lamp: bool) -> None:
    _ring(canvas, layout.BUTTON, layout.BUTTON_RADIUS, (150, 60, 150))
    _ring(canvas, layout.BUTTON, layout.BUTTON_RADIUS * 0.8, (200, 100, 200) if lamp else (120, 90, 130))


def _draw_bulb(canvas: _Canvas, place: np.ndarray, lamp: bool) -> None:
    """Draw the bulb at ``place`` [2] of the full picture, with a halo when it is lit."""
    bulb = canvas.pixels(place[None])[0]
    for radius, alpha in ((60.0, 60), (44.0, 90), (32.0, 130)) if lamp else ():
        canvas.disc(bulb, radius, (255, 236, 120, alpha))
    canvas.disc(bulb, 20.0, (255, 240, 140) if lamp else (70, 72, 80))


def _ring(canvas: _Canvas, centre: tuple[float, float], radius: float, fill) -> None:
    angle = np.linspace(0.0, 2.0 * np.pi, 25)[:-1]
    canvas.pen.polygon(canvas.at(np.stack([np.cos(angle), np.sin(angle)], -1) * radius + centre), fill=fill)


def _draw_notebook(canvas: _Canvas) -> None:
    """Draw the notebook on its long edge: the front cover with a label, and the pages between the covers."""
    x, y = layout.NOTEBOOK_HALF_SIZE
    high = layout.NOTEBOOK_HEIGHT
    canvas.pen.polygon(canvas.at([[-x, -y], [x, -y], [x, y], [-x, y]], high), fill=COVER_SIDE)
    canvas.pen.polygon(
        canvas.at([[-x + 0.006, -y * 0.6], [x, -y * 0.6], [x, y * 0.6], [-x + 0.006, y * 0.6]], high), fill=PAPER
    )
    front = canvas.at([[-x, -y], [x, -y]]) + canvas.at([[x, -y], [-x, -y]], high)
    canvas.pen.polygon(front, fill=COVER)
    spine = canvas.at([[-x, -y], [-x + 0.014, -y]]) + canvas.at([[-x + 0.014, -y], [-x, -y]], high)
    canvas.pen.polygon(spine, fill=COVER_SIDE)
    label = canvas.at([[-0.035, -y], [0.055, -y]], high * 0.35) + canvas.at([[0.055, -y], [-0.035, -y]], high * 0.78)
    canvas.pen.polygon(label, fill=LABEL)
    for part in (0.5, 0.64):
        canvas.pen.line(canvas.at([[-0.025, -y], [0.045, -y]], high * part), fill=(150, 150, 160), width=2)


def _draw_case(canvas: _Canvas, case: np.ndarray) -> None:
    """Draw the case: a rounded block with a zip along its top."""
    radius = layout.CASE_HALF_SIZE[1]
    length = layout.CASE_HALF_SIZE[0] - radius
    angle = np.linspace(-np.pi / 2, np.pi / 2, 9)
    end = np.stack([np.cos(angle) * radius + length, np.sin(angle) * radius], axis=-1)
    sin, cos = np.sin(case[2]), np.cos(case[2])
    turn = np.array([[cos, sin], [-sin, cos]])
    outline = np.concatenate([end, -end]) @ turn + case[:2]
    zip_line = np.array([[-length, 0.0], [length, 0.0]]) @ turn + case[:2]
    for height in np.linspace(0.0, layout.CASE_HEIGHT, 9)[:-1]:  # a stack of slices makes the sides
        canvas.pen.polygon(canvas.at(outline, height), fill=CASE_SIDE)
    canvas.pen.polygon(canvas.at(outline, layout.CASE_HEIGHT), fill=CASE_TOP)
    ends = canvas.at(zip_line, layout.CASE_HEIGHT)
    canvas.pen.line(ends, fill=ZIP, width=4)
    canvas.disc(ends[1], 5.0, ZIP)


def _draw_pusher(canvas: _Canvas, pusher: np.ndarray) -> None:
    """Draw the pusher: a stick held from above by a hand."""
    foot = canvas.at([pusher])[0]
    hand = canvas.at([pusher], layout.HAND_HEIGHT)[0]
    _ring(canvas, (pusher[0], pusher[1]), layout.PUSHER_RADIUS * 1.1, (0, 0, 0, 70))
    canvas.pen.line([foot, hand], fill=STICK, width=9)
    canvas.disc(foot, 6.0, STICK)
    edge = canvas.at([pusher + np.array([layout.HAND_RADIUS, 0.0])], layout.HAND_HEIGHT)[0]
    radius = edge[0] - hand[0]
    canvas.disc(hand, radius, HAND_SHADE)
    canvas.disc((hand[0] - radius * 0.12, hand[1] - radius * 0.12), radius * 0.86, HAND)


def _draw_border(canvas: _Canvas, frame: Frame) -> None:
    """Darken the part that the cropped recording does not show."""
    centre, half = frame
    (left, bottom), (right, top) = canvas.pixels(np.stack([centre - half, centre + half]))
    width, height = canvas.size
    for box in ((0, 0, width, top), (0, bottom, width, height), (0, top, left, bottom), (right, top, width, bottom)):
        canvas.pen.rectangle([float(side) for side in box], fill=(20, 20, 28, 130))
    canvas.pen.rectangle([left, top, right, bottom], outline=(250, 250, 250), width=3)


def _draw_report(canvas: _Canvas, fix: np.ndarray, colour: tuple[int, int, int]) -> None:
    (x, y) = canvas.pixels(fix[None])[0]
    for width, fill in ((7, (255, 255, 255)), (3, colour)):
        canvas.pen.line([(x - 14, y), (x + 14, y)], fill=fill, width=width)
        canvas.pen.line([(x, y - 14), (x, y + 14)], fill=fill, width=width)
