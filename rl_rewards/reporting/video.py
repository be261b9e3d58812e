"""Videos from recorded scenes: the environment draws, imageio writes."""

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
"""Then the video ends: long episodes are seen in part."""

NOTABLY = 0.1
"""The success by which a best policy must be better to get a video of its own."""

STRIP_HEIGHT = 12
"""Pixels above a game's picture."""


def _bytes_of(colour: str) -> tuple[int, ...]:
    return tuple(bytes.fromhex(colour.removeprefix("#")))


STRIP_OF = {0: _bytes_of(ALICE), 1: _bytes_of(BOB)}
"""By the number of whoever moves, as ``scene_player`` of an evaluation's file has it: 0 Alice, 1 Bob."""
NOBODY = -1
"""The number where nobody moves: the game has not begun, or is over."""

Draw = Callable[[np.ndarray], np.ndarray]
"""From a scene [k] to a picture [height, width, 3] uint8."""


class Frame(NamedTuple):
    """A picture of a video."""

    scene: np.ndarray  # [k]
    strip: tuple[int, ...] | None  # red, green and blue of the strip above it


def write_videos(run_dir: Path, draw: Draw, step_seconds: float, seed_index: int = 0) -> list[Path]:
    """Videos of a run's evaluations.

    Of the newest evaluation: its first episodes one after another as videos/final.mp4, as
    videos/most_rewarded_failure.mp4 the episode without success that has the highest learned return, and of self-play
    its first games as videos/games.mp4, with a strip in the colour of whoever moves. Where
    the best evaluation was much better (:func:`best_round`), its first episodes as videos/best.mp4.

    Args:
        step_seconds: simulated time of a step; the video runs in real time, between 10 and 30 frames a second.
        seed_index: whose episodes, in a run of several seeds.

    Returns:
        What was written: nothing if the run recorded no scenes; nor if their file is damaged or nothing here can draw
        them, which is printed.
    """
    newest = max((run_dir / "evaluations").glob("*.npz"), default=None)
    if newest is None:
        return []
    every = max(1, round(1.0 / (30.0 * step_seconds)))  # steps per frame
    frames_per_second = float(np.clip(1.0 / (every * step_seconds), 10.0, 30.0))
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
        path.unlink(missing_ok=True)  # of an earlier end of this run: a failure may be gone
        frames = [frame for episode in episodes for frame in episode[::every]][:MOST_FRAMES]
        try:
            if frames:
                _write(path, frames, draw, frames_per_second)
                written.append(path)
        except CannotDraw as error:
            print(f"No video: {error}.", flush=True)
            break
    return written


def best_round(run_dir: Path, seed_index: int = 0) -> int | None:
    """The round of the evaluation that checkpoints/best is of, where the final policy is worth less; else None.

    Less is a success at least 0.1 below the best, as few episodes may differ by less; by any other criterion, whose
    noise nobody knows, it is every policy that is not the best itself.
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
    """Episodes, by the video's name.

    Raises:
        ConfigError: when the file is damaged.
    """
    names = ("scene", "valid", "scene_failure", "failure_episode", "scene_games", "scene_player")
    arrays = read_stored(evaluation, names.__contains__)
    if "scene" not in arrays:
        return {}
    steps = list(arrays["scene"].shape[:-1])
    judged = list(arrays["valid"].shape) if "valid" in arrays else []
    # Every episode was judged, and the scenes of the first few alone are kept.
    fits = len(judged) in (2, 3) and len(steps) == len(judged) and judged[:-1] == steps[:-1] and judged[-1] >= steps[-1]
    require(fits, f"{evaluation} is malformed: scene and valid differ in shape.")
    if arrays["valid"].ndim == 3:
        arrays = {name: array[seed_index] for name, array in arrays.items()}
    scene, lengths = arrays["scene"], arrays["valid"].astype(bool).sum(axis=0)
    found = {"final.mp4": [_frames(scene[: lengths[i], i]) for i in range(min(EPISODES, scene.shape[1]))]}
    if "scene_failure" in arrays:
        episode = read_count(evaluation, arrays, "failure_episode")  # -1: every episode succeeded
        require(episode < len(lengths), f"{evaluation} is malformed: failure_episode={episode} is no episode.")
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

    draw(frames[0].scene)  # may be impossible, which should leave no file
    path.parent.mkdir(exist_ok=True)
    # ffmpeg is started by a fork that executes at once, which is safe beside JAX's threads.
    warnings.filterwarnings("ignore", message=r"os\.fork\(\) was called", category=RuntimeWarning)
    writer: Any = imageio.get_writer(path, fps=frames_per_second, macro_block_size=2)
    with writer:
        for frame in frames:
            picture = draw(frame.scene)
            if frame.strip is not None:
                picture = np.concatenate([np.full_like(picture[:STRIP_HEIGHT], frame.strip), picture])
            writer.append_data(picture)
