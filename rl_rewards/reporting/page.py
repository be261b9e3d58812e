"""The report of a run: one HTML file that needs nothing beside it, verdict first."""

import base64
import os
from pathlib import Path
from typing import Any

from rl_rewards.reporting.run_files import RunFiles, read_run

TEMPLATE = Path(__file__).with_name("page.html.j2")
LARGEST_VIDEO = 30_000_000  # bytes; beyond this a page no longer opens well, and the video stays beside it


def write_report(run_dir: Path) -> Path:
    """Write ``run_dir``/report.html from the run's files.

    Returns:
        The path of the report.

    Raises:
        ReportError: if ``run_dir`` is not a run's folder or has a broken file.
    """
    page = render(read_run(run_dir))
    path = run_dir / "report.html"
    temporary = path.with_suffix(".tmp")
    temporary.write_text(page, encoding="utf-8")
    os.replace(temporary, path)  # a reader who reloads never sees half a page
    return path


def render(run: RunFiles) -> str:
    """The page as text."""
    import jinja2

    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    return template.render(_content(run))


def _content(run: RunFiles) -> dict[str, Any]:
    from rl_rewards.reporting.figures import outcome_figures
    from rl_rewards.reporting.figures_training import median_speed, time_table, training_figure
    from rl_rewards.reporting.glossary import glossary
    from rl_rewards.reporting.over_seeds import over_seeds, typical_index
    from rl_rewards.reporting.verdict import digits, judge

    whole = over_seeds(run) if run.num_seeds > 1 else None
    seeds = whole.seeds if whole else run.config.get("seed", "unknown")
    run = run.of_seed(typical_index(run)) if whole else run
    verdict = judge(run)
    env, reward, algorithm = run.choices
    speed = median_speed(run)
    return {
        "title": f"{env}, {reward}, {algorithm}",
        "env": env,
        "reward": reward,
        "algorithm": algorithm,
        "run": run,
        "seed": seeds,
        "whole": whole,
        "verdict": verdict,
        "figures": outcome_figures(run, verdict.alarms),
        "training": training_figure(run),
        "times": time_table(run),
        "speed": digits(speed) if speed is not None else None,
        "glossary": glossary(run),
        "versions": run.run.get("versions") if isinstance(run.run.get("versions"), dict) else {},
        **_video(run),
    }


def _video(run: RunFiles) -> dict[str, Any]:
    if run.video is None:
        return {"video": None, "video_too_large": False}
    if run.video.stat().st_size > LARGEST_VIDEO:
        return {"video": None, "video_too_large": True}
    data = base64.b64encode(run.video.read_bytes()).decode("ascii")
    return {"video": f"data:video/mp4;base64,{data}", "video_too_large": False}
