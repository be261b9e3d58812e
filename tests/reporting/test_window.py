"""The window shows frames in real time and answers keys; SDL's dummy driver opens it where there is no display."""

import sys
import time

import numpy as np
import pytest

from rl_rewards.core.errors import CannotDraw, ConfigError
from rl_rewards.reporting import window
from rl_rewards.reporting.video import ShownEpisode, shown_frames

pygame = pytest.importorskip("pygame")

SIDE = 300
"""Pixels of a picture's side when it is shown, which is twice its own."""


@pytest.fixture(autouse=True)
def _dummy_driver(monkeypatch):
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    monkeypatch.setattr(window, "HELD_SECONDS", 0.05)
    yield
    assert not pygame.display.get_init(), "the window is closed in any case"


def scenes(*lengths: int) -> list:
    """Return the frames of episodes of which scene t, in episode i, is the number 100 * i + t."""
    episodes = [ShownEpisode(100.0 * i + np.arange(n)[:, None], {}, None) for i, n in enumerate(lengths)]
    return shown_frames(episodes, [], 0.05)[0]


class Artist:
    """Draws scenes in shades of grey; notes which, and which shade the window then shows."""

    def __init__(self, at: int | None = None, then=lambda: None) -> None:
        self.seen, self.shown, self.at, self.then = [], [], at, then

    def __call__(self, scene: np.ndarray) -> np.ndarray:
        if pygame.display.get_init():  # the first call comes before the window
            self.seen.append(int(scene[0]))
            self.shown.append(pygame.display.get_surface().get_at((SIDE // 2, SIDE // 2))[0])
            if len(self.seen) == self.at:
                self.then()
        return np.full((SIDE // 2, SIDE // 2, 3), 50 + scene[0] % 100, np.uint8)


def press(key: int) -> None:
    pygame.event.post(pygame.event.Event(pygame.KEYDOWN, key=key))


def test_every_frame_is_in_the_window_for_its_time():
    artist, began = Artist(), time.monotonic()
    window.check_window()
    window.show(scenes(3, 2), artist, 20.0, "point")
    assert artist.seen == [0, 1, 2, 100, 101]
    assert artist.shown[1:] == [50, 51, 52, 50], "the frame before"
    assert 5 * 0.05 <= time.monotonic() - began < 3.0


@pytest.mark.parametrize("key", ["K_q", "K_ESCAPE", None])
def test_keys_and_the_button_close_the_window(key):
    def close() -> None:
        press(getattr(pygame, key)) if key else pygame.event.post(pygame.event.Event(pygame.QUIT))

    artist = Artist(2, close)
    window.show(scenes(30, 30), artist, 20.0, "point")
    assert artist.seen == [0, 1]


def test_space_pauses_and_goes_on():
    def pause() -> None:
        press(pygame.K_SPACE)
        pygame.time.set_timer(pygame.event.Event(pygame.KEYDOWN, key=pygame.K_SPACE), 300, loops=1)

    artist, began = Artist(2, pause), time.monotonic()
    window.show(scenes(6), artist, 10.0, "point")
    assert artist.seen == list(range(6)), "a pause leaves no frame out"
    assert time.monotonic() - began >= 0.3


def test_slow_drawing_leaves_frames_out_but_not_the_last():
    artist, began = Artist(3, lambda: time.sleep(0.3)), time.monotonic()
    window.show(scenes(20), artist, 50.0, "point")
    assert artist.seen[:3] == [0, 1, 2] and artist.seen[-1] == 19 and len(artist.seen) < 20
    assert time.monotonic() - began < 2.0


def test_keys_are_answered_where_drawing_is_always_late():
    def late(scene: np.ndarray) -> np.ndarray:
        time.sleep(0.05)
        return artist(scene)

    artist = Artist(2, lambda: press(pygame.K_q))
    window.show(scenes(100), late, 50.0, "point")
    assert len(artist.seen) == 2


def test_a_picture_that_is_larger_than_the_screen_is_shrunk():
    assert window._fitted((1200, 900), (1000, 600), most=1.0) == (800, 600)
    assert window._fitted((100, 100), (1000, 600), most=1.0) == (100, 100)
    assert window._fitted((100, 100), (1000, 600)) == (600, 600), "as when a person enlarges the window"


def test_what_cannot_be_drawn_opens_no_window():
    def draw(scene: np.ndarray) -> np.ndarray:
        raise CannotDraw("no renderer")

    with pytest.raises(CannotDraw):
        window.show(scenes(2), draw, 20.0, "Hopper-v5")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems always have a display")
@pytest.mark.parametrize(
    ("display", "message"), [(None, "there is none here"), (":77", "DISPLAY=:77 cannot be opened")]
)
def test_without_a_display_the_video_is_named(monkeypatch, display, message):
    for name in ("SDL_VIDEODRIVER", "DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    if display is not None:
        monkeypatch.setenv("DISPLAY", display)
    with pytest.raises(ConfigError, match=rf"{message}.*; write a video instead, with --video FILE.mp4\."):
        window.check_window()


def test_without_pygame_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "pygame", None)
    with pytest.raises(ConfigError, match=r"pip install 'rl_rewards\[window\]', or write a video instead"):
        window.check_window()
