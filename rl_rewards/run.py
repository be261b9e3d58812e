"""The door of the command line: compose -> build -> check -> train -> evaluate -> report.

``python -m rl_rewards.run reward=goal_classifier env=point`` and the console script ``rl-rewards`` are the same.
Heavy libraries are imported only when a run starts, so that ``--help`` and a mistyped option answer at once.
"""

import json
import os
import sys
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from rl_rewards.command_line import sweep
from rl_rewards.command_line.arguments import mended
from rl_rewards.command_line.compile_cache import prepare_jax
from rl_rewards.command_line.declared import check_changed
from rl_rewards.command_line.early import check_job, leaving_nothing, refuse_study
from rl_rewards.command_line.exits import REFUSED, REQUEUE, end_with_the_reader, guarded, leave, raise_here
from rl_rewards.command_line.help import CONFIGS, print_help
from rl_rewards.core.errors import ConfigError, FolderInUse, Stopped, TrainingFailed
from rl_rewards.core.files import read_json, write_whole
from rl_rewards.loop.provenance import code, command_line, digests
from rl_rewards.loop.run_folder import is_started, only_process, own_config, reading, save_config
from rl_rewards.loop.trust import check_targets, take_trust, trusted_packages

RESUMABLE_OVERRIDES = ("logger", "total_env_steps", "trust")
GROUPS = ("env", "reward", "algorithm")
TEXT_ONLY = {"--help", "-h", "--version", "--cfg", "-c", "--info", "-i", "--hydra-help"}
"""Arguments that print something and run nothing."""


def main() -> None:
    """Entry point of ``rl-rewards`` and ``python -m rl_rewards.run``."""
    arguments = sys.argv[1:]
    if TEXT_ONLY & set(arguments):
        end_with_the_reader()
    raise_here()
    if {"--help", "-h"} & set(arguments):
        print_help()
    elif "--version" in arguments:
        print(f"rl_rewards {version('rl_rewards')}")
    elif resume := [a.removeprefix("resume=") for a in arguments if a.startswith("resume=")]:
        run_dir = Path(os.path.expanduser(resume[-1]))
        guarded(lambda: resume_run(run_dir, [a for a in arguments if not a.startswith("resume=")]))
    else:
        guarded(lambda: _start(arguments))


def _start(arguments: list[str]) -> None:
    sys.argv[1:] = mended(arguments)
    sweep.check_launcher(arguments)
    _hydra_main()


@hydra.main(config_path=str(CONFIGS), config_name="config", version_base="1.3")
def _hydra_main(cfg: DictConfig) -> float | None:
    """One job; returns its score (true success, or true return) for sweepers that optimise."""
    settings = HydraConfig.get()
    choices = {group: settings.runtime.choices[group] for group in GROUPS}
    run_dir = Path(settings.runtime.output_dir)
    if settings.mode == RunMode.MULTIRUN:
        return sweep_job(cfg, run_dir, choices, list(settings.overrides.task))
    if cfg.study is not None:
        guarded(lambda: start_study(cfg, run_dir, list(settings.overrides.task)))
        return None
    return guarded(lambda: leaving_nothing(run_dir, lambda: start_run(cfg, run_dir, choices)))


