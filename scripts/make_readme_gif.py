"""Draws the README's moving picture: how true success and the learned reward of a run grow, beside its policy.

``python scripts/make_readme_gif.py RUN_DIR [FILE.gif]`` shows, for each evaluation of a finished run of one seed, both
curves up to there and the first episode of that evaluation. The environment must tell success and record scenes.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from rl_rewards.command_line.exits import guarded
from rl_rewards.core.checks import require
from rl_rewards.loop.build import build_env
from rl_rewards.loop.run_folder import read_config, reading
from rl_rewards.reporting.evaluation_files import StoredEvaluation
from rl_rewards.reporting.figures.drawing import LEARNED, TRUE, share_axis, steps_axis, styled
from rl_rewards.reporting.run_files import RunFiles, read_run
from rl_rewards.reporting.video import Draw

OUT = Path(__file__).parent / "results" / "main_job.gif"
SIZE, DOTS_PER_INCH = (7.6, 3.0), 100  # inches
PICTURES = 8
"""Pictures of an episode, evenly spaced."""
MILLISECONDS, LAST_MILLISECONDS = 110, 3_000
COLOURS = 64


def main() -> None:
    """Write the GIF that the arguments ask for."""
    parser = argparse.ArgumentParser(description="Draw a run's true success and learned reward beside its policy.")
    parser.add_argument("run_dir", type=Path, metavar="RUN_DIR", help="the folder of a finished run of one seed")
    parser.add_argument("out", type=Path, nargs="?", default=OUT, metavar="FILE.gif", help=f"default: {OUT.name}")
    chosen = parser.parse_args()
    with guarded():
        print(write_gif(chosen.run_dir, chosen.out))


def write_gif(run_dir: Path, out: Path) -> Path:
    """Write the moving picture of the run in ``run_dir`` to ``out`` and return ``out``.

    Raises:
        ConfigError: when the folder is not a run's, or the run has several seeds, no known success or no scenes.
    """
    run = read_run(run_dir, evaluations=1_000)
    require(run.num_seeds == 1, f"{run_dir} holds {run.num_seeds} seeds; name a run of one seed.")
    known = [one for one in run.evaluations if one.success is not None and "scene" in one.arrays]
    require(bool(known), f"{run_dir} has no evaluation with success and scenes; name a run that records both.")
    with reading(run_dir):
        draw = build_env(read_config(run_dir, ["env"], ())).draw
    pictures = [Image.fromarray(one) for one in _frames(run, known, draw)]
    palette = pictures[-1].quantize(COLOURS)
    frames = [one.quantize(palette=palette, dither=Image.Dither.NONE) for one in pictures]
    durations = [MILLISECONDS] * (len(frames) - 1) + [LAST_MILLISECONDS]
    frames[0].save(out, save_all=True, append_images=frames[1:], duration=durations, loop=0, optimize=True)
    return out


def _frames(run: RunFiles, evaluations: list[StoredEvaluation], draw: Draw) -> Iterator[np.ndarray]:
    """Yield pictures [height, width, 3] uint8: for each evaluation, its first episode beside both curves up to it."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with styled():
        figure = Figure(figsize=SIZE, dpi=DOTS_PER_INCH, layout="constrained")
        canvas = FigureCanvasAgg(figure)
        curves, film = figure.subplots(1, 2, width_ratios=(1.15, 1))
        steps = [one.env_steps for one in evaluations]
        success = [float(np.mean(np.asarray(one.ended_in_success))) for one in evaluations]
        reward = [float(one.learned_reward[one.valid].mean()) for one in evaluations]
        (true_line,) = curves.plot([], [], color=TRUE, marker="o", label="true success (share of episodes)")
        (learned_line,) = curves.plot([], [], color=LEARNED, marker="o", label="learned reward (mean per step)")
        curves.legend(loc="lower left", bbox_to_anchor=(-0.02, 1.0), borderaxespad=0.1)
        share_axis(curves)
        steps_axis(curves, run)
        film.axis("off")
        shown = film.imshow(draw(evaluations[0].arrays["scene"][0, 0]))
        for number, one in enumerate(evaluations):
            true_line.set_data(steps[: number + 1], success[: number + 1])
            learned_line.set_data(steps[: number + 1], reward[: number + 1])
            film.set_title(f"The policy after {one.env_steps:,} env steps")
            length = int(one.valid[:, 0].sum())
            for step in np.linspace(0, length - 1, PICTURES).round().astype(int):
                shown.set_data(draw(one.arrays["scene"][step, 0]))
                canvas.draw()
                yield np.asarray(canvas.buffer_rgba())[..., :3].copy()


if __name__ == "__main__":
    main()
