"""Logs rows to Weights & Biases, offline or online."""

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from rl_rewards.core.files import write_whole
from rl_rewards.loop.loggers.base import RowLogger, Texts, first_line, series
from rl_rewards.loop.settings import Settings

NOT_IN_THE_GROUP = ("seed", "num_seeds", "logger", "placement", "hydra", "resume", "trust")
ID_FILE = "wandb_id"


class WandbLog(RowLogger):
    """Logs rows with ``logger.mode``: offline (the default, which needs no account) or online."""

    def __init__(self, settings: Settings, run_dir: Path, say: Callable[[str], None]) -> None:
        super().__init__("wandb", say)
        self._run: Any = None
        self._settings, self._run_dir = settings, run_dir
        os.environ.setdefault("WANDB_SILENT", "true")
        os.environ.setdefault("WANDB_INIT_TIMEOUT", "30")  # seconds; the default of 90 is long without a network
        try:
            self._start(settings.logger.mode)
        except Exception as error:
            if settings.logger.mode == "online":
                self._fall_back(error)
            else:
                self._fail(error)

    def _start(self, mode: str) -> None:
        import wandb

        logger, config = self._settings.logger, dict(self._settings.record)
        self._run = wandb.init(
            project=logger.project,
            entity=logger.entity,
            group=logger.group or group_of(config),
            job_type=logger.job_type,
            tags=list(logger.tags),
            mode=mode,
            dir=str(self._run_dir),
            id=_run_id(self._run_dir),
            resume="allow",
            config=config,
            reinit="create_new",
        )
        offline = "rounds" in config["algorithm"]  # it takes no env steps
        self._run.define_metric("*", step_metric="gradient_steps" if offline else "env_steps")

    def _fall_back(self, error: Exception) -> None:
        """Log offline if there is no network or no account; the files can be sent later."""
        try:
            import wandb

            wandb.teardown()  # otherwise its service may retry and report that this run's id is in use
            self._start("offline")
        except Exception as second:
            self._fail(second)
            return
        self._say(
            f"wandb cannot be reached ({first_line(error)}), so this run is logged offline; send it later with: wandb "
            f"sync {self._run_dir / 'wandb' / 'offline-run-*'}"
        )

    def _write(self, row: Mapping[str, Any], texts: Texts) -> None:
        """Log the row without its nulls, and a table of the texts."""
        tables = {"texts": self._table(texts)} if texts else {}
        self._run.log(series(row, self._settings.seed) | tables)

    def _table(self, texts: Texts) -> Any:
        import wandb

        each = [(self._settings.seed + i, one) for i, of_seed in enumerate(texts) for one in of_seed]
        gold = ["gold"] if any(one["gold"] is not None for _, one in each) else []
        columns = ["seed", "why", "prompt", "response", *gold, "proxy"]
        return wandb.Table(columns, [[seed, *(one[name] for name in columns[1:])] for seed, one in each])

    def _finish(self) -> None:
        """Finish the wandb run, so that the next job in this process starts another one."""
        self._run.finish()


def group_of(config: Mapping[str, Any]) -> str:
    """Return a name that runs share which differ only in their seeds: the names of the parts and a hash of the rest."""
    kept = {key: value for key, value in config.items() if key not in NOT_IN_THE_GROUP}
    names = [str(config[part]["_target_"]).rpartition(".")[2] for part in ("reward", "env", "algorithm")]
    digest = hashlib.sha256(json.dumps(kept, sort_keys=True, default=str).encode()).hexdigest()[:8]
    return "-".join([*names, digest])


def _run_id(run_dir: Path) -> str:
    """Return the wandb id in the run folder, so that a resumed run continues the same wandb run."""
    path = run_dir / ID_FILE
    if not path.exists():
        write_whole(path, os.urandom(6).hex() + "\n")
    return path.read_text(encoding="utf-8").strip()
