"""Entry point of a run: compose -> build -> check -> train -> evaluate -> report.

``python -m rl_rewards.run reward=goal_classifier env=point`` and the console script ``rl-rewards`` are the same.
Heavy libraries are imported only when a run starts, so that ``--help`` and a mistyped option are answered at once.
"""

import os
import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from importlib.metadata import version
from pathlib import Path
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from rl_rewards.command_line import sweep
from rl_rewards.command_line.arguments import mended
from rl_rewards.command_line.choices import CONFIGS
from rl_rewards.command_line.compile_cache import prepare_jax
from rl_rewards.command_line.compose import of_size
from rl_rewards.command_line.early import leaving_nothing, refuse_study
from rl_rewards.command_line.exits import REFUSED, REQUEUE, end_with_the_reader, guarded, leave, raise_here
from rl_rewards.command_line.help import print_help
from rl_rewards.command_line.run_dir import GROUPS, resumed, started
from rl_rewards.core.errors import FolderInUse, Stopped, TrainingFailed
from rl_rewards.loop.run_folder import only_process, reading

TEXT_ONLY = {"--help", "-h", "--version", "--cfg", "-c", "--info", "-i", "--hydra-help"}
"""Arguments that print something and start no run."""


def main() -> None:
    """Entry point of ``rl-rewards`` and ``python -m rl_rewards.run``."""
    arguments = sys.argv[1:]
    if TEXT_ONLY & set(arguments):
        end_with_the_reader()
    raise_here()
    if {"--help", "-h"} & set(arguments):
        with guarded():
            print_help(arguments)
    elif "--version" in arguments:
        print(f"rl_rewards {version('rl_rewards')}")
    elif resume := [a.removeprefix("resume=") for a in arguments if a.startswith("resume=")]:
        with guarded():
            run_dir = Path(os.path.expanduser(resume[-1]))
            resume_run(run_dir, [a for a in arguments if not a.startswith("resume=")])
    else:
        with guarded():
            sys.argv[1:] = mended(arguments)
            sweep.check_launcher(arguments)
            if any(one.startswith("hydra/launcher=") for one in arguments):
                from rl_rewards.clusters.launcher import register

                register()
            _hydra_main()


@hydra.main(config_path=str(CONFIGS), config_name="config", version_base="1.3")
def _hydra_main(cfg: DictConfig) -> float | None:
    """Run one job and return its score (true success, or true return) for sweepers that optimise."""
    job = HydraConfig.get()
    choices = {group: job.runtime.choices[group] for group in GROUPS}
    run_dir = Path(job.runtime.output_dir)
    if job.mode == RunMode.MULTIRUN:
        return sweep_job(cfg, run_dir, choices, list(job.overrides.task))
    with guarded():
        if cfg.study is not None:
            start_study(cfg, run_dir, list(job.overrides.task))
            return None
        with leaving_nothing(run_dir), started(cfg, run_dir, choices):
            return execute(cfg, run_dir, choices)


def sweep_job(cfg: DictConfig, run_dir: Path, choices: dict[str, str], overrides: list[str]) -> float:
    """Run a job of a sweep unless it is finished, and return its score; a failure goes to FAILED.json.

    Only a folder in which another process runs ends the sweep: that job will have a score, but not in this process.
    """
    try:
        refuse_study(cfg)
        for folder in sweep.folders(cfg, run_dir, overrides):
            if (known := sweep.finished_score(folder)) is not None:
                print(f"Done already: {folder}", flush=True)
                return known
        return start_run(cfg, run_dir, choices, overrides)
    except Stopped as stopped:
        leave(str(stopped), REQUEUE)
    except FolderInUse as error:
        leave(f"Error: {error}", REFUSED)
    except Exception as error:
        return sweep.record_failure(run_dir, error)
    finally:
        sweep.release()


def start_run(cfg: DictConfig, run_dir: Path, choices: dict[str, str], overrides: list[str] | None = None) -> float:
    """Run ``cfg`` in ``run_dir`` and return its score; the arguments are those of :func:`started`."""
    with started(cfg, run_dir, choices, overrides):
        return execute(cfg, run_dir, choices)


def resume_run(run_dir: Path, overrides: list[str]) -> None:
    """Continue the run in ``run_dir``; arguments and errors are those of :func:`resumed`."""
    with resumed(run_dir, overrides) as (config, choices):
        execute(config, run_dir, choices, reading(run_dir))


def start_study(cfg: DictConfig, run_dir: Path, overrides: list[str]) -> None:
    """Run the arms of ``cfg`` that are not finished in ``run_dir``, judge them, and show them side by side."""
    prepare_jax()  # a study without arms computes here
    from rl_rewards.loop.build import build_study
    from rl_rewards.reporting.comparison import write_comparison
    from rl_rewards.reporting.find_runs import find_runs
    from rl_rewards.studies.base import run_study

    run_dir.mkdir(parents=True, exist_ok=True)
    with only_process(run_dir):
        study, settings = build_study(of_size(cfg, overrides))
        run_study(study, settings, overrides, run_dir)
        if cfg.report:
            report = run_dir / "report.html"
            write_comparison(find_runs([str(run_dir)]), report)
            print(f"  {report}", flush=True)


def execute(
    config: DictConfig | Mapping[str, Any],
    run_dir: Path,
    choices: Mapping[str, str],
    building: AbstractContextManager[None] = nullcontext(),  # noqa: B008
) -> float:
    """Build, check, train, print the outcome, and return the score.

    Args:
        building: the context in which the parts are built.
    """
    prepare_jax()
    from rl_rewards.loop import build, compatibility, supplied
    from rl_rewards.loop.experiment import run_experiment

    with building:
        settings = build.build_settings(config)
        last = f" to {settings.seeds[-1]}" if settings.num_seeds > 1 else ""
        title = f"{choices['reward']} on {choices['env']} with {choices['algorithm']}, seed {settings.seed}{last}"
        print(f"{title}\nfolder: {run_dir}", flush=True)
        experiment = build.build(config, run_dir)
        parts = experiment.parts
        for note in compatibility.notes(parts, settings.total_env_steps):
            print(note, flush=True)
        for warning in compatibility.warnings(parts):
            print(f"Warning: {warning}", flush=True)
        examples = supplied.build_data(parts, settings)
    try:
        row = run_experiment(experiment, examples, run_dir, title)
    except TrainingFailed:
        if settings.report:
            from rl_rewards.reporting.page import write_report

            write_report(run_dir)  # with the rounds so far and the reason
        raise
    _show(experiment, run_dir, row)
    return sweep.score(row)


def _show(experiment: Any, run_dir: Path, row: dict[str, Any]) -> None:
    """Write the video and the report that the settings ask for, and print the outcome."""
    from rl_rewards.command_line.outcome import print_outcome
    from rl_rewards.reporting.over_seeds import typical_index
    from rl_rewards.reporting.page import write_report
    from rl_rewards.reporting.run_files import read_run
    from rl_rewards.reporting.video import write_videos

    parts, settings = experiment
    if settings.video:
        shown = typical_index(read_run(run_dir)) if settings.num_seeds > 1 else 0
        write_videos(run_dir, parts.env.draw, parts.env.spec.step_seconds, shown)
    report = write_report(run_dir) if settings.report else None
    print_outcome(row, run_dir, settings.seed, report, parts.env.feature_names)


if __name__ == "__main__":
    main()
