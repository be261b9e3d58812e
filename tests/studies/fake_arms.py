"""Arms of a study without training: runs in memory, with made-up success of every seed."""

from pathlib import Path

from rl_rewards.reporting.run_files import RunFiles


def arm(success: list[list[float]], path: Path = Path("fake")) -> RunFiles:
    """A finished run whose evaluations have ``success`` [evaluations][seeds]."""
    rows = [
        {"round": i, "env_steps": 640 * (i + 1), "eval/success": row, "eval/prob_visited": [0.5] * len(row)}
        for i, row in enumerate(success)
    ]
    return RunFiles(
        path=path,
        config={"seed": 100, "num_seeds": len(success[0])},
        config_text="",
        spec={},
        run={"command": "python -m rl_rewards.run", "git_sha": "0" * 40, "git_dirty": False},
        rows=rows,
        evaluations=[],
        status="DONE",
        outcome={},
        video=None,
    )
