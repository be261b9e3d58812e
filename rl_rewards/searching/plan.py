"""The plan of a search, from its file: what all trials share, the space, the sampler, the seeds and the pruning."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import yaml

from rl_rewards.command_line.choices import CONFIGS, list_choices
from rl_rewards.command_line.compose import composed
from rl_rewards.command_line.sweep import SCORES, override_hash
from rl_rewards.core.checks import check_fields, require, require_known
from rl_rewards.core.errors import ConfigError
from rl_rewards.core.files import read_text
from rl_rewards.searching.space import Space, corners, read_space, words

GROUP = "search"
"""The folder of configs with examples of spaces."""
SEARCHED = Path("outputs") / "searches"
OURS = ("seed", "num_seeds", "resume", "hydra", "study", "arms", "shared", "size", "sizes")
"""Keys of a run that a search sets itself, or that only a study has."""
LIGHT = ("video=false", "report=false", "logger=none")
"""Overrides that make trials light; the search's own overrides of the same keys replace them."""
LONGER = ("trials", "report_seeds")
"""The keys that may have other values when a search goes on."""

Sampler = Literal["tpe", "random"]


@dataclass(frozen=True)
class SeedRange:
    """Seeds one after another, which a run trains in one program."""

    first: int
    count: int

    @property
    def words(self) -> str:
        """The seeds as a person writes them: 3, or 0-4."""
        return str(self.first) if self.count == 1 else f"{self.first}-{self.first + self.count - 1}"

    @property
    def overrides(self) -> list[str]:
        """The overrides of a run with these seeds."""
        return [f"seed={self.first}", f"num_seeds={self.count}"]

    def overlaps(self, other: "SeedRange") -> bool:
        """Return True if a seed is in both."""
        return self.first < other.first + other.count and other.first < self.first + self.count


@dataclass(frozen=True, kw_only=True)
class Pruning:
    """When a trial is stopped before its end (the key ``pruning``)."""

    first: int = 2  # the evaluation after which a trial may be stopped for the first time
    factor: int = 3  # successive halving lets one of so many go on, and looks again after so many times the evaluations
    hopeless: bool = True  # stop, too, when even the upper end of the interval over seeds is below the others' median

    def __post_init__(self) -> None:
        check_fields(self, "pruning")
        require(self.first >= 1, f"pruning.first={self.first} must be at least 1.")
        require(self.factor >= 2, f"pruning.factor={self.factor} must be at least 2.")


@dataclass(frozen=True)
class SearchPlan:
    """The space of a search, its sampler, its seeds and its rules for stopping trials."""

    overrides: tuple[str, ...]  # of every trial
    space: Space
    sampler: Sampler
    trials: int  # different configurations
    seeds: SeedRange  # of selection
    report_seeds: SeedRange | None  # with which the best is trained again; None: it is not
    measure: str | None  # of SCORES; None: the first that the runs have
    pruning: Pruning | None

    def of_trial(self, values: Mapping[str, Any]) -> list[str]:
        """Return the overrides of the trial with these values, without its folder."""
        return [*self.shared, *words(self.space, values), *self.seeds.overrides]

    def of_report(self, values: Mapping[str, Any]) -> list[str]:
        """Return the overrides of the run that trains these values on the report seeds."""
        assert self.report_seeds is not None
        return [*self.shared, *words(self.space, values), *self.report_seeds.overrides]

    @property
    def shared(self) -> list[str]:
        """The overrides of every run, with those of :data:`LIGHT` that nothing else decides."""
        named = {key_of(one) for one in self.overrides} | set(self.space)
        return [*(one for one in LIGHT if key_of(one) not in named), *self.overrides]

    def digest(self, values: Mapping[str, Any]) -> str:
        """Return ten digits for a configuration, the same for the same values."""
        return override_hash(self.of_trial(values))

    def settings(self) -> dict[str, Any]:
        """Return what a folder keeps, to check that it is the same search that goes on."""
        kept = asdict(self)
        return kept | {"seeds": self.seeds.words, "report_seeds": self.report_seeds and self.report_seeds.words}


KEYS = tuple(SearchPlan.__dataclass_fields__)
BY_DEFAULT = {"overrides": [], "sampler": "tpe", "trials": 20, "seeds": 0, "report_seeds": "100-104", "measure": None}


def find_space(name: str) -> Path:
    """Return the file ``name``, or that of the example with this name.

    Raises:
        ConfigError: if there is none.
    """
    known = list(list_choices(GROUP))
    path = Path(name)
    if path.is_file():
        return path
    examples = f"name a YAML file, or one of the examples: {', '.join(known)}"
    require(name in known, f"There is no file {name}; {examples}.")
    return CONFIGS / GROUP / f"{name}.yaml"


