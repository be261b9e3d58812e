"""Groups runs that differ only in their seeds into arms, and finds the settings in which the arms differ."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from rl_rewards.core.seed_rows import Row
from rl_rewards.reporting.run_files import RunFiles
from rl_rewards.reporting.verdict import alarm_words

IGNORED = ("seed", "num_seeds", "resume", "logger", "placement", "checkpoint", "video", "report", "study", "arms")
IGNORED += ("size", "sizes")
"""Top-level configuration keys that do not change what a seed learns."""
GROUPS = ("env", "reward", "algorithm")
LONGEST_NAME = 60
ABSENT = "-"


@dataclass(frozen=True)
class Arm:
    """One or more runs that differ only in their seeds, used like one run of several seeds (see ``over_seeds``)."""

    name: str
    runs: Sequence[RunFiles]

    @property
    def num_seeds(self) -> int:
        return sum(run.num_seeds for run in self.runs)

    @property
    def seeds(self) -> list[int]:
        return [seed for run in self.runs for seed in run.seeds]

    @cached_property
    def evaluation_rows(self) -> list[Row]:
        """The evaluations that all runs made at the same env steps; each metric is a list with one value per seed."""
        if len(self.runs) == 1:
            return list(self.runs[0].evaluation_rows)
        by_steps = [{row["env_steps"]: row for row in run.evaluation_rows} for run in self.runs]
        common = sorted(set.intersection(*map(set, by_steps)))
        return [self._joined([rows[steps] for rows in by_steps]) for steps in common]

    def _joined(self, rows: Sequence[Row]) -> Row:
        keys = {key for row in rows for key in row} - {"round", "env_steps"}
        joined: dict[str, Any] = {"round": rows[0]["round"], "env_steps": rows[0]["env_steps"]}
        for key in sorted(keys):
            found = [(row.get(key), run.num_seeds) for row, run in zip(rows, self.runs, strict=True)]
            parts = [value if isinstance(value, list) else [value] * count for value, count in found]
            joined[key] = [value for part in parts for value in part]
        return joined

    def of_seed(self, index: int) -> RunFiles:
        """Return the run of one seed, by the seed's index in the arm."""
        for run in self.runs:
            if index < run.num_seeds:
                return run.of_seed(index)
            index -= run.num_seeds
        raise IndexError(f"An arm of {self.num_seeds} seeds has no seed with that index.")

    @cached_property
    def alarms(self) -> list[str]:
        """The state of each seed's exploit alarm, in words."""
        return [alarm_words(self.of_seed(i)) for i in range(self.num_seeds)]

    @property
    def env_steps(self) -> int:
        """The steps of the shortest run."""
        return min(run.env_steps for run in self.runs)

    @property
    def steps_name(self) -> str:
        """The unit of ``env_steps`` in words."""
        return self.runs[0].steps_name

    @property
    def choices(self) -> tuple[str, str, str]:
        return self.runs[0].choices


def seeds_in_words(seeds: Sequence[int]) -> str:
    """Return ``0 to 4``, or a list such as ``0, 2, 3`` if the seeds are not consecutive."""
    ordered = sorted(seeds)
    if len(ordered) > 2 and ordered == list(range(ordered[0], ordered[-1] + 1)):
        return f"{ordered[0]} to {ordered[-1]}"
    return ", ".join(map(str, ordered))


def group(runs: Sequence[RunFiles]) -> list[Arm]:
    """Group ``runs`` into arms, in the order of their first runs.

    A run that repeats a seed of its arm starts another arm: the same seed twice is not new evidence.
    """
    members: list[tuple[str, list[RunFiles]]] = []
    for run in runs:
        identity = json.dumps(_compared(run), sort_keys=True, default=str)
        for other, together in members:
            if other == identity and not {s for r in together for s in r.seeds} & set(run.seeds):
                together.append(run)
                break
        else:
            members.append((identity, [run]))
    unnamed = [Arm("", sorted(together, key=lambda run: run.seeds)) for _, together in members]
    names = _names(unnamed)
    return [Arm(name, arm.runs) for name, arm in zip(names, unnamed, strict=True)]


def differences(arms: Sequence[Arm]) -> dict[str, list[str]]:
    """Return the values of each configuration key in which the arms differ, one per arm.

    Where the arms differ in a group, such as the reward, keys that only some of the choices have are left out: the
    choice implies them.
    """
    choices = {key: [arm.choices[i] for arm in arms] for i, key in enumerate(GROUPS)}
    differing = {key: names for key, names in choices.items() if len(set(names)) > 1}
    flat = [_compared(arm.runs[0]) for arm in arms]
    for key in sorted({key for one in flat for key in one}):
        values = [_in_words(one[key]) if key in one else ABSENT for one in flat]
        implied = key.split(".")[0] in differing and (ABSENT in values or key.endswith("._target_"))
        if len(set(values)) > 1 and not implied:
            differing[key] = values
    return differing


def _compared(run: RunFiles) -> dict[str, Any]:
    """Return the configuration by dotted key, without the keys that do not change what a seed learns."""
    return _flat({key: value for key, value in run.config.items() if key not in IGNORED})


def _flat(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in config.items():
        if isinstance(value, Mapping) and value:
            found |= _flat(value, f"{prefix}{key}.")
        else:
            found[f"{prefix}{key}"] = value
    return found


def _in_words(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return text if len(text) <= LONGEST_NAME else text[: LONGEST_NAME - 3] + "..."


def _names(arms: Sequence[Arm]) -> list[str]:
    """Return a name per arm: the study's, or the settings that differ, or the folder if those are long or ambiguous.

    Where all settings that differ are too long, only as many are named as are needed to tell the arms apart.
    """
    if all(arm.runs[0].path.parent.name == "arms" for arm in arms):
        names = [arm.runs[0].path.name for arm in arms]
        if len(set(names)) == len(names):
            return names
    differing = differences(arms)
    names = [_name(differing, i) for i in range(len(arms))]
    if any(len(name) > LONGEST_NAME for name in names):
        needed = _needed(differing, len(arms))
        names = [_name(needed, i) for i in range(len(arms))]
    folders = _folders(arms)
    return [
        name if name and len(name) <= LONGEST_NAME and names.count(name) == 1 else folder
        for name, folder in zip(names, folders, strict=True)
    ]


def _needed(differing: Mapping[str, Sequence[str]], count: int) -> dict[str, Sequence[str]]:
    """Return few of the settings that tell ``count`` arms as well apart as all do: first those that split them most."""
    chosen: dict[str, Sequence[str]] = {}

    def groups(settings: Mapping[str, Sequence[str]]) -> int:
        return len({tuple(values[i] for values in settings.values()) for i in range(count)})

    while groups(chosen) < groups(differing):
        added = max(differing, key=lambda key: (groups({**chosen, key: differing[key]}), -len("".join(differing[key]))))
        chosen[added] = differing[added]
    return {key: values for key, values in differing.items() if key in chosen}


def _name(differing: Mapping[str, Sequence[str]], index: int) -> str:
    parts = []
    for key, values in differing.items():
        short = key.rpartition(".")[2]
        parts.append(values[index] if key in GROUPS else f"{short}={values[index]}")
    return ", ".join(parts)


def _folders(arms: Sequence[Arm]) -> list[str]:
    """Return the first folder of each arm, relative to the folder that holds all of them."""
    paths = [arm.runs[0].path.resolve() for arm in arms]
    if len(paths) == 1:
        return [paths[0].name]
    above = Path(os.path.commonpath(paths))
    return [str(path.relative_to(above)) for path in paths]
