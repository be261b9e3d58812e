"""Makes videos from recorded scenes: the environment draws the frames, and imageio writes them."""

import json
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from rl_rewards.core.checks import require
from rl_rewards.core.errors import CannotDraw, ConfigError
from rl_rewards.core.seed_rows import of_seed
from rl_rewards.reporting.evaluation_files import read_count, read_stored
from rl_rewards.reporting.run_files import read_rows
from rl_rewards.reporting.video_frames import GROUND, Draw, Frame, drawn, episode_frames, game_frames, most_lines

EPISODES = 4
MOST_FRAMES = 600
"""The longest video; the rest of its episodes is left out."""

NOTABLY = 0.1
"""The best policy gets its own video if its success is at least this much higher than the final policy's."""

NOBODY = -1
"""The player's number when nobody moves: the game has not begun, or is over."""


def write_videos(run_dir: Path, draw: Draw, step_seconds: float, seed_index: int = 0) -> list[Path]:
    """Write the videos of a run's evaluations to ``run_dir``/videos.

    From the newest evaluation, final.mp4 shows the first episodes one after another, most_rewarded_failure.mp4 the
    unsuccessful episode with the highest learned return, and games.mp4 the first games of self-play, under a strip in
    the colour of the player that moves. If an earlier evaluation was much better (:func:`best_round`), best.mp4 shows
    its first episodes. Pictures are twice as large as they were drawn, above the episode, success and learned reward.

    Args:
        draw: draws one scene.
        step_seconds: simulated seconds per step; videos run in real time, at 10 to 30 frames per second.
        seed_index: the index of the seed whose episodes are shown.

    Returns:
        The paths of the written videos. If the run recorded no scenes, there are none; if the scenes' file is damaged
        or they cannot be drawn here, a sentence is printed as well.
    """
    newest = max((run_dir / "evaluations").glob("*.npz"), default=None)
    if newest is None:
        return []
    every, frames_per_second = _pace(step_seconds)
    written = []
    best = best_round(run_dir, seed_index)
    evaluation = run_dir / "evaluations" / f"{best:06d}.npz" if best is not None else None
    try:
        recorded = _recorded(newest, seed_index)
        better = _recorded(evaluation, seed_index) if evaluation is not None and evaluation.is_file() else {}
    except ConfigError as error:
        print(f"No video: {error}", flush=True)
        return []
    if recorded:
        recorded["best.mp4"] = better.get("final.mp4", [])
    for name, episodes in recorded.items():
        path = run_dir / "videos" / name
        path.unlink(missing_ok=True)  # a resumed run may have a video from before, of a failure that no longer happens
        frames = [frame for episode in episodes for frame in episode[::every]][:MOST_FRAMES]
        try:
            if frames:
                _write(path, frames, draw, frames_per_second)
                written.append(path)
        except CannotDraw as error:
            print(f"No video: {str(error).removesuffix('.')}.", flush=True)
            break
    return written


class ShownEpisode(NamedTuple):
    """An episode to be shown; see :func:`rl_rewards.reporting.video_frames.episode_frames`."""

    scenes: np.ndarray  # [T, k]
    rewards: Mapping[str, np.ndarray]  # [T] by kind
    success: np.ndarray | None  # [T] bool


class ShownGame(NamedTuple):
    """A game to be shown."""

    scenes: np.ndarray  # [T, k]
    players: np.ndarray  # [T] whose move led to each scene
    words: str  # its outcome


def shown_frames(
    episodes: Sequence[ShownEpisode], games: Sequence[ShownGame], step_seconds: float
) -> tuple[list[list[Frame]], float]:
    """Return the frames of each episode and then of each game, all of one size, and frames per second in real time."""
    every, frames_per_second = _pace(step_seconds)
    shown = [
        episode_frames(one.scenes, f"episode {number} of {len(episodes)}", one.rewards, one.success)
        for number, one in enumerate(episodes, 1)
    ]
    if games:  # with room for the strip that games have
        shown = [[frame._replace(strip=GROUND) for frame in frames] for frames in shown]
    for number, game in enumerate(games, 1):
        frames = game_frames(game.scenes, game.players, f"game {number} of {len(games)}")
        shown.append([frame._replace(lines=(*frame.lines, game.words)) for frame in frames])
    # Counted from the end, because the last frame has the outcome.
    return [frames[(len(frames) - 1) % every :: every] for frames in shown], frames_per_second


def write_frames(path: Path, shown: Sequence[Sequence[Frame]], draw: Draw, frames_per_second: float) -> None:
    """Write a video of the episodes and games of :func:`shown_frames`, one after another.

    Raises:
        CannotDraw: if the scenes cannot be drawn here.
    """
    _write(path, [frame for frames in shown for frame in frames][:MOST_FRAMES], draw, frames_per_second)


