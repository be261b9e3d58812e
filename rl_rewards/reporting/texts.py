"""The texts of evaluations, which stand beside their arrays: ``evaluations/NNNNNN.texts.json``."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rl_rewards.core.errors import ConfigError
from rl_rewards.core.files import read_json, write_whole
from rl_rewards.core.words import digits, short_count
from rl_rewards.reporting.evaluation_files import evaluation_paths, spread
from rl_rewards.reporting.run_files import RunFiles

SHOWN = 3
"""The number of evaluations whose texts a report shows: the first, one in the middle, and the last."""
WHY = {
    "first": "the same prompts over training",
    "overrated": "at the end: the learned reward is highest compared with the true one",
    "underrated": "at the end: the learned reward is lowest compared with the true one",
    "highest": "at the end: the highest learned reward",
    "lowest": "at the end: the lowest learned reward",
}


@dataclass(frozen=True)
class TextTable:
    """Responses under one heading."""

    title: str
    rows: list[dict[str, str]]  # after, prompt, response, gold, proxy; gold is "" without a true reward

    @property
    def has_gold(self) -> bool:
        """Return True if some text has a true reward."""
        return any(row["gold"] for row in self.rows)


def save_texts(path: Path, texts: Sequence[Sequence[dict[str, Any]]]) -> None:
    """Write the texts of every seed beside the evaluation ``path``."""
    write_whole(_beside(path), json.dumps({"seeds": list(texts)}, ensure_ascii=False) + "\n")


def text_tables(run: RunFiles, seed: int = 0) -> list[TextTable]:
    """Return the texts of a run for its report; an empty list if it has none.

    Args:
        seed: the index of the seed whose texts are shown.

    Raises:
        ConfigError: if a file is damaged.
    """
    rounds = {row["round"]: row for row in run.evaluation_rows}
    paths = [path for path in evaluation_paths(run.path / "evaluations", set(rounds)) if _beside(path).is_file()]
    shown = [(rounds[int(path.stem)], _read(_beside(path), seed)) for path in spread(paths, SHOWN)]
    tables = []
    for why, words in WHY.items():
        among = shown if why == "first" else shown[-1:]
        found = [(one["episode"], _row(run, row, one)) for row, texts in among for one in texts if one["why"] == why]
        if why == "first":
            found.sort(key=lambda one: one[0])  # the responses to one prompt, one below the other
        if found:
            tables.append(TextTable(words, [row for _, row in found]))
    return tables


def _row(run: RunFiles, row: dict[str, Any], one: dict[str, Any]) -> dict[str, str]:
    steps = row["gradient_steps"] if run.steps_name == "gradient steps" else row["env_steps"]
    return {
        "after": f"{short_count(int(steps))} {run.steps_name}",
        "prompt": str(one["prompt"]),
        "response": str(one["response"]) or "(empty)",
        "gold": "" if one["gold"] is None else digits(float(one["gold"])),
        "proxy": digits(float(one["proxy"])),
    }


def _read(path: Path, seed: int) -> list[dict[str, Any]]:
    texts = read_json(path).get("seeds") or []
    wanted = {"why", "episode", "gold", "proxy", "prompt", "response"}
    try:
        found = texts[seed if len(texts) > 1 else 0]
        complete = all(wanted <= set(one) for one in found)
    except (IndexError, TypeError):
        complete, found = False, []
    if not complete:
        raise ConfigError(f"{path} does not hold the texts of an evaluation; delete it to do without them.")
    return found


def _beside(path: Path) -> Path:
    return path.with_suffix(".texts.json")
