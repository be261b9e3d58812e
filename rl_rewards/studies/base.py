"""A study: arms, each an ordinary run under RUN/arms/NAME, and verdicts on claims from their files alone.

``experiment=NAME`` gives ``study``, ``arms`` (name -> overrides; see :mod:`rl_rewards.studies.arms`) and ``sizes``
(small | full -> overrides of all arms). Arms run one after another, each in a process of its own. A study that is
started again resumes where it stopped. Arms that ``shared`` names are in folders that other studies use too, so that a
stage which several studies need is run once. A study without arms computes its numbers itself, for each of the size's
seeds.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from rl_rewards.command_line.child_run import child_run
from rl_rewards.core.errors import ConfigError
from rl_rewards.core.files import write_whole
from rl_rewards.core.strict_json import strict
from rl_rewards.loop.provenance import code, command_line
from rl_rewards.loop.settings import StudySettings
from rl_rewards.reporting.run_files import RunFiles, read_run
from rl_rewards.reporting.stored_claims import judged_in_words
from rl_rewards.studies.arms import require_arms, resolved_arms, stage_name, with_folders
from rl_rewards.studies.claims import Claim, Verdict, conclude
from rl_rewards.studies.question import question_of
from rl_rewards.studies.working import still_at_work

SHARED = "shared"
"""The folder of shared arms, beside the folders of the studies."""
OF_THE_STUDY = ("size=", "study=", "study.", "arms=", "sizes=", "shared=", "hydra.", "+hydra.")
"""Overrides of the study's command line, and of its sizes, that an arm does not inherit."""


@dataclass(frozen=True)
class Findings:
    """The claims of a study with their evidence, and the numbers that its figure shows."""

    claims: Sequence[Claim]
    details: Mapping[str, Any] = field(default_factory=dict)  # plain data, for verdict.json

    @cached_property
    def verdicts(self) -> list[Verdict]:
        """The claims, judged together."""
        return conclude(self.claims)


class Study(Protocol):
    """Judges its arms by their run folders; a study without arms judges what it computes."""

    def judge(self, arms: Mapping[str, RunFiles], seeds: Sequence[int]) -> Findings: ...

    def draw(self, arms: Mapping[str, RunFiles], findings: Findings, path: Path) -> None:
        """Write the study's figure."""
        ...


def run_study(study: Study, settings: StudySettings, overrides: Sequence[str], folder: Path) -> Path:
    """Run the arms that are not done, then judge; return the path of verdict.json.

    Args:
        overrides: of the command line; every arm gets them too.

    Raises:
        ConfigError: for an unknown size or a refused arm.
        Stopped: when an arm was asked to stop and has saved everything.
        TrainingFailed: when an arm failed; what the others wrote stays.
    """
    size, sizes, arms = settings.size, settings.sizes, resolved_arms(settings.arms)
    if size not in sizes:
        raise ConfigError(f"size={size} is not a size of this study; choose from {', '.join(sizes)}.")
    given, sized = ([one for one in these if not one.startswith(OF_THE_STUDY)] for these in (overrides, sizes[size]))
    shared = [*given, "study=null", *sized]
    require_arms(settings.shared, arms)
    folder.mkdir(parents=True, exist_ok=True)
    runs, folders, names = {}, {}, {}
    for number, (name, changes) in enumerate(arms.items(), 1):
        if name in settings.shared:
            names[name] = stage_name(name, [*shared, *with_folders(name, changes, names)])
            run_dir = folder.parent / SHARED / names[name]
        else:
            run_dir = folder / "arms" / name
        which = f"Arm {number} of {len(arms)}, {name}"
        placed = with_folders(name, changes, folders)
        folders[name] = run_dir
        if (run_dir / "DONE").exists():
            print(f"{which}: done already{f', in {run_dir}' if name in names else ''}.", flush=True)
        else:
            print(f"\n{which}: {' '.join(changes) or 'the configuration as it is'}", flush=True)
            child_run([*shared, *placed, f"hydra.run.dir={run_dir}"], f"the arm {name}")
        runs[name] = read_run(run_dir)
    seeds = _seeds(sizes[size])
    what = "Judging the arms" if runs else f"Computing what is judged, for {len(seeds)} seed{'s' * (len(seeds) > 1)}"
    with still_at_work(what):
        findings = study.judge(runs, seeds)
    path = folder / "verdict.json"
    record = _record(size, seeds, runs, findings)
    record |= {
        "question": question_of(type(study).__module__),
        "command": _without_folders(command_line(overrides), {}),
        **code(),
    }
    record = strict(record)
    write_whole(path, json.dumps(record, indent=1, allow_nan=False) + "\n")
    study.draw(runs, findings, folder / "verdict.png")
    _print(record["verdicts"], size, path)
    return path


def _seeds(overrides: Sequence[str]) -> range:
    """Return the seeds that a size's overrides name."""
    named = {key: value for key, _, value in (one.partition("=") for one in overrides)}
    first = int(named.get("seed", 0))
    return range(first, first + int(named.get("num_seeds", 1)))


def _record(size: str, seeds: Sequence[int], runs: Mapping[str, RunFiles], findings: Findings) -> dict[str, Any]:
    folders = {name: run.path for name, run in runs.items()}
    return {
        "size": size,
        "counts": size == "full",  # a small study is indicative only
        "seeds": list(seeds),
        "verdicts": [asdict(verdict) for verdict in findings.verdicts],
        "details": findings.details,
        "arms": {
            name: {
                "command": _without_folders(str(run.run.get("command")), folders),
                "seeds": run.seeds,
                "env_steps": run.env_steps if run.steps_name == "env steps" else 0,
                "git_sha": run.run.get("git_sha"),
                "git_dirty": run.run.get("git_dirty"),
                "data_sha256": {
                    _without_folders(path, folders): digest
                    for path, digest in (run.run.get("data_sha256") or {}).items()
                },
            }
            for name, run in runs.items()
        },
    }


def _without_folders(command: str, folders: Mapping[str, Path]) -> str:
    """Return a command as anyone can type it: without its run folder, and with @NAME for the folders of arms.

    An arm that was run elsewhere, and moved here, refers to others where they were then. Their paths end as now.
    """
    text = " ".join(word for word in command.split() if not word.startswith("hydra.run.dir="))
    for name in sorted(folders, key=lambda name: -len(str(folders[name]))):
        end = re.escape("/".join(folders[name].parts[-3:]))  # STUDY/arms/NAME, or lecture/shared/NAME-HASH
        text = re.sub(rf"[^\s=:,\[]*/{end}(?![\w-])", f"@{name}", text)
    return text


def _print(verdicts: Sequence[Mapping[str, Any]], size: str, path: Path) -> None:
    print()
    indicative = " (indicative)" if size != "full" else ""
    for one in verdicts:
        print(f"{one['outcome'].upper()}{indicative}: {one['claim']}\n  {one['measured']}", flush=True)
        print(f"  {judged_in_words(one)}")
    print(f"  {path}")