def _pace(step_seconds: float) -> tuple[int, float]:
    """Return steps per frame, and frames per second, for a video in real time at 10 to 30 frames per second."""
    every = max(1, round(1.0 / (30.0 * step_seconds)))
    return every, float(np.clip(1.0 / (every * step_seconds), 10.0, 30.0))


def best_round(run_dir: Path, seed_index: int = 0) -> int | None:
    """Return the round of the evaluation whose policy is in checkpoints/best, if the final policy is worse, else None.

    By the criterion of success, worse means at least ``NOTABLY`` below the best, because a smaller difference can be
    noise. The noise of the other criteria is unknown; by them every later policy counts as worse.
    """
    if not (run_dir / "best.json").is_file():
        return None
    record = json.loads((run_dir / "best.json").read_text(encoding="utf-8"))
    kept = record["seeds"][seed_index]
    evaluated = [row for row in read_rows(run_dir / "metrics.jsonl") if row.get("eval/learned_return") is not None]
    if kept is None or not evaluated or evaluated[-1]["round"] == kept["round"]:
        return None
    last = of_seed(evaluated[-1], seed_index).get("eval/success")
    if record["criterion"] == "success" and last is not None and last > kept["success"] - NOTABLY:
        return None
    return kept["round"]


def _recorded(evaluation: Path, seed_index: int) -> dict[str, list[list[Frame]]]:
    """Return the recorded episodes by the name of their video.

    Raises:
        ConfigError: if the file is damaged.
    """
    names = ("scene", "valid", "learned_reward", "success", "scene_failure", "failure_episode", "scene_games")
    arrays = read_stored(evaluation, (*names, "scene_player").__contains__)
    if "scene" not in arrays:
        return {}
    steps = list(arrays["scene"].shape[:-1])
    judged = list(arrays["valid"].shape) if "valid" in arrays else []
    # valid covers every episode, but only the first few have scenes.
    fits = len(judged) in (2, 3) and len(steps) == len(judged) and judged[:-1] == steps[:-1] and judged[-1] >= steps[-1]
    require(fits, f"{evaluation} is malformed: the shapes of scene and valid do not fit each other.")
    if arrays["valid"].ndim == 3:
        arrays = {name: array[seed_index] for name, array in arrays.items()}
    scene, lengths = arrays["scene"], arrays["valid"].astype(bool).sum(axis=0)
    count = min(EPISODES, scene.shape[1])
    found = {
        "final.mp4": [_episode(arrays, scene[:, i], i, lengths[i], f"episode {i + 1} of {count}") for i in range(count)]
    }
    if "scene_failure" in arrays:
        episode = read_count(evaluation, arrays, "failure_episode")  # -1: every episode succeeded
        require(
            episode < len(lengths),
            f"{evaluation} is malformed: failure_episode={episode}, but there are {len(lengths)} episodes.",
        )
        title = f"episode {episode + 1} of {len(lengths)}"
        failure = [_episode(arrays, arrays["scene_failure"], episode, lengths[episode], title)] if episode >= 0 else []
        found["most_rewarded_failure.mp4"] = failure
    if "scene_games" in arrays:
        games = list(zip(arrays["scene_games"].swapaxes(0, 1), arrays["scene_player"].T, strict=True))
        found["games.mp4"] = [
            game_frames(scene[player != NOBODY], player[player != NOBODY], f"game {i} of {len(games)}")
            for i, (scene, player) in enumerate(games, 1)
        ]
    return found


def _episode(
    arrays: Mapping[str, np.ndarray], scenes: np.ndarray, episode: int, length: int, title: str
) -> list[Frame]:
    """Return the frames of an episode with what its evaluation stored about each step."""
    shape = arrays["valid"].shape
    per_step = {
        name: arrays[name][:length, episode]
        for name in ("learned_reward", "success")
        if name in arrays and arrays[name].shape == shape
    }
    rewards = {"learned": per_step["learned_reward"]} if "learned_reward" in per_step else {}
    return episode_frames(scenes[:length], title, rewards, per_step.get("success"))


def _write(path: Path, frames: Sequence[Frame], draw: Draw, frames_per_second: float) -> None:
    import imageio.v2 as imageio

    draw(frames[0].scene)  # raises CannotDraw before a file is created
    path.parent.mkdir(parents=True, exist_ok=True)
    # imageio starts ffmpeg by a fork and an immediate exec, which is safe despite JAX's threads.
    warnings.filterwarnings("ignore", message=r"os\.fork\(\) was called", category=RuntimeWarning)
    lines = most_lines(frames)
    writer: Any = imageio.get_writer(path, fps=frames_per_second, macro_block_size=2)
    with writer:
        for frame in frames:
            writer.append_data(drawn(frame, draw, lines))
