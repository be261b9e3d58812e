"""Reads a run folder. Nothing here imports JAX, so that a report takes seconds and works on any machine."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from rl_rewards.core.errors import ConfigError
from rl_rewards.core.files import parse_json, read_json, read_text
from rl_rewards.core.seed_rows import of_seed, seed_count, steps
from rl_rewards.reporting.evaluation_files import PlaneMap, StoredEvaluation, read_evaluations, read_maps
from rl_rewards.reporting.evaluation_parts import Games, Visits, read_games, read_visits

Status = Literal["DONE", "FAILED", "unfinished"]
Row = dict[str, Any]
"""The value of each metric: a number or None, or a list of these, one per seed; see ``RunFiles.of_seed``."""


@dataclass(frozen=True)
class RunFiles:
    """The content of a run folder."""

    path: Path
    config: Mapping[str, Any]
    config_text: str  # the text of config.yaml
    spec: Mapping[str, Any]
    run: Mapping[str, Any]  # run.json: command, git_sha, git_dirty, started, versions, *_choice
    rows: Sequence[Row]  # of metrics.jsonl, oldest first; NaN and infinity are read as None
    evaluations: Sequence[StoredEvaluation]  # the first, the middle and the last (fewer if fewer were stored)
    status: Status
    outcome: Mapping[str, Any]  # of DONE or FAILED.json; empty for an unfinished run
    video: Path | None  # of the final policy
    failure_video: Path | None = None  # of the failure with the most learned reward
    games_video: Path | None = None  # of self-play
    maps: Sequence[PlaneMap] = ()  # of a few evaluations over training, oldest first
    games: Games | None = None  # None unless Alice and Bob play
    visits: Sequence[Visits] = ()  # of a few evaluations over training, oldest first; empty if cells are not counted
    best: Mapping[str, Any] = field(default_factory=dict)  # best.json: which evaluation's policy checkpoints/best holds
    best_video: Path | None = None  # of the policy in checkpoints/best, if it is much better than the final one

    @property
    def num_seeds(self) -> int:
        """Number of seeds that were trained in one program."""
        return seed_count(self.rows[-1]) if self.rows else 1

    @property
    def seeds(self) -> list[int]:
        """The seeds, from the configuration's first seed."""
        first = int(number(self.config.get("seed")) or 0)
        return list(range(first, first + self.num_seeds))

    def of_seed(self, index: int) -> "RunFiles":
        """Return the run as if the seed with that index had been trained alone."""
        return replace(
            self,
            config={**self.config, "seed": self.seeds[index], "num_seeds": 1},
            rows=[of_seed(row, index) for row in self.rows],
            evaluations=[evaluation.of_seed(index) for evaluation in self.evaluations],
            maps=[one.of_seed(index) for one in self.maps],
            games=None if self.games is None else self.games.of_seed(index),
            visits=[one.of_seed(index) for one in self.visits],
            best={**self.best, "seeds": self.best["seeds"][index : index + 1]} if self.best else {},
        )

    @property
    def is_game(self) -> bool:
        """True if Alice and Bob play; then evaluations report the task's own reward as the learned reward."""
        return any(row.get("reward/games") is not None for row in self.rows)

    @property
    def evaluation_rows(self) -> list[Row]:
        """Rows in which an evaluation took place, oldest first."""
        return [row for row in self.rows if any(key.startswith("eval/") and row[key] is not None for key in row)]

    @property
    def env_steps(self) -> int:
        """Environment steps collected so far; of an offline run, gradient steps."""
        return int(self.rows[-1]["env_steps"] or 0) if self.rows else 0

    @property
    def steps_name(self) -> str:
        """The unit of ``env_steps`` in words."""
        return "gradient steps" if self.rows and "gradient_steps" in self.rows[-1] else "env steps"

    @property
    def choices(self) -> tuple[str, str, str]:
        """Names of environment, reward and algorithm."""
        env, reward, algorithm = (self._choice(kind) for kind in ("env", "reward", "algorithm"))
        return env, reward, algorithm

    def _choice(self, kind: str) -> str:
        chosen = self.run.get(f"{kind}_choice")
        part = self.config.get(kind)
        target = part.get("_target_", "") if isinstance(part, Mapping) else ""
        return str(chosen or target.rpartition(".")[2] or f"unknown {kind}")

    @property
    def command(self) -> str:
        """The shell command that started the run; "" if it is unknown."""
        return " ".join(str(self.run.get("command", "")).split())

    @property
    def commit(self) -> str:
        """The abbreviated git commit in words, and whether there were uncommitted changes."""
        sha = self.run.get("git_sha")
        if not sha:
            return "no git commit"
        return f"git {str(sha)[:10]}" + (" + uncommitted changes" if self.run.get("git_dirty") else "")


