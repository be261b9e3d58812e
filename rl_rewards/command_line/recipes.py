"""The recipes of data sets, in ``configs/dataset/``: where behaviour of growing quality in an environment comes from.

A recipe trains policies for two budgets (``trained``), records the environment's scripted expert (``scripted``), or has
the environment write texts, which have their own qualities (``texts``); ``datasets.py`` describes all qualities.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import yaml

from rl_rewards.command_line.choices import CONFIGS, list_choices
from rl_rewards.core.checks import check_fields, require

GROUP = "dataset"
PURE = ("random", "medium", "expert")
"""The qualities that are one behaviour, of which ``mixed`` has a part each."""
QUALITIES = ("random", "medium", "medium_replay", "expert", "mixed")
"""The qualities of all data sets but texts."""


@dataclass(frozen=True, kw_only=True)
class TrainedQualities:
    """The trainings whose policies are recorded (the key ``trained`` of a recipe)."""

    medium: int  # env steps of the run whose policy is medium
    expert: int  # env steps of the run whose policy is the expert

    def __post_init__(self) -> None:
        check_fields(self, "trained")


@dataclass(frozen=True, kw_only=True)
class ScriptedQualities:
    """The environment's scripted expert as it is recorded (the key ``scripted`` of a recipe)."""

    speed: float  # fraction of its full speed
    noise: float  # share of steps of medium in which it takes a random action

    def __post_init__(self) -> None:
        check_fields(self, "scripted")


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """The data sets of one environment; see the module's docstring.

    Raises:
        ConfigError: when a value is not valid, or not exactly one of ``trained`` and ``scripted`` is given.
    """

    name: str
    overrides: tuple[str, ...]  # of a run: they choose the environment, and how policies are trained
    steps: int  # env steps of a data set
    mixed: Mapping[str, float] | None = None  # the share of each part; None for texts
    random_overrides: tuple[str, ...] = ()  # further ones of the environment in which random actions are recorded
    trained: TrainedQualities | None = None
    scripted: ScriptedQualities | None = None
    texts: tuple[str, ...] | None = None  # the qualities of the texts that the environment writes, the best one last

    def __post_init__(self) -> None:
        check_fields(self, self.name)
        given = sum(kind is not None for kind in (self.trained, self.scripted, self.texts))
        require(given == 1, f"{self.name}: give either trained, scripted or texts.")
        if self.texts is not None:
            require(
                len(self.texts) > 0 and self.mixed is None, f"{self.name}: texts are at least one quality, no mixed."
            )
            return
        require(self.mixed is not None, f"{self.name}.mixed must be the shares of {', '.join(PURE)}.")
        assert self.mixed is not None
        good = set(self.mixed) <= set(PURE) and abs(sum(self.mixed.values()) - 1.0) < 1e-6
        require(good, f"{self.name}.mixed={dict(self.mixed)} must be shares of {', '.join(PURE)} with the sum 1.")

    @property
    def qualities(self) -> tuple[str, ...]:
        """Return the qualities of its data sets."""
        return QUALITIES if self.texts is None else self.texts


def read_recipe(name: str) -> Recipe:
    """Return the recipe ``configs/dataset/NAME.yaml``."""
    known = list(list_choices(GROUP))
    require(name in known, f"{name} has no recipe for data sets; there are {', '.join(known)} (--help datasets).")
    raw = yaml.safe_load((CONFIGS / GROUP / f"{name}.yaml").read_text(encoding="utf-8"))
    kinds = {"trained": TrainedQualities, "scripted": ScriptedQualities}
    raw |= {key: kind(**raw[key]) for key, kind in kinds.items() if key in raw}
    return Recipe(name=name, **{key: tuple(one) if isinstance(one, list) else one for key, one in raw.items()})
