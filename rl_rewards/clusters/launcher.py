"""Hydra's launcher of sweeps for all engines: ``--multirun hydra/launcher=processes``, ``slurm`` or ``ray``.

Every job is an ordinary run in its own process with the folder that the sweep gives it, so that it can be started again
wherever there is room.
"""

import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction

from rl_rewards.clusters.engines import Where, as_resources, engine
from rl_rewards.clusters.jobs import Job, keep_going
from rl_rewards.command_line import sweep
from rl_rewards.command_line.child_run import reason
from rl_rewards.command_line.exits import REFUSED, guarded
from rl_rewards.core.errors import ConfigError, TrainingFailed
from rl_rewards.loop.stop import StopRequest

OWN_FILES = ".jobs"
"""The folder of logs, and of the engine's own files, in that of the sweep."""


class ClusterLauncher(Launcher):
    """Runs the jobs of a sweep on the engine ``where``, with ``resources`` for each.

    A job that is done already is not started, and a failed one gets a finite score, as with every launcher.
    """

    def __init__(self, where: Where, **resources: Any) -> None:
        with guarded():
            self._where, self._resources = where, as_resources(resources)

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: Any) -> None:
        """Keep what Hydra gives a launcher before it is used."""
        del task_function  # a job is a command of its own
        self._loader, self._config = hydra_context.config_loader, config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Run the jobs with these overrides, and return their scores."""
        del initial_job_idx
        with guarded():
            configs = [self._loader.load_sweep_config(self._config, list(one)) for one in job_overrides]
            folders = [_folder(one) for one in configs]
            self._run(folders, configs, job_overrides)
            return [_returned(*one) for one in zip(folders, configs, job_overrides, strict=True)]

    def _run(self, folders: Sequence[Path], configs: Sequence[Any], job_overrides: Sequence[Sequence[str]]) -> None:
        own = folders[0].parent / OWN_FILES
        jobs = []
        for folder, config, overrides in zip(folders, configs, job_overrides, strict=True):
            if any(sweep.finished_score(one) is not None for one in sweep.folders(config, folder, overrides)):
                print(f"Done already: {folder}", flush=True)
                continue
            jobs.append(Job(self._command(folder, overrides), _log(folder), folder))
        print(f"{len(jobs)} jobs; {own} has what they print.", flush=True)
        if not jobs:
            return
        own.mkdir(parents=True, exist_ok=True)
        with StopRequest() as stop:
            codes = keep_going(engine(self._where, self._resources, own), jobs, lambda: stop.name)
        for job, code in zip(jobs, codes, strict=True):
            if code and job.folder is not None:
                kind = ConfigError if code == REFUSED else TrainingFailed
                sweep.record_failure(job.folder, kind(reason(job.folder, job.log, code)))

    def _command(self, folder: Path, overrides: Sequence[str]) -> tuple[str, ...]:
        given = [one.path for one in self._config.hydra.runtime.config_sources if one.provider == "command-line"]
        searched = [word for path in given for word in ("--config-dir", path)]
        where = f'hydra.run.dir="{folder.absolute()}"'
        return (sys.executable, "-m", "rl_rewards.run", *searched, *overrides, where)


PLUGINS, OURS = "hydra_plugins", "hydra_plugins.rl_rewards"
"""Hydra takes only plugins of modules below ``PLUGINS``. This module is also known under the name ``OURS`` there."""
ClusterLauncher.__module__ = OURS


def register() -> None:
    """Tell Hydra about the launcher; its configs are in configs/hydra/launcher."""
    try:
        plugins = import_module(PLUGINS)
    except ModuleNotFoundError:  # no other plugin is installed
        plugins = sys.modules[PLUGINS] = ModuleType(PLUGINS)
        plugins.__path__ = []
    sys.modules[OURS] = sys.modules[__name__]
    setattr(plugins, OURS.rpartition(".")[2], sys.modules[__name__])
    Plugins.instance().register(ClusterLauncher)


def _folder(config: Any) -> Path:
    """Return the folder of the job with this configuration."""
    HydraConfig.instance().set_config(config)  # for ${hydra:...} in its name
    return Path(str(config.hydra.sweep.dir)) / str(config.hydra.sweep.subdir)


def _log(folder: Path) -> Path:
    return folder.parent / OWN_FILES / f"{folder.name}.log"


def _returned(folder: Path, config: Any, overrides: Sequence[str]) -> JobReturn:
    found = [sweep.finished_score(one) for one in sweep.folders(config, folder, overrides)]
    done = [one for one in found if one is not None]
    score = done[0] if done else sweep.failed_score(folder)
    return JobReturn(
        overrides=list(overrides), working_dir=str(folder), status=JobStatus.COMPLETED, _return_value=score
    )
