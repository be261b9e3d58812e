"""Makes videos from recorded scenes: the environment draws the frames, and imageio writes them."""

import json
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from rl_rewards.core.checks import require
from rl_rewards.core.errors import CannotDraw, ConfigError
from rl_rewards.core.seed_rows import of_seed
from rl_rewards.reporting.evaluation_files import read_count, read_stored
from rl_rewards.reporting.figures.drawing import ALICE, BOB
from rl_rewards.reporting.run_files import read_rows

EPISODES = 4
MOST_FRAMES = 600
"""The longest video; the rest of its episodes is left out."""

NOTABLY = 0.1
"""The best policy gets its own video if its success is at least this much higher than the final policy's."""

STRIP_HEIGHT = 12
"""Height in pixels of the coloured strip above the picture of a game."""


def _bytes_of(colour: str) -> tuple[int, ...]:
    return tuple(bytes.fromhex(colour.removeprefix("#")))


STRIP_OF = {0: _bytes_of(ALICE), 1: _bytes_of(BOB)}
"""The strip's colour by player; ``scene_player`` in an evaluation's file has the same numbers: 0 Alice, 1 Bob."""
NOBODY = -1
"""The player's number when nobody moves: the game has not begun, or is over."""

Draw = Callable[[np.ndarray], np.ndarray]
"""A function from a scene [k] to a picture [height, width, 3] uint8."""


class Frame(NamedTuple):
    """One frame of a video, before it is drawn."""

    scene: np.ndarray  # [k]
    strip: tuple[int, ...] | None  # red, green and blue of the strip above it


def write_videos(run_dir: Path, draw: Draw, step_seconds: float, seed_index: int = 0) -> list[Path]:
    """Write the videos of a run's evaluations to ``run_dir``/videos.

    From the newest evaluation, final.mp4 shows the first episodes one after another, most_rewarded_failure.mp4 the
    unsuccessful episode with the highest learned return, and games.mp4 the first games of self-play, under a strip in
    the colour of the player that moves. If an earlier evaluation was much better (:func:`best_round`), best.mp4 shows
    its first episodes.

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


def write_scenes(path: Path, episodes: Sequence[np.ndarray], draw: Draw, step_seconds: float) -> None:
    """Write a video of episodes, each with scenes [T, k], one after another; arguments as for :func:`write_videos`.

    Raises:
        CannotDraw: if the scenes cannot be drawn here.
    """
    every, frames_per_second = _pace(step_seconds)
    frames = [frame for scenes in episodes for frame in _frames(scenes)[::every]][:MOST_FRAMES]
    _write(path, frames, draw, frames_per_second)


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
    names = ("scene", "valid", "scene_failure", "failure_episode", "scene_games", "scene_player")
    arrays = read_stored(evaluation, names.__contains__)
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
    found = {"final.mp4": [_frames(scene[: lengths[i], i]) for i in range(min(EPISODES, scene.shape[1]))]}
    if "scene_failure" in arrays:
        episode = read_count(evaluation, arrays, "failure_episode")  # -1: every episode succeeded
        require(
            episode < len(lengths),
            f"{evaluation} is malformed: failure_episode={episode}, but there are {len(lengths)} episodes.",
        )
        failure = arrays["scene_failure"][: lengths[episode]]
        found["most_rewarded_failure.mp4"] = [_frames(failure)] if episode >= 0 else []
    if "scene_games" in arrays:
        games = zip(arrays["scene_games"].swapaxes(0, 1), arrays["scene_player"].T, strict=True)
        found["games.mp4"] = [_frames(scene[player != NOBODY], player[player != NOBODY]) for scene, player in games]
    return found


def _frames(scenes: np.ndarray, players: np.ndarray | None = None) -> list[Frame]:
    colours = [None] * len(scenes) if players is None else [STRIP_OF[int(player)] for player in players]
    return [Frame(scene, colour) for scene, colour in zip(scenes, colours, strict=True)]


def _write(path: Path, frames: Sequence[Frame], draw: Draw, frames_per_second: float) -> None:
    import imageio.v2 as imageio

    draw(frames[0].scene)  # raises CannotDraw before a file is created
    path.parent.mkdir(parents=True, exist_ok=True)
    # imageio starts ffmpeg by a fork and an immediate exec, which is safe despite JAX's threads.
    warnings.filterwarnings("ignore", message=r"os\.fork\(\) was called", category=RuntimeWarning)
    writer: Any = imageio.get_writer(path, fps=frames_per_second, macro_block_size=2)
    with writer:
        for frame in frames:
            picture = draw(frame.scene)
            if frame.strip is not None:
                picture = np.concatenate([np.full_like(picture[:STRIP_HEIGHT], frame.strip), picture])
            writer.append_data(picture)
