"""Descriptions of a segment in a few sentences, for a judge that reads text: facts with their units.

Every function takes ``info["scene"]`` of the segment's steps, [L, k], from which pictures are drawn as well.
"""

import numpy as np


def of_point(scene: np.ndarray, action: np.ndarray) -> str:
    """Describe a segment of ``point``; ``scene``: x, y; ``action`` [L, 2]."""
    distance = np.hypot(scene[:, 0], scene[:, 1])
    return (
        f"In {len(scene)} steps the point goes from {_at(scene[0])} to {_at(scene[-1])}; the square reaches from -1 to "
        f"1. Distance from the middle: {_course(distance, '')}. Mean speed wanted: "
        f"{np.hypot(*np.clip(action, -1.0, 1.0).T).mean():.2f}."
    )


def of_point_maze(scene: np.ndarray, action: np.ndarray, ways: np.ndarray, hazards: np.ndarray) -> str:
    """Describe a segment of ``point_maze``.

    Args:
        scene: x and y in cells.
        action: [L, 2].
        ways: [height, width] length of the way from each cell to the goal, in cells.
        hazards: [height, width] True for cells that are hazards.
    """
    height, width = ways.shape
    x, y = np.clip(np.floor(scene.T).astype(int), 0, [[width - 1], [height - 1]])
    touched = f" It is on a hazard after {np.sum(hazards[y, x])} of the {len(scene)} steps." if np.any(hazards) else ""
    return (
        f"In {len(scene)} steps the point goes from {_at(scene[0])} to {_at(scene[-1])}, in a maze of {width} by "
        f"{height} cells. Length of the way to the goal, around walls and hazards, in cells: "
        f"{_course(ways[y, x], '', 0)}.{touched} Mean speed wanted: "
        f"{np.hypot(*np.clip(action, -1.0, 1.0).T).mean():.2f}."
    )


def of_pencil_case(scene: np.ndarray, notebook_half_width: float) -> str:
    """Describe a segment of ``pencil_case`` in centimetres.

    Args:
        scene: x, y and yaw of the case, x and y of the pusher, u and v as reported, visible, lamp; in metres.
        notebook_half_width: in metres.
    """
    case, pusher, turned = 100.0 * scene[:, :2], 100.0 * scene[:, 3:5], np.degrees(scene[:, 2])
    half = 100.0 * notebook_half_width
    gap = np.hypot(*(case - pusher).T)
    lamp = f" The lamp is lit in {np.mean(scene[:, 8] > 0.5):.0%} of the clip." if np.any(scene[:, 8] > 0.5) else ""
    return (
        f"The notebook stands from x = {-half:.0f} to {half:.0f} cm at y = 0; y grows away from the camera, so that y "
        f"below 0 is in front of it and y above 0 behind it. The case goes from {_at(case[0], 1)} to "
        f"{_at(case[-1], 1)} cm and turns by {turned[-1] - turned[0]:.0f} degrees. Highest y of the case: "
        f"{case[:, 1].max():.1f} cm. Distance from pusher to case: {_course(gap, ' cm', 1)}.{lamp}"
    )


def of_flip(scene: np.ndarray, seconds: float) -> str:
    """Describe a segment of ``flip``; ``scene``: x and height of the centre (m), angle turned (rad, never wrapped);
    ``seconds`` per step."""
    x, height, turned = scene[:, 0], scene[:, 1], np.degrees(scene[:, 2])
    past = turned - turned[0]
    return (
        f"In {len(scene) * seconds:.1f} s the plank turns {_turn(past[-1])}; at the farthest it has turned "
        f"{_turn(past[np.abs(past).argmax()])}. At the end it is tilted {turned[-1] % 360.0:.0f} degrees backward from "
        f"lying on its feet (180 is upside down). Height of its middle: {_course(height, ' m')}, at the most "
        f"{height.max():.2f} m; 0.10 m is standing. It moves {x[-1] - x[0]:.2f} m along the ground."
    )


def of_driver(scene: np.ndarray, lane_width: float, car_length: float, seconds: float) -> str:
    """Describe a segment of ``driver``; ``scene``: x, y, heading and speed of the learner's car, then of the other;
    ``seconds`` per step."""
    cars = scene.reshape(len(scene), 2, 4)
    own, apart = cars[:, 0], cars[:, 0, :2] - cars[:, 1, :2]
    off = np.degrees(np.abs((own[:, 2] - np.pi / 2.0 + np.pi) % (2.0 * np.pi) - np.pi))
    nearest = np.abs(own[:, :1] - lane_width * np.array([-1.0, 0.0, 1.0])).min(axis=1)
    road = np.mean(np.abs(own[:, 0]) <= 1.5 * lane_width)
    return (
        f"In {len(scene) * seconds:.1f} s, in lengths of a car: the car is ahead of the other by "
        f"{apart[0, 1] / car_length:.1f} at first and {apart[-1, 1] / car_length:.1f} at last (below 0 is behind). "
        f"Distance between the cars: {_course(np.hypot(*apart.T) / car_length, '')}. Mean distance from the middle of "
        f"the nearest lane: {nearest.mean() / lane_width:.2f} of a lane's width; on the road for {road:.0%} of it. "
        f"Its heading is off the road's by {off.mean():.0f} degrees on average. Mean speed: {own[:, 3].mean():.2f}, "
        f"the other's {cars[:, 1, 3].mean():.2f}."
    )


def _at(place: np.ndarray, digits: int = 2) -> str:
    return f"({place[0]:.{digits}f}, {place[1]:.{digits}f})"


def _course(values: np.ndarray, unit: str, digits: int = 2) -> str:
    """Return the first and the last value, the mean and the minimum, as text."""
    first, last, mean, least = (f"{x:.{digits}f}{unit}" for x in (values[0], values[-1], values.mean(), values.min()))
    return f"{first} at first, {last} at last, {mean} on average, {least} at the least"


def _turn(degrees: float) -> str:
    return (
        f"{abs(degrees):.0f} degrees {'backward' if degrees >= 0.0 else 'forward'} ({abs(degrees) / 360.0:.2f} turns)"
    )
