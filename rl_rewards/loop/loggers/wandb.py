"""Logs rows to Weights & Biases. It is optional: if it is off, not installed or fails, the run goes on without it."""

import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rl_rewards.core.files import write_whole
from rl_rewards.loop.settings import Settings

NOT_IN_THE_GROUP = ("seed", "num_seeds", "logger", "hydra", "resume", "trust")
ID_FILE = "wandb_id"


class WandbLog:
    """Logs rows with ``logger.mode``: disabled, offline (the default, which needs no account) or online."""

    def __init__(self, settings: Settings, run_dir: Path, say: Callable[[str], None]) -> None:
        self._run: Any = None
        self._say = say
        self._settings, self._run_dir = settings, run_dir
        if settings.logger.mode == "disabled":
            return
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
            f"wandb cannot be reached ({_first_line(error)}), so this run is logged offline; send it later with: wandb "
            f"sync {self._run_dir / 'wandb' / 'offline-run-*'}"
        )

    def log(self, row: dict[str, Any], texts: Sequence[Sequence[Mapping[str, Any]]] = ()) -> None:
        """Log a row of metrics.jsonl without its nulls, and a table of an evaluation's ``texts`` of every seed."""
        if self._run is None:
            return
        try:
            tables = {"texts": self._table(texts)} if texts else {}
            self._run.log(series(row, self._settings.seed) | tables)
        except Exception as error:
            self._fail(error)

    def _table(self, texts: Sequence[Sequence[Mapping[str, Any]]]) -> Any:
        import wandb

        each = [(self._settings.seed + i, one) for i, of_seed in enumerate(texts) for one in of_seed]
        gold = ["gold"] if any(one["gold"] is not None for _, one in each) else []
        columns = ["seed", "why", "prompt", "response", *gold, "proxy"]
        return wandb.Table(columns, [[seed, *(one[name] for name in columns[1:])] for seed, one in each])

    def close(self) -> None:
        """Finish the wandb run, so that the next job in this process starts another one."""
        if self._run is not None:
            run, self._run = self._run, None
            try:
                run.finish()
            except Exception as error:
                self._fail(error)

    def _fail(self, error: Exception) -> None:
        self._run = None
        self._say(f"wandb is off for this run ({_first_line(error)}); metrics.jsonl has all metrics.")


def group_of(config: Mapping[str, Any]) -> str:
    """Return a name that runs share which differ only in their seeds: the names of the parts and a hash of the rest."""
    kept = {key: value for key, value in config.items() if key not in NOT_IN_THE_GROUP}
    names = [str(config[part]["_target_"]).rpartition(".")[2] for part in ("reward", "env", "algorithm")]
    digest = hashlib.sha256(json.dumps(kept, sort_keys=True, default=str).encode()).hexdigest()[:8]
    return "-".join([*names, digest])


def series(row: dict[str, Any], first_seed: int) -> dict[str, Any]:
    """Return the row without nulls; a metric of several seeds becomes one series per seed, and their mean."""
    flat: dict[str, Any] = {}
    for key, value in row.items():
        if isinstance(value, list):
            flat |= {f"{key}/seed_{first_seed + i}": one for i, one in enumerate(value)}
            present = [one for one in value if one is not None]
            value = sum(present) / len(present) if present else None
        flat[key] = value
    return {key: value for key, value in flat.items() if value is not None}


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"


def _run_id(run_dir: Path) -> str:
    """Return the wandb id in the run folder, so that a resumed run continues the same wandb run."""
    path = run_dir / ID_FILE
    if not path.exists():
        write_whole(path, os.urandom(6).hex() + "\n")
    return path.read_text(encoding="utf-8").strip()
