"""Keeps the policy and the reward of a run's best evaluation, in checkpoints/best and in best.json.

The best evaluation depends only on the rows of metrics.jsonl (``loop.best_criterion``). Every checkpoint also contains
the best state so far, from which a resumed run restores it. A best state that was found after that checkpoint is
overwritten, and the resumed run may find it again.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import jax
import numpy as np

from rl_rewards.core.checks import require
from rl_rewards.core.files import write_whole
from rl_rewards.core.seed_rows import of_seed
from rl_rewards.core.strict_json import strict
from rl_rewards.core.words import short_count
from rl_rewards.envs.base import Environment
from rl_rewards.loop.best_criterion import CRITERIA, Choice, Criterion, criterion_for, improves, score
from rl_rewards.loop.checkpoint.best import BestCheckpoint, BestState, items_of
from rl_rewards.loop.seeds import Seeds
from rl_rewards.loop.settings import Settings
from rl_rewards.loop.state import TrainState
from rl_rewards.rewards.base import RewardSource

FILE = "best.json"
SETTINGS = ("auto", "success", "true_return", "learned", None)
RECORDED = ("success", "true_return", "learned_return", "learned_reward_final")
"""The metrics of an evaluation that best.json contains."""


def best_setting(settings: Settings, offline: bool) -> str | None:
    """Return the value of ``checkpoint.best`` that counts; None if evaluations do not select.

    An offline run that learns from recorded data keeps no best state unless it is asked to: to choose by evaluations in
    the true environment would be to learn from it.

    Args:
        offline: True if the run learns from recorded data.

    Raises:
        ConfigError: when ``evaluation.selects`` contradicts it.
    """
    setting, selects = settings.checkpoint.best, settings.evaluation.selects
    require(
        selects != "none" or setting in ("auto", None),
        f"checkpoint.best={setting} selects by evaluations, but evaluation.selects=none; set one of them to auto.",
    )
    require(
        selects != "best" or setting is not None,
        "evaluation.selects=best keeps the policy of the best evaluation, but checkpoint.best=null keeps none; set one "
        "of them to auto.",
    )
    return None if selects == "none" or (selects == "auto" and offline and setting == "auto") else setting


def best_choice(setting: str | None, env: Environment, source: RewardSource) -> Choice | None:
    """Return the choice that ``checkpoint.best`` means; None if no best state is kept.

    ``auto`` is true success if the environment records it, or the true return if the run learns from the environment's
    reward. In all other runs the environment's reward may be meaningless, so that the learned reward judges. A run that
    only measures the true reward of an environment without one has nothing to choose by and keeps no best state.

    Raises:
        ConfigError: when the setting is not valid, or this environment and reward cannot measure it.
    """
    known = f"checkpoint.best={setting} is not valid; it must be auto, success, true_return, learned or null."
    require(setting in SETTINGS, known)
    require(
        setting != "success" or env.spec.has_success,
        f"checkpoint.best=success, but {env.spec.name} does not record success; choose true_return or learned.",
    )
    require(
        setting != "true_return" or env.spec.has_true_reward,
        f"checkpoint.best=true_return, but {env.spec.name} has no true reward; choose learned or null.",
    )
    needs = source.requirements
    measured = needs.needs_examples or needs.demos is not None
    require(
        setting != "learned" or measured or needs.stationary,
        "checkpoint.best=learned, but this reward changes while it learns and has neither goals nor demonstrations to "
        "compare with; choose success, true_return or null.",
    )
    if setting == "auto":
        if env.spec.has_success:
            return "success"
        if needs.reads != ("env_reward",):
            return "learned"
        return "true_return" if env.spec.has_true_reward else None
    return setting  # type: ignore[return-value]  # one of SETTINGS


class BestKeeper:
    """The best states so far of a run; every seed has its own, and all are in one checkpoint."""

    def __init__(
        self, run_dir: Path, choice: Choice | None, source: RewardSource, seeds: Seeds, resumed: BestState | None
    ) -> None:
        self.run_dir, self.choice, self.source, self.seeds = run_dir, choice, source, seeds
        self.state = resumed if choice is not None else None
        self._folder = BestCheckpoint(run_dir)
        self._put_right()

    def consider(self, rows: Sequence[dict[str, Any]], state: TrainState) -> None:
        """Keep ``state`` for every seed whose newest evaluation is its best, and write it at once.

        Args:
            rows: the rows of metrics.jsonl; the last one belongs to ``state``, and must have an evaluation to count.
        """
        if self.choice is None or "eval/learned_return" not in rows[-1]:
            return
        evaluations = [row for row in rows if "eval/learned_return" in row]
        alone = [[of_seed(row, i) for row in evaluations] for i in range(self.seeds.count)]
        criterion = self._criterion(alone[0][-1])
        if criterion is None:
            return
        scores = [score(rows_of_seed, criterion) for rows_of_seed in alone]
        before = self.state.record["seeds"] if self.state is not None else [None] * self.seeds.count
        old = [None if one is None else one["score"] for one in before]
        better = [improves(new, best) for new, best in zip(scores, old, strict=True)]
        if not any(better):
            return
        seeds = [
            _entry(each[-1], found) if found is not None and won else best
            for each, found, won, best in zip(alone, scores, better, before, strict=True)
        ]
        record = {"criterion": criterion, "words": CRITERIA[criterion], "rounds": rows[-1]["round"] + 1, "seeds": seeds}
        items = items_of(state.replace(reward=self.source.without_memory(state.reward)))
        self.state = BestState(self._merged(items, better), record)
        self._write(self.state)

    def _criterion(self, row: dict[str, Any]) -> Criterion | None:
        """Return the criterion of the whole run, because scores of different criteria are not comparable."""
        if self.state is not None:
            return self.state.record["criterion"]
        assert self.choice is not None
        return criterion_for(self.choice, row, self.source.requirements.stationary)

    def _merged(self, items: dict[str, Any], better: list[bool]) -> dict[str, Any]:
        """Return ``items`` for the seeds that improved, and the kept items for the others."""
        if self.state is None or all(better):
            return items

        def leaf(new: np.ndarray, old: np.ndarray) -> np.ndarray:
            return np.where(np.array(better).reshape(-1, *[1] * (new.ndim - 1)), new, old)

        return {name: jax.tree.map(leaf, items[name], self.state.items[name]) for name in items}

    def _put_right(self) -> None:
        """Make the folder agree with the restored state; the run may have been killed after that checkpoint."""
        if self.state is None:
            self._folder.remove()
            (self.run_dir / FILE).unlink(missing_ok=True)
        elif self._folder.record() != self.state.record or _read(self.run_dir / FILE) != self.state.record:
            self._write(self.state)

    def _write(self, best: BestState) -> None:
        self._folder.write(best.record["rounds"], best)
        write_whole(self.run_dir / FILE, json.dumps(best.record, indent=1) + "\n")


def kept_in_words(run_dir: Path) -> str | None:
    """Return when a run's best evaluation was, and its criterion, in words; None if the run keeps no best state."""
    record = _read(run_dir / FILE)
    if record is None:
        return None
    entries = [one for one in record["seeds"] if one is not None]
    found = [short_count(one.get("env_steps") or one.get("gradient_steps") or 0) for one in entries]
    unit = "gradient steps" if "gradient_steps" in entries[0] else "env steps"
    when = f"after {found[0]} {unit}" if len(found) == 1 else f"of each seed its own, after {', '.join(found)} {unit}"
    return f"{when} (by {record['criterion'].replace('_', ' ')})"


def _entry(row: dict[str, Any], found: tuple[float, ...]) -> dict[str, Any]:
    """Return the record of one seed's best evaluation."""
    unit: Literal["gradient_steps", "env_steps"] = "gradient_steps" if "gradient_steps" in row else "env_steps"
    metrics = {
        f"{name}{suffix}": row[f"eval/{name}{suffix}"]
        for name in RECORDED
        for suffix in ("", "_deterministic")
        if row.get(f"eval/{name}{suffix}") is not None
    }
    return strict({"round": row["round"], unit: row[unit], "score": list(found), **metrics})


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
