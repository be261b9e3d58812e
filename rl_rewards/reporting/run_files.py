"""Reads a run's folder; nothing here imports jax, so that a report takes seconds and works on any machine."""

import json
import math
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from rl_rewards.core.seed_rows import of_seed, seed_count

Status = Literal["DONE", "FAILED", "unfinished"]
Row = dict[str, Any]
"""A number or None by metric; in a run of several seeds a list of them, see ``RunFiles.of_seed``."""
NOT_PER_SEED = ("plane_x", "plane_y", "plane_labels")


class ReportError(ValueError):
    """A run folder that cannot be reported; the text is one plain sentence: what is wrong and where."""


@dataclass(frozen=True)
class Evaluation:
    """What one evaluation stored. T steps, N episodes; the policy acts as in training (stochastic).

    With several seeds every array has a leading seed axis; see :meth:`of_seed`.
    """

    round: int
    env_steps: int
    learned_reward: np.ndarray  # [T, N] per step
    env_reward: np.ndarray  # [T, N] per step
    valid: np.ndarray  # [T, N] bool; False after an episode's end
    success: np.ndarray | None  # [T, N] bool; None if the environment does not tell
    arrays: Mapping[str, np.ndarray]  # whatever else the file holds: prob_*, plane_*

    def of_seed(self, index: int) -> "Evaluation":
        """One seed's part of an evaluation whose arrays have a leading seed axis."""
        if self.valid.ndim == 2:
            return self
        return replace(
            self,
            learned_reward=self.learned_reward[index],
            env_reward=self.env_reward[index],
            valid=self.valid[index],
            success=None if self.success is None else self.success[index],
            arrays={name: x if name in NOT_PER_SEED else x[index] for name, x in self.arrays.items()},
        )

    @property
    def learned_returns(self) -> np.ndarray:
        """Undiscounted sum of the learned reward, [N]."""
        return _sum_valid(self.learned_reward, self.valid)

    @property
    def true_returns(self) -> np.ndarray:
        """Undiscounted sum of the environment's own reward, [N]."""
        return _sum_valid(self.env_reward, self.valid)

    @property
    def ended_in_success(self) -> np.ndarray | None:
        """Whether each episode's final state is a success, [N] bool."""
        if self.success is None:
            return None
        final = np.maximum(self.valid.sum(axis=0) - 1, 0)
        return np.asarray(self.success, bool)[final, np.arange(self.valid.shape[1])]


@dataclass(frozen=True)
class RunFiles:
    """A run as its folder tells it."""

    path: Path
    config: Mapping[str, Any]
    config_text: str  # config.yaml as it stands
    spec: Mapping[str, Any]
    run: Mapping[str, Any]  # run.json: command, git_sha, git_dirty, started, versions, *_choice
    rows: Sequence[Row]  # of metrics.jsonl, oldest first; NaN and infinity read as None
    evaluations: Sequence[Evaluation]  # first, middle and last of those stored (fewer if there are fewer)
    status: Status
    outcome: Mapping[str, Any]  # of DONE or FAILED.json; empty for an unfinished run
    video: Path | None

    @property
    def num_seeds(self) -> int:
        """How many seeds were trained in one program."""
        return seed_count(self.rows[-1]) if self.rows else 1

    @property
    def seeds(self) -> list[int]:
        """The seeds themselves."""
        first = int(number(self.config.get("seed")) or 0)
        return list(range(first, first + self.num_seeds))

    def of_seed(self, index: int) -> "RunFiles":
        """The run as if seed number ``index`` had been trained alone."""
        return replace(
            self,
            config={**self.config, "seed": self.seeds[index], "num_seeds": 1},
            rows=[of_seed(row, index) for row in self.rows],
            evaluations=[evaluation.of_seed(index) for evaluation in self.evaluations],
        )

    @property
    def evaluation_rows(self) -> list[Row]:
        """Rows in which an evaluation took place, oldest first."""
        return [row for row in self.rows if any(key.startswith("eval/") and row[key] is not None for key in row)]

    @property
    def env_steps(self) -> int:
        """Environment steps collected so far."""
        return int(self.rows[-1]["env_steps"] or 0) if self.rows else 0

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
    def commit(self) -> str:
        """Short commit and whether files differed from it, in words."""
        sha = self.run.get("git_sha")
        if not sha:
            return "no git commit"
        return f"git {str(sha)[:10]}" + (" + uncommitted changes" if self.run.get("git_dirty") else "")


