"""Videos from recorded scenes: the environment draws, imageio writes."""

import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np

from rl_rewards.core.errors import CannotDraw

EPISODES = 4
MOST_FRAMES = 600
"""Then the video ends: long episodes are seen in part."""


def write_final_video(
    run_dir: Path, draw: Callable[[np.ndarray], np.ndarray], step_seconds: float, seed_index: int = 0
) -> Path | None:
    """The first episodes of the newest evaluation, one after another, as videos/final.mp4.

    Args:
        draw: from a scene [k] to a picture [height, width, 3] uint8.
        step_seconds: simulated time of a step; the video runs in real time, between 10 and 30 frames a second.
        seed_index: whose episodes, in a run of several seeds.

    Returns:
        The path, or None if the run recorded no scenes or nothing here can draw them, which is printed.
    """
    import imageio.v2 as imageio

    newest = max((run_dir / "evaluations").glob("*.npz"), default=None)
    if newest is None:
        return None
    with np.load(newest) as file:
        if "scene" not in file.files:
            return None
        scene, valid = file["scene"], file["valid"]
    if valid.ndim == 3:
        scene, valid = scene[seed_index], valid[seed_index]
    every = max(1, round(1.0 / (30.0 * step_seconds)))  # steps per frame
    episodes = range(min(EPISODES, scene.shape[1]))
    shown = [scene[t, i] for i in episodes for t in range(0, int(valid[:, i].sum()), every)][:MOST_FRAMES]
    try:
        draw(shown[0])
    except CannotDraw as error:
        print(f"No video: {error}.", flush=True)
        return None
    path = run_dir / "videos" / "final.mp4"
    path.parent.mkdir(exist_ok=True)
    frames_per_second = float(np.clip(1.0 / (every * step_seconds), 10.0, 30.0))
    # ffmpeg is started by a fork that executes at once, which is safe beside JAX's threads.
    warnings.filterwarnings("ignore", message=r"os\.fork\(\) was called", category=RuntimeWarning)
    with imageio.get_writer(path, fps=frames_per_second, macro_block_size=2) as writer:
        for one in shown:
            writer.append_data(draw(one))
    return path
