"""Videos run in real time, show only a part of long episodes, and never make a run fail."""

import imageio.v2 as imageio
import numpy as np
import pytest

from rl_rewards.core.errors import CannotDraw
from rl_rewards.games.rules import ALICE, BOB
from rl_rewards.reporting import video
from rl_rewards.reporting.video import NOBODY, write_videos
from rl_rewards.reporting.video_frames import (
    ENLARGED,
    NARROWEST,
    STRIP_HEIGHT,
    STRIP_OF,
    drawn,
    episode_frames,
)


def write_evaluation(run_dir, steps: int, episodes: int) -> None:
    """Write scenes [T, N, 2] of (t, episode); the second episode is half as long, and one more has no scenes."""
    (run_dir / "evaluations").mkdir()
    t, episode = np.meshgrid(np.arange(steps), np.arange(episodes), indexing="ij")
    valid = np.concatenate([(episode != 1) | (t < steps // 2), np.ones((steps, 1), bool)], axis=1)
    np.savez(run_dir / "evaluations" / "000001.npz", scene=np.stack([t, episode], axis=-1), valid=valid)


def drawn_scenes(run_dir, step_seconds: float) -> list[tuple[int, int]]:
    seen = []

    def draw(scene):
        seen.append(tuple(int(x) for x in scene))
        return np.full((16, 16, 3), 10 * scene[1], np.uint8)

    (path,) = write_videos(run_dir, draw, step_seconds)
    assert path == run_dir / "videos" / "final.mp4" and path.stat().st_size > 0
    return seen[1:]  # the first frame only tests whether drawing works


def test_every_step_of_a_slow_environment_is_shown(tmp_path):
    write_evaluation(tmp_path, steps=8, episodes=2)
    assert drawn_scenes(tmp_path, 0.04) == [(t, 0) for t in range(8)] + [(t, 1) for t in range(4)]
    assert imageio.get_reader(tmp_path / "videos" / "final.mp4").get_meta_data()["fps"] == 25.0


def test_a_fast_environment_is_shown_in_real_time(tmp_path):
    write_evaluation(tmp_path, steps=40, episodes=1)
    assert drawn_scenes(tmp_path, 0.008) == [(t, 0) for t in range(0, 40, 4)]
    assert imageio.get_reader(tmp_path / "videos" / "final.mp4").get_meta_data()["fps"] == 30.0


def test_long_episodes_are_shown_in_part(tmp_path, outer_patch):
    outer_patch.setattr(video, "MOST_FRAMES", 20)
    write_evaluation(tmp_path, steps=20, episodes=3)
    assert len(drawn_scenes(tmp_path, 0.04)) == 20


def test_what_cannot_be_drawn_costs_the_video_alone(tmp_path, capsys):
    write_evaluation(tmp_path, steps=8, episodes=2)

    def draw(scene):
        raise CannotDraw("Hopper-v5 cannot be drawn here: no renderer")

    assert write_videos(tmp_path, draw, 0.04) == []
    assert capsys.readouterr().out == "No video: Hopper-v5 cannot be drawn here: no renderer.\n"
    assert not (tmp_path / "videos" / "final.mp4").exists()


@pytest.mark.parametrize("damage", ["bytes", "valid", "failure_episode"])
def test_a_damaged_evaluation_costs_the_video_alone(tmp_path, capsys, damage):
    write_evaluation(tmp_path, steps=8, episodes=2)
    path = tmp_path / "evaluations" / "000001.npz"
    if damage == "bytes":
        path.write_bytes(path.read_bytes()[:100])
    else:
        arrays = {"scene": np.zeros((8, 2, 2)), "valid": np.ones((8, 2), bool), "scene_failure": np.zeros((8, 2))}
        bad = {"valid": {"valid": np.ones((7, 2), bool)}, "failure_episode": {"failure_episode": np.array(2)}}
        np.savez(path, **(arrays | bad[damage]))
    assert write_videos(tmp_path, lambda scene: np.zeros((16, 16, 3), np.uint8), 0.04) == []
    said = capsys.readouterr().out
    assert said.startswith(f"No video: {path} is ") and said.endswith(".\n") and said.count("\n") == 1


def write_failure(run_dir, failure_episode: int, name: str) -> None:
    """Write one seed's evaluation of two episodes, eight and four steps long; the failure's scenes hold 9."""
    valid = np.stack([np.ones(8, bool), np.arange(8) < 4], axis=-1)
    scenes = {"scene": np.zeros((8, 2, 2)), "scene_failure": np.full((8, 2), 9.0)}
    np.savez(run_dir / "evaluations" / name, valid=valid, failure_episode=failure_episode, **scenes)


def test_the_most_rewarded_failure_ends_with_its_episode_and_goes_when_there_is_none(tmp_path):
    (tmp_path / "evaluations").mkdir()
    write_failure(tmp_path, 1, "000001.npz")
    seen = []

    def draw(scene):
        seen.append(scene[0])
        return np.zeros((16, 16, 3), np.uint8)

    paths = write_videos(tmp_path, draw, 0.04)
    assert [path.name for path in paths] == ["final.mp4", "most_rewarded_failure.mp4"]
    assert sum(value == 9.0 for value in seen) == 1 + 4  # the test of drawing, and the four valid steps
    write_failure(tmp_path, -1, "000002.npz")
    assert [path.name for path in write_videos(tmp_path, draw, 0.04)] == ["final.mp4"]
    assert not paths[1].exists()


def test_failures_are_of_the_seed_shown(tmp_path):
    (tmp_path / "evaluations").mkdir()
    np.savez(
        tmp_path / "evaluations" / "000001.npz",
        valid=np.ones((2, 3, 1), bool),
        scene=np.zeros((2, 3, 1, 1)),
        scene_failure=np.array([[[1.0]] * 3, [[2.0]] * 3]),
        failure_episode=np.array([-1, 0]),
    )
    seen = []

    def draw(scene):
        seen.append(float(scene[0]))
        return np.zeros((16, 16, 3), np.uint8)

    assert len(write_videos(tmp_path, draw, 0.04, seed_index=0)) == 1
    assert len(write_videos(tmp_path, draw, 0.04, seed_index=1)) == 2
    assert set(seen) == {0.0, 2.0}


def test_games_are_shown_move_by_move_with_who_moves(tmp_path):
    (tmp_path / "evaluations").mkdir()
    player = np.array([[NOBODY, ALICE], [ALICE, ALICE], [BOB, NOBODY], [BOB, NOBODY]], np.int8)
    t, game = np.meshgrid(np.arange(4), np.arange(2), indexing="ij")
    np.savez(
        tmp_path / "evaluations" / "000001.npz",
        scene=np.full((1, 1, 2), 9.0),
        valid=np.ones((1, 1), bool),
        scene_games=np.stack([t, game], axis=-1).astype(float),
        scene_player=player,
    )
    seen = []

    def draw(scene):
        seen.append(tuple(scene.tolist()))
        return np.zeros((40, 32, 3), np.uint8)

    path = write_videos(tmp_path, draw, 0.04)[-1]
    assert path.name == "games.mp4"
    assert [scene for scene in seen if scene[0] != 9.0][1:] == [(1, 0), (2, 0), (3, 0), (0, 1), (1, 1)]
    shown = np.array(imageio.mimread(path), int)
    assert shown.shape[0] == 5 and shown.shape[1] > STRIP_HEIGHT + 40 * ENLARGED and shown.shape[2] == NARROWEST
    strips = shown[:, STRIP_HEIGHT // 2, 16]
    for strip, role in zip(strips, (ALICE, BOB, BOB, ALICE, ALICE), strict=True):
        np.testing.assert_allclose(strip, STRIP_OF[role], atol=25)  # ffmpeg's compression changes colours a little
    assert shown[:, STRIP_HEIGHT + 40, NARROWEST // 2].max() < 25  # the middle of the picture


def test_frames_say_episode_success_and_learned_reward():
    learned, success = np.array([0.5, 0.25]), np.array([False, True])
    frames = episode_frames(np.zeros((2, 1)), "episode 2 of 4", {"learned": learned}, success)
    assert frames[0].lines == ("episode 2 of 4, step 1 of 2", "no success", "learned reward 0.500, so far 0.500")
    assert frames[1].lines[1:] == ("success", "learned reward 0.250, so far 0.750")
    assert episode_frames(np.zeros((1, 1)), "episode 1 of 1", {})[0].lines == ("episode 1 of 1, step 1 of 1",)
    picture = drawn(frames[0], lambda scene: np.zeros((200, 200, 3), np.uint8), 3)
    assert picture.shape[1] == 400 and picture[:400].max() < 10
    below = picture[400:]
    assert below.min() < 60 < 200 < below.max()  # dark letters on a light ground