def read_plan(path: Path, overrides: Sequence[str] = (), trials: int | None = None) -> SearchPlan:
    """Return the plan in the file ``path``.

    Args:
        overrides: further ones of every trial; they replace those of the file with the same key.
        trials: the number of trials; None: that of the file.

    Raises:
        ConfigError: if the file is not valid, or a configuration of its space does not compose.
        HydraException: if one names a key or a choice that does not exist.
    """
    raw = _read(path)
    where = str(path)
    given = _overrides([*raw["overrides"]] if isinstance(raw["overrides"], list) else raw["overrides"], where)
    replaced = {key_of(one) for one in overrides}
    shared = (*(one for one in given if key_of(one) not in replaced), *_overrides(list(overrides), where))
    plan = SearchPlan(
        overrides=shared,
        space=read_space(raw["space"], where),
        sampler=raw["sampler"],
        trials=raw["trials"] if trials is None else trials,
        seeds=_seeds(raw["seeds"], f"{where}: seeds"),
        report_seeds=None if raw["report_seeds"] is None else _seeds(raw["report_seeds"], f"{where}: report_seeds"),
        measure=raw["measure"],
        pruning=_pruning(raw.get("pruning", {}), where),
    )
    _check(plan, where)
    for values in corners(plan.space):
        study = composed(plan.of_trial(values)).get("study")
        require(study is None, f"{where}: its runs would be studies, which have no score; search over one arm instead.")
    return plan


def key_of(override: str) -> str:
    """Return the key of an override KEY=VALUE, without a leading ``+`` or ``~``."""
    return override.lstrip("+~").partition("=")[0]


def _read(path: Path) -> dict[str, Any]:
    try:
        raw = yaml.safe_load(read_text(path))
    except yaml.YAMLError as error:
        raise ConfigError(f"{path} is not valid YAML: {' '.join(str(error).split())}.") from None
    require(isinstance(raw, dict), f"{path} must be a mapping with the keys {', '.join(KEYS)}.")
    for key in raw:
        require_known(key, KEYS, f"{path}: {key} is not a key of a search")
    require("space" in raw, f"{path} has no space; a search needs KEY: VALUES below the key space.")
    return BY_DEFAULT | raw


def _overrides(raw: Any, where: str) -> tuple[str, ...]:
    good = isinstance(raw, list) and all(isinstance(one, str) and "=" in one for one in raw)
    require(good, f"{where}: overrides={raw} must be a list of KEY=VALUE, as for rl_rewards.run.")
    return tuple(raw)


def _seeds(raw: Any, place: str) -> SeedRange:
    first, _, last = str(raw).partition("-")
    good = not isinstance(raw, bool) and first.isdecimal() and (last.isdecimal() or last == "")
    require(good, f"{place}={raw} must be a seed, such as 0, or seeds one after another, such as 0-4.")
    low, high = int(first), int(last or first)
    require(low <= high, f"{place}={raw} must have the smaller seed first.")
    return SeedRange(low, high - low + 1)


def _pruning(raw: Any, where: str) -> Pruning | None:
    if raw is None:
        return None
    keys = tuple(Pruning.__dataclass_fields__)
    require(isinstance(raw, dict), f"{where}: pruning={raw} must be null, or a mapping with {', '.join(keys)}.")
    for key in raw:
        require_known(key, keys, f"{where}: pruning.{key} does not exist")
    return Pruning(**raw)


def _check(plan: SearchPlan, where: str) -> None:
    require_known(plan.sampler, get_args(Sampler), f"{where}: sampler={plan.sampler} does not exist")
    good = isinstance(plan.trials, int) and not isinstance(plan.trials, bool) and plan.trials >= 1
    require(good, f"{where}: trials={plan.trials} must be a whole number of at least 1.")
    if plan.measure is not None:
        require_known(plan.measure, SCORES, f"{where}: measure={plan.measure} is no measure")
    both = plan.report_seeds is not None and plan.seeds.overlaps(plan.report_seeds)
    require(
        not both,
        f"{where}: seeds={plan.seeds.words} and report_seeds={plan.report_seeds and plan.report_seeds.words} overlap; "
        "the best is reported on seeds that did not select it.",
    )
    shared = [key_of(one) for one in plan.overrides]
    for key in (*shared, *plan.space):
        ours = key.lstrip("+~").partition(".")[0].partition("/")[0] in OURS
        require(not ours, f"{where}: {key} is set by the search itself; leave it out.")
    twice = [key for key in plan.space if key in shared]
    require(not twice, f"{where}: {''.join(twice[:1])} is in the overrides and in the space; leave one out.")