def sweep_job(cfg: DictConfig, run_dir: Path, choices: dict[str, str], overrides: list[str]) -> float:
    """A job of a sweep: skipped when done, and never the end of the sweep; see FAILED.json for what went wrong.

    A folder in which another process runs does end it: that job will have a score, but not here.
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
    """Run ``cfg`` in ``run_dir`` and return its score; a folder with checkpoints of the same run is gone on with.

    ``cfg`` is the user's own: it may name any class. Of other runs' folders that it reads, it says whom to trust.

    Args:
        overrides: what run.json tells the run was started with; None is the command line, which a sweep's job may
            have been given by its launcher.
    """
    check_job(cfg)
    overrides = sys.argv[1:] if overrides is None else overrides
    trusted_packages(cfg.get("trust"))
    run_dir.mkdir(parents=True, exist_ok=True)
    with only_process(run_dir):
        stored = own_config(run_dir, command_line(overrides))
        if stored is not None and _comparable(stored) != _comparable(cfg):
            raise ConfigError(
                f"{run_dir} holds a run with another configuration; choose another hydra.run.dir, or go on with that "
                f"run by resume={run_dir}."
            )
        save_config(cfg, run_dir)
        _write_run_json(run_dir, cfg, choices, overrides)
        return execute(cfg, run_dir, choices)


def start_study(cfg: DictConfig, run_dir: Path, overrides: list[str]) -> None:
    """Run the arms of ``cfg`` that are not done in ``run_dir``, judge them, and show them side by side."""
    prepare_jax()  # a study without arms computes here
    from rl_rewards.loop.sources import instantiate_part
    from rl_rewards.reporting.comparison import write_comparison
    from rl_rewards.reporting.find_runs import find_runs
    from rl_rewards.studies.base import run_study

    run_dir.mkdir(parents=True, exist_ok=True)
    with only_process(run_dir):
        study = instantiate_part(cfg.study, trust=trusted_packages(cfg.get("trust")))
        run_study(study, cfg, overrides, run_dir)
        if cfg.report:
            report = run_dir / "report.html"
            write_comparison(find_runs([str(run_dir)]), report)
            print(f"  {report}", flush=True)


def resume_run(run_dir: Path, overrides: list[str]) -> None:
    """Go on in ``run_dir`` with its saved configuration, which may be someone else's.

    Raises:
        ConfigError: when there is none, an override would change the run, or the configuration names a class that is
            neither of rl_rewards nor of a package that ``trust=`` names.
    """
    if not is_started(run_dir):
        raise ConfigError(f"resume={run_dir} is not a run's folder; it has no config.yaml.")
    for override in overrides:
        if override.split("=")[0].split(".")[0] not in RESUMABLE_OVERRIDES:
            raise ConfigError(
                f"{override} cannot be changed when a run is resumed; only the logger and total_env_steps can."
            )
    trust, changes = take_trust(overrides)
    with only_process(run_dir):
        cfg = own_config(run_dir)
        assert cfg is not None, "it is started"
        check_targets(cfg, [str(key) for key in cfg], trust, str(run_dir / "config.yaml"))
        cfg.trust = list(trust)
        OmegaConf.set_struct(cfg, True)
        try:
            cfg.merge_with_dotlist(changes)
        except Exception as error:
            raise ConfigError(f"{' '.join(changes)} does not fit the saved configuration: {error}") from error
        check_changed(cfg, changes)
        choices = _stored_choices(run_dir, cfg, [f"resume={run_dir}", *overrides])
        save_config(cfg, run_dir)
        try:
            execute(cfg, run_dir, choices, reading(run_dir))
        except OmegaConfBaseException as error:
            raise ConfigError(f"{run_dir / 'config.yaml'} is damaged: {str(error).splitlines()[0]}.") from error


def _stored_choices(run_dir: Path, cfg: DictConfig, overrides: list[str]) -> dict[str, str]:
    """What was chosen of each group, from run.json; a broken one is written anew, with the classes' names."""
    try:
        record = read_json(run_dir / "run.json")
        return {group: str(record[f"{group}_choice"]) for group in GROUPS}
    except (ConfigError, KeyError) as error:
        broken = error if isinstance(error, ConfigError) else f"{run_dir / 'run.json'} lacks {error}."
        print(f"Warning: {broken} It is written anew, without the command that the run was started with.", flush=True)
    targets = {group: OmegaConf.select(cfg, f"{group}._target_") for group in GROUPS}
    choices = {group: str(target).rpartition(".")[2] for group, target in targets.items()}
    _write_run_json(run_dir, cfg, choices, overrides)
    return choices


