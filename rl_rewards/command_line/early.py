"""Refuse an invalid configuration before Hydra creates a folder for it, so that nothing is left behind."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf

from rl_rewards.command_line.declared import check_numbers
from rl_rewards.command_line.exits import guarded
from rl_rewards.core.checks import require
from rl_rewards.core.errors import ConfigError, FolderInUse

WRITTEN_FIRST = {".hydra", "run.log", "run.lock", "config.yaml", "run.json"}
"""The files of a run's folder before anything is built."""
_made_here: set[Path] = set()  # folders that did not exist when this process started its run


class RefuseEarly(Callback):
    """Hydra's callback. It ends the process itself, because Hydra swallows the exceptions of callbacks."""

    def on_run_start(self, config: DictConfig, **_: Any) -> None:
        """Check the configuration of a run or a study before its folder exists."""
        with guarded():
            self._check(config)
        remember_missing(Path(config.hydra.run.dir))

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        """Check what all jobs of a sweep share; each job checks the rest."""
        with guarded():
            self._check(config, sweep=True)

    @staticmethod
    def _check(config: DictConfig, sweep: bool = False) -> None:
        check_numbers(config, own_folders(config.hydra))
        if sweep:
            refuse_study(config)


def refuse_study(cfg: DictConfig) -> None:
    """Raise ConfigError for a study, which cannot be a job of a sweep."""
    require(
        cfg.study is None,
        "This experiment is a study. A study runs jobs of its own and has no score, so --multirun cannot sweep it; "
        "start it without --multirun, once for each variant.",
    )


def own_folders(hydra: DictConfig) -> list[Path]:
    """Return the user's config folders, given by --config-dir or hydra.searchpath."""
    sources = OmegaConf.select(hydra, "runtime.config_sources") or []
    paths = [Path(one.path) for one in sources if one.schema == "file" and one.provider not in ("main", "schema")]
    return [path for path in paths if path.is_dir()]


def check_job(cfg: DictConfig) -> None:
    """Check the numbers of one job, also in a process that a launcher started.

    Raises:
        ConfigError: for a number outside its range.
    """
    check_numbers(cfg, own_folders(HydraConfig.get()) if HydraConfig.initialized() else ())


def remember_missing(run_dir: Path) -> None:
    """Remember which folders this process is about to make for a run; :func:`leaving_nothing` may remove them."""
    run_dir = run_dir.absolute()
    _made_here.update(path for path in (run_dir, *run_dir.parents) if not path.exists())


@contextmanager
def leaving_nothing(run_dir: Path) -> Iterator[None]:
    """Remove the run's new folder if the block is refused before anything was built."""
    try:
        yield
    except ConfigError as error:
        ours = not isinstance(error, FolderInUse) and run_dir.absolute() in _made_here and run_dir.is_dir()
        if ours and {path.name for path in run_dir.iterdir()} <= WRITTEN_FIRST:
            shutil.rmtree(run_dir)
            for parent in run_dir.absolute().parents:
                if parent not in _made_here or any(parent.iterdir()):
                    break
                parent.rmdir()
        raise