def read_run(path: Path) -> RunFiles:
    """Read the folder ``path``.

    Raises:
        ReportError: if it is not a run's folder, or one of its files is missing or cannot be read.
    """
    if not path.is_dir():
        raise ReportError(f"{path} is not a folder; give the folder of a run, the one that holds metrics.jsonl.")
    missing = [name for name in ("config.yaml", "run.json", "spec.json") if not (path / name).is_file()]
    if not (path / "metrics.jsonl").is_file() and not (path / "FAILED.json").is_file():
        missing.append("metrics.jsonl")  # a run may fail before its first round; then the failure is the report
    if missing:
        raise ReportError(f"{path} is not a run's folder: it lacks {', '.join(missing)}.")
    status, outcome = _read_status(path)
    rows = _read_rows(path / "metrics.jsonl")
    if not rows and status != "FAILED":
        raise ReportError(f"{path / 'metrics.jsonl'} is empty: no round has finished yet.")
    config_text = _read_text(path / "config.yaml")
    video = path / "videos" / "final.mp4"
    return RunFiles(
        path=path,
        config=_parse_config(path / "config.yaml", config_text),
        config_text=config_text,
        spec=_read_json(path / "spec.json"),
        run=_read_json(path / "run.json"),
        rows=rows,
        evaluations=_read_evaluations(path / "evaluations", {row["round"] for row in rows}),
        status=status,
        outcome=outcome,
        video=video if video.is_file() and video.stat().st_size > 0 else None,
    )


def number(value: Any) -> float | None:
    """``value`` as a finite float; None for anything else, so that NaN never reaches a sentence or an axis."""
    if not isinstance(value, (bool, int, float)):
        return None
    return float(value) if math.isfinite(value) else None


def series(rows: Sequence[Row], key: str) -> tuple[list[float], list[float]]:
    """Env steps and values of metric ``key`` where it has one."""
    pairs = [(row["env_steps"], row[key]) for row in rows if row.get(key) is not None]
    return [float(steps) for steps, _ in pairs if steps is not None], [float(v) for _, v in pairs if v is not None]


def _sum_valid(reward: np.ndarray, valid: np.ndarray) -> np.ndarray:
    return np.where(valid, reward, 0.0).sum(axis=0, dtype=np.float64)


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ReportError(f"{path} cannot be read: {error}.") from error


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(_read_text(path))
    except json.JSONDecodeError as error:
        raise ReportError(f"{path} is not valid JSON: {error}.") from error
    if not isinstance(content, dict):
        raise ReportError(f"{path} must hold one JSON object.")
    return content


def _read_status(path: Path) -> tuple[Status, dict[str, Any]]:
    # FAILED first: a resumed run that failed later may still have files of an earlier success.
    if (path / "FAILED.json").is_file():
        return "FAILED", _read_json(path / "FAILED.json")
    if (path / "DONE").is_file():
        return "DONE", _read_json(path / "DONE")
    return "unfinished", {}


def _parse_config(path: Path, text: str) -> dict[str, Any]:
    import yaml

    try:
        config = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ReportError(f"{path} is not valid YAML: {str(error).replace(chr(10), ' ')}.") from error
    if not isinstance(config, dict):
        raise ReportError(f"{path} must hold keys and values.")
    return config


def _read_rows(path: Path) -> list[Row]:
    if not path.is_file():
        return []
    lines = _read_text(path).splitlines(keepends=True)
    if lines and not lines[-1].endswith("\n"):
        lines.pop()  # the run was killed, or is just now, in the middle of writing this row
    return [_read_row(path, i + 1, line) for i, line in enumerate(lines) if line.strip()]


def _read_row(path: Path, line_number: int, line: str) -> Row:
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise ReportError(f"{path} line {line_number} is not valid JSON: {error}.") from error
    if not isinstance(row, dict) or number(row.get("round")) is None or number(row.get("env_steps")) is None:
        raise ReportError(f"{path} line {line_number} has no round and env_steps.")
    counters = {"round": int(row["round"]), "env_steps": int(row["env_steps"])}
    return {**{key: _numbers(value) for key, value in row.items()}, **counters}


def _numbers(value: Any) -> float | list[float | None] | None:
    return [number(one) for one in value] if isinstance(value, list) else number(value)


def _read_evaluations(folder: Path, rounds: set[Any]) -> list[Evaluation]:
    # A resumed run's metrics are cut back to the checkpoint; files of later rounds are leftovers until written anew.
    files = sorted(path for path in folder.glob("*.npz") if path.stem.isdigit() and int(path.stem) in rounds)
    # Only these are drawn; a long run has hundreds of files.
    wanted = sorted({0, len(files) // 2, len(files) - 1}) if files else []
    return [_read_evaluation(files[i]) for i in wanted]


def _read_evaluation(path: Path) -> Evaluation:
    try:
        with np.load(path, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
        valid = np.asarray(arrays.pop("valid"), bool)
        evaluation = Evaluation(
            round=int(arrays.pop("round")),
            env_steps=int(arrays.pop("env_steps")),
            learned_reward=arrays.pop("learned_reward"),
            env_reward=arrays.pop("env_reward"),
            valid=valid,
            success=arrays.pop("success", None),
            arrays=arrays,
        )
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise ReportError(f"{path} is not an evaluation that this version can read: {error}.") from error
    per_step = (evaluation.learned_reward, evaluation.env_reward, evaluation.success)
    if valid.ndim not in (2, 3) or any(x is not None and x.shape != valid.shape for x in per_step):
        raise ReportError(f"{path} is malformed: learned_reward, env_reward, success and valid differ in shape.")
    return evaluation