def execute(
    cfg: DictConfig,
    run_dir: Path,
    choices: dict[str, str],
    building: AbstractContextManager[None] = nullcontext(),  # noqa: B008
) -> float:
    """Build, check, train, and tell the outcome; returns the score.

    Args:
        building: what to build the parts in.
    """
    prepare_jax()
    from rl_rewards.loop import build, compatibility, supplied
    from rl_rewards.loop.experiment import run_experiment
    from rl_rewards.reporting.over_seeds import typical_index
    from rl_rewards.reporting.page import write_report
    from rl_rewards.reporting.run_files import read_run
    from rl_rewards.reporting.video import write_videos

    last = f" to {cfg.seed + cfg.num_seeds - 1}" if cfg.num_seeds > 1 else ""
    title = f"{choices['reward']} on {choices['env']} with {choices['algorithm']}, seed {cfg.seed}{last}"
    print(f"{title}\nfolder: {run_dir}", flush=True)
    with building:
        parts = build.build(cfg, run_dir)
        for note in compatibility.notes(parts, cfg):
            print(note, flush=True)
        for warning in compatibility.warnings(parts):
            print(f"Warning: {warning}", flush=True)
        examples = supplied.build_data(parts, cfg)
    try:
        row = run_experiment(cfg, parts, examples, run_dir, title)
    except TrainingFailed:
        if cfg.report:
            write_report(run_dir)  # of what there is, with the reason
        raise
    if cfg.video:
        shown = typical_index(read_run(run_dir)) if parts.seeds.count > 1 else 0
        write_videos(run_dir, parts.env.draw, parts.env.spec.step_seconds, shown)
    report = write_report(run_dir) if cfg.report else None
    _print_verdict(row, run_dir, cfg.seed, report)
    return sweep.score(row)


def _print_verdict(row: dict, run_dir: Path, first_seed: int, report: Path | None) -> None:
    from rl_rewards.core.seed_rows import of_seed, seed_count, steps_in_words
    from rl_rewards.loop.best import kept_in_words
    from rl_rewards.loop.log import in_words
    from rl_rewards.reporting.alarm import first_alarm
    from rl_rewards.reporting.outcome import collapses, verdict

    rows = [json.loads(line) for line in (run_dir / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    seeds = seed_count(row)
    alarms = [first_alarm([of_seed(r, i) for r in rows]) for i in range(seeds)]
    raised = [alarm for alarm in alarms if alarm is not None]
    kept = kept_in_words(run_dir)
    print(f"\n{verdict(rows, first_seed) or 'Nothing was evaluated'}.")
    for number, notice in collapses(rows, kept is not None).items():
        print(f"  {f'seed {first_seed + number}: ' if seeds > 1 else ''}{notice.message}")
    print(f"After {steps_in_words(row)}" + (f", mean and interval over {seeds} seeds:" if seeds > 1 else ":"))
    for name in ("success", "true_return", "learned_return"):
        if row.get(f"eval/{name}") is not None:
            label = name.replace("_", " ") if name != "success" else "true success"
            print(f"  {label:<22}{in_words(row, f'eval/{name}', 2)}")
    if raised:
        where = f" in {len(raised)} of {seeds} seeds, first" if seeds > 1 else ""
        print(f"  raised{where} at {raised[0].env_steps:,} env steps: {raised[0].message}")
    elif row.get("eval/reward_heldout_goals") is not None:
        print("  exploit alarm         never raised")
    if kept is not None:
        print(f"  best policy           {run_dir}@best, {kept}")
    if report is not None:
        print(f"  report                {report}")


def _write_run_json(run_dir: Path, cfg: DictConfig, choices: dict[str, str], overrides: list[str]) -> None:
    packages = ("rl_rewards", "jax", "flax", "optax", "mujoco", "numpy")
    record = {
        "command": command_line(overrides),
        **code(),
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {name: version(name) for name in packages},
        **{f"{group}_choice": choice for group, choice in choices.items()},
        "data_sha256": digests([cfg.demos, cfg.examples.path]),
    }
    write_whole(run_dir / "run.json", json.dumps(record, indent=2) + "\n", private=True)


def _comparable(cfg: DictConfig) -> dict:
    plain = OmegaConf.to_container(cfg, resolve=True)
    assert isinstance(plain, dict)
    return {key: value for key, value in plain.items() if key not in (*RESUMABLE_OVERRIDES, "resume")}


if __name__ == "__main__":
    main()
