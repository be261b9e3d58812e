"""Shows frames in a window, in real time (extra ``window``: pygame-ce, which opens windows on every system)."""

import os
import sys
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from rl_rewards.core.errors import ConfigError
from rl_rewards.reporting.video_frames import GROUND, Draw, Frame, drawn, most_lines

HELD_SECONDS = 1.0
"""How long the last frame of an episode stays, so that its outcome can be read."""
LARGEST_SHARE = 0.9
"""A window that opens takes at most this share of the screen's width, and of its height."""
INVISIBLE = ("dummy", "offscreen")
"""SDL's drivers that show nothing; it takes one of them where there is no display."""
INSTEAD = "write a video instead, with --video FILE.mp4"


def check_window() -> None:
    """Raise a ConfigError if no window can be opened here. This is quick, and opens none."""
    pygame, chosen, display = _pygame(), os.environ.get("SDL_VIDEODRIVER"), os.environ.get("DISPLAY")
    if sys.platform == "linux" and not (chosen or display or os.environ.get("WAYLAND_DISPLAY")):
        raise ConfigError(f"--window needs a display, and there is none here (DISPLAY is not set); {INSTEAD}.")
    try:
        pygame.display.init()
        if not chosen and pygame.display.get_driver() in INVISIBLE:
            raise ConfigError(f"--window needs a display, and DISPLAY={display} cannot be opened; {INSTEAD}.")
    except pygame.error as error:
        raise _unopened(error) from error
    finally:
        pygame.display.quit()


def show(shown: Sequence[Sequence[Frame]], draw: Draw, frames_per_second: float, title: str) -> None:
    """Show episodes one after another in a window; return after the last one, or when the window is closed.

    The space bar pauses. The keys q and Escape close the window, as its own button does. Where drawing is slower than
    real time, frames are left out.

    Args:
        shown: the frames of each episode, all of one size (:func:`rl_rewards.reporting.video.shown_frames`).
        draw: draws a scene.
        frames_per_second: in real time.
        title: of the window.

    Raises:
        CannotDraw: if the scenes cannot be drawn here.
    """
    step = 1.0 / frames_per_second
    timed = [(frame, HELD_SECONDS if frame is frames[-1] else step) for frames in shown for frame in frames]
    lines = most_lines([frame for frame, _ in timed])
    height, width = drawn(timed[0][0], draw, lines).shape[:2]  # raises CannotDraw before a window opens
    window = _Window((width, height), title)
    try:
        due = time.monotonic()
        for frame, seconds in timed:
            due += seconds
            if time.monotonic() < due:
                window.put(drawn(frame, draw, lines))
                due += window.wait(due)
            if window.closed:
                return
    finally:
        window.close()


class _Window:
    """A window for pictures of one size, which are scaled when a person changes the window's size."""

    def __init__(self, size: tuple[int, int], title: str) -> None:
        self._pygame = _pygame()
        display = self._pygame.display
        try:
            display.init()
            display.set_caption(title)
            largest = tuple(round(LARGEST_SHARE * side) for side in display.get_desktop_sizes()[0])
            display.set_mode(_fitted(size, largest, most=1.0), self._pygame.RESIZABLE)
        except self._pygame.error as error:
            raise _unopened(error) from error
        self._surface = self._pygame.Surface(size)
        self.closed = self._paused = False

    def close(self) -> None:
        self._pygame.display.quit()

    def put(self, picture: np.ndarray) -> None:
        """Show a picture [height, width, 3] uint8."""
        size = (picture.shape[1], picture.shape[0])
        self._surface = self._pygame.image.frombytes(picture.tobytes(), size, "RGB")
        self._redraw()

    def wait(self, until: float) -> float:
        """Answer keys until a time of ``time.monotonic``, or until the window is closed; return the paused seconds."""
        for event in self._pygame.event.get():  # also where drawing is late, and there is nothing to wait for
            self._answer(event)
        paused = 0.0
        while not self.closed and (left := until + paused - (now := time.monotonic())) > 0.0:
            self._answer(self._pygame.event.wait(max(1, min(100, round(1000 * left)))))
            if self._paused:
                paused += time.monotonic() - now
        return paused

    def _answer(self, event: Any) -> None:
        keys = self._pygame
        key = event.key if event.type == keys.KEYDOWN else None
        if event.type == keys.QUIT or key in (keys.K_q, keys.K_ESCAPE):
            self.closed = True
        elif key == keys.K_SPACE:
            self._paused = not self._paused
        elif event.type in (keys.WINDOWEXPOSED, keys.WINDOWSIZECHANGED):
            self._redraw()

    def _redraw(self) -> None:
        window = self._pygame.display.get_surface()
        size = _fitted(self._surface.get_size(), window.get_size())
        place = [(whole - part) // 2 for whole, part in zip(window.get_size(), size, strict=True)]
        window.fill(GROUND)
        window.blit(self._pygame.transform.smoothscale(self._surface, size), place)
        self._pygame.display.flip()


def _fitted(size: tuple[int, int], into: tuple[int, ...], most: float = np.inf) -> tuple[int, int]:
    """Return ``size`` enlarged or shrunk, at most ``most`` times, so that it just fits ``into``."""
    share = min(most, into[0] / size[0], into[1] / size[1])
    return max(1, round(share * size[0])), max(1, round(share * size[1]))


def _unopened(error: Exception) -> ConfigError:
    return ConfigError(f"--window cannot be opened here: {error}; {INSTEAD}.")


def _pygame() -> Any:
    os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
    try:
        import pygame
    except ImportError as error:
        raise ConfigError(
            f"--window needs pygame-ce, which is not installed; run pip install 'rl_rewards[window]', or {INSTEAD}."
        ) from error
    return pygame
