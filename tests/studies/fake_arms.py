"""Arms of a study without training: runs in memory with invented metrics of every seed."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rl_rewards.reporting.evaluation_files import StoredEvaluation
from rl_rewards.reporting.run_files import RunFiles

Series = Sequence[Sequence[float]]
"""A metric's values, indexed [evaluation][seed]."""


def arm(
    success: Series,
    path: Path = Path("fake"),
    metrics: Mapping[str, Series] | None = None,
    evaluations: Sequence[StoredEvaluation] = (),
    config: Mapping[str, Any] | None = None,
) -> RunFiles:
    """Return a finished run whose evaluations have ``success`` and further ``metrics``, named without eval/."""
    flat = [[0.5] * len(row) for row in success]
    columns = {"success": success, "prob_visited": flat, "learned_reward_final": flat, "prob_heldout_goals": flat}
    columns |= metrics or {}
    rows = [
        {"round": i, "env_steps": 640 * (i + 1)} | {f"eval/{name}": list(found[i]) for name, found in columns.items()}
        for i in range(len(success))
    ]
    return RunFiles(
        path=path,
        config={"seed": 100, "num_seeds": len(success[0]), **(config or {})},
        config_text="",
        spec={},
        run={"command": "python -m rl_rewards.run", "git_sha": "0" * 40, "git_dirty": False},
        rows=rows,
        evaluations=list(evaluations),
        status="DONE",
        outcome={},
        video=None,
    )


def steady(value: float, evaluations: int = 9, seeds: int = 10) -> Series:
    """Return values that are 0 at the first evaluation and then about ``value``, a little different for every seed."""
    return [[0.0] * seeds, *[[value + 0.001 * i for i in range(seeds)]] * (evaluations - 1)]
