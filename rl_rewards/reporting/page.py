"""The report of a run, as one HTML file without external parts. The verdict comes first."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rl_rewards.core.files import write_whole
from rl_rewards.reporting.run_files import RunFiles, read_run

TEMPLATES = Path(__file__).parent


def write_report(run_dir: Path, path: Path | None = None) -> Path:
    """Write the report of the run in ``run_dir`` to ``path``, by default ``run_dir``/report.html.

    Returns:
        The path of the report.

    Raises:
        ConfigError: if ``run_dir`` is not a run folder or has a damaged file.
    """
    path = path or run_dir / "report.html"
    write_page(path, "page.html.j2", _content(read_run(run_dir)))
    return path


def write_page(path: Path, template: str, content: Mapping[str, Any]) -> None:
    """Fill ``template``, a file of this folder, and write it to ``path`` atomically: no reader sees half of a page."""
    import jinja2

    from rl_rewards.reporting.contents_bar import with_anchors

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["with_anchors"] = with_anchors
    write_whole(path, environment.get_template(template).render(content))


def _content(run: RunFiles) -> dict[str, Any]:
    from rl_rewards.core.words import digits
    from rl_rewards.reporting.clips import clips
    from rl_rewards.reporting.figures.outcome import outcome_figures
    from rl_rewards.reporting.figures.training import median_speed, time_table, training_figure
    from rl_rewards.reporting.glossary import glossary
    from rl_rewards.reporting.kept import kept_words
    from rl_rewards.reporting.over_seeds import over_seeds, typical_index
    from rl_rewards.reporting.texts import text_tables
    from rl_rewards.reporting.verdict import judge

    whole = over_seeds(run) if run.num_seeds > 1 else None
    seeds = whole.seeds if whole else run.config.get("seed", "unknown")
    typical = typical_index(run) if whole else 0
    run = run.of_seed(typical) if whole else run
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
        "clips": clips(run),
        "kept": kept_words(run),
        "texts": text_tables(run, typical),
    }