def read_run(path: Path, evaluations: int = 3) -> RunFiles:
    """Read the run folder ``path``.

    Args:
        evaluations: how many evaluations to read completely, the last one among them; a report of many runs reads few
            to save memory. With 0, no file of an evaluation is read, so that maps, games and visits are missing, too.

    Raises:
        ConfigError: if ``path`` is not a run folder, or one of its files is missing or cannot be read.
    """
    if not path.is_dir():
        raise ConfigError(f"{path} is not a folder; name a run folder, which holds metrics.jsonl.")
    missing = [name for name in ("config.yaml", "run.json", "spec.json") if not (path / name).is_file()]
    if not (path / "metrics.jsonl").is_file() and not (path / "FAILED.json").is_file():
        missing.append("metrics.jsonl")  # a run that failed before its first round has none, and is still reported
    if missing:
        raise ConfigError(f"{path} is not a run folder: it lacks {', '.join(missing)}.")
    status, outcome = _read_status(path)
    rows = read_rows(path / "metrics.jsonl")
    if not rows and status != "FAILED":
        raise ConfigError(f"{path / 'metrics.jsonl'} is empty: no round has finished yet.")
    config_text = read_text(path / "config.yaml")
    rounds = {row["round"] for row in rows} if evaluations else set()
    return RunFiles(
        path=path,
        config=_parse_config(path / "config.yaml", config_text),
        config_text=config_text,
        spec=read_json(path / "spec.json"),
        run=read_json(path / "run.json"),
        rows=rows,
        evaluations=read_evaluations(path / "evaluations", rounds, evaluations),
        maps=read_maps(path / "evaluations", rounds),
        games=read_games(path / "evaluations", rounds),
        visits=read_visits(path / "evaluations", rounds),
        status=status,
        outcome=outcome,
        video=_video(path / "videos" / "final.mp4"),
        failure_video=_video(path / "videos" / "most_rewarded_failure.mp4"),
        games_video=_video(path / "videos" / "games.mp4"),
        best=read_json(path / "best.json") if (path / "best.json").is_file() else {},
        best_video=_video(path / "videos" / "best.mp4"),
    )


def number(value: Any) -> float | None:
    """Return ``value`` as a finite float, or None: NaN must not appear in a sentence or on an axis."""
    if not isinstance(value, (bool, int, float)):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:  # an integer that is too large for a float
        return None


def series(rows: Sequence[Row], key: str) -> tuple[list[float], list[float]]:
    """Return the env steps and the values of metric ``key``, without the rows that have no value."""
    pairs = [(row["env_steps"], row[key]) for row in rows if row.get(key) is not None]
    return [float(steps) for steps, _ in pairs if steps is not None], [float(v) for _, v in pairs if v is not None]


def _video(path: Path) -> Path | None:
    return path if path.is_file() and path.stat().st_size > 0 else None


def _read_status(path: Path) -> tuple[Status, dict[str, Any]]:
    # FAILED first: a resumed run that failed later may still have files of an earlier success.
    if (path / "FAILED.json").is_file():
        return "FAILED", read_json(path / "FAILED.json")
    if (path / "DONE").is_file():
        return "DONE", read_json(path / "DONE")
    return "unfinished", {}


def _parse_config(path: Path, text: str) -> dict[str, Any]:
    import yaml

    try:
        config = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # an impossible date raises ValueError
        raise ConfigError(f"{path} is not valid YAML: {' '.join(str(error).split())}.") from error
    if not isinstance(config, dict):
        raise ConfigError(f"{path} must hold a mapping of keys to values.")
    return config


def read_rows(path: Path) -> list[Row]:
    """Return the rows of a metrics.jsonl, oldest first; an empty list if there is no such file."""
    if not path.is_file():
        return []
    lines = read_text(path).splitlines(keepends=True)
    if lines and not lines[-1].endswith("\n"):
        lines.pop()  # incomplete: the run is writing this row, or was killed while it did
    return [_read_row(path, i + 1, line) for i, line in enumerate(lines) if line.strip()]


def _read_row(path: Path, line_number: int, line: str) -> Row:
    row = parse_json(line, f"{path} line {line_number}")
    if not isinstance(row, dict) or number(row.get("round")) is None or number(row.get("env_steps")) is None:
        raise ConfigError(f"{path} line {line_number} must have the numbers round and env_steps.")
    counters = {"round": int(row["round"]), "env_steps": steps(row)[0]}
    return {**{key: _numbers(value) for key, value in row.items()}, **counters}


def _numbers(value: Any) -> float | list[float | None] | None:
    return [number(one) for one in value] if isinstance(value, list) else number(value)
