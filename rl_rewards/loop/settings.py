"""What a run is told besides its parts: plain values that are checked when they are made, and never change.

``loop.build`` makes them from the composed configuration, and nothing beyond it sees that. A default in a class is what
a run means that was saved before the key existed; the defaults of new runs are in ``configs/config.yaml``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, Literal, TypeVar

from rl_rewards.core.checks import check_fields, require
from rl_rewards.loop.trust import trusted_packages

Section = TypeVar("Section")


@dataclass(frozen=True, kw_only=True)
class DemonstrationSettings:
    """Which of the given demonstrations are used: ``demonstrations`` of a configuration."""

    episodes: int | None = None  # how many, drawn at random by the seed; None takes all
    every: int = 1  # one step of so many is kept

    def __post_init__(self) -> None:
        _check(self, "demonstrations", at_least_one=("episodes", "every"))


@dataclass(frozen=True, kw_only=True)
class ExampleSettings:
    """States inside and outside the goal set, for rewards that learn from them: ``examples`` of a configuration."""

    goals: int  # how many goals are recorded
    non_goals: int  # how many other states
    path: str | None  # the .npz file that has them; None records them in the environment
    heldout_share: float  # of the goals, in (0, 1): never trained on
    last_steps: int | None = None  # goals are what the last so many steps of each demonstration reached

    def __post_init__(self) -> None:
        _check(self, "examples", at_least_one=("goals", "non_goals", "last_steps"))


@dataclass(frozen=True, kw_only=True)
class EvaluationSettings:
    """When and how thoroughly the policy is judged: ``evaluation`` of a configuration."""

    every: int  # rounds between two evaluations; the first and the last round are always evaluated
    episodes: int  # whole episodes of the stochastic policy, and as many of its mode

    def __post_init__(self) -> None:
        _check(self, "evaluation", at_least_one=("every", "episodes"))


@dataclass(frozen=True, kw_only=True)
class CheckpointSettings:
    """The checkpoints of a run, and how often they are written: ``checkpoint`` of a configuration."""

    every: int  # rounds between two checkpoints; the last round is always saved
    keep: int  # how many of the newest stay
    best: str | None = "auto"  # the criterion of the best evaluation; see loop.best.best_choice

    def __post_init__(self) -> None:
        _check(self, "checkpoint", at_least_one=("every", "keep"))


@dataclass(frozen=True, kw_only=True)
class PretrainSettings:
    """The run whose policy this one begins with: ``pretrain`` of a configuration."""

    run: str | None = None  # its folder, perhaps with @best; None begins with a policy that knows nothing
    part: str | None = None  # of a run of two players the one that is taken; None takes both
    seed: int | None = None  # of a run of several seeds the one that is taken; None gives each seed its own

    def __post_init__(self) -> None:
        _check(self, "pretrain")
        require(self.run is not None or self.part is None, f"pretrain.part={self.part} needs pretrain=RUN_DIR.")


@dataclass(frozen=True, kw_only=True)
class LoggerSettings:
    """Weights & Biases: ``logger`` of a configuration. The names are those of ``wandb.init``."""

    mode: Literal["disabled", "offline", "online"]
    project: str
    entity: str | None = None  # a user or a team; None is the account's default
    group: str | None = None  # None groups runs that differ in their seeds alone
    job_type: str = "train"
    tags: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _check(self, "logger")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The settings of a run besides its parts: budget, seeds, evaluation and checkpoints. Made by :meth:`of`.

    Raises:
        ConfigError: where a value is missing, or is none that it can have.
    """

    seed: int  # of everything random; of several seeds the first
    num_seeds: int  # trained in one program: seed, seed + 1, ...
    total_env_steps: int  # of each seed; rounded down to whole rounds
    evaluation: EvaluationSettings
    checkpoint: CheckpointSettings
    examples: ExampleSettings
    logger: LoggerSettings
    demos: str | None = None  # a file of demonstrations, or minari:DATASET-ID; None where nobody learns from any
    demonstrations: DemonstrationSettings = field(default_factory=DemonstrationSettings)
    pretrain: PretrainSettings = field(default_factory=PretrainSettings)
    trust: tuple[str, ...] = ()  # packages whose classes another run's folder may name, when this run reads it
    video: bool = True  # record the final policy
    report: bool = True  # write report.html
    record: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)
    """The whole configuration, only to be written: into checkpoints, and for wandb."""

    def __post_init__(self) -> None:
        _check(self, "", at_least_one=("num_seeds", "total_env_steps"))
        require(self.seed >= 0, f"seed={self.seed} must be at least 0.")

    @property
    def seeds(self) -> range:
        """All seeds of the run."""
        return range(self.seed, self.seed + self.num_seeds)

    @staticmethod
    def of(config: Mapping[str, Any]) -> "Settings":
        """The settings that a configuration of plain values holds; it is also their ``record``."""
        sections = {name: _section(kind, config[name], name) for name, kind in SECTIONS.items() if config.get(name)}
        plain = {name: value for name, value in config.items() if name not in SECTIONS}
        return _section(
            Settings, {**plain, **sections, "trust": trusted_packages(config.get("trust")), "record": config}
        )


SECTIONS: dict[str, type] = {
    "evaluation": EvaluationSettings,
    "checkpoint": CheckpointSettings,
    "examples": ExampleSettings,
    "logger": LoggerSettings,
    "demonstrations": DemonstrationSettings,
    "pretrain": PretrainSettings,
}
"""The keys of a configuration that hold keys of their own."""


@dataclass(frozen=True, kw_only=True)
class StudySettings:
    """The runs that a study compares, and how large they are."""

    size: str  # the key of ``sizes`` that is run
    sizes: Mapping[str, Sequence[str]]  # size -> overrides of every arm
    arms: Mapping[str, Any]  # name -> overrides and arms to extend; none where the study computes what it judges

    @staticmethod
    def of(config: Mapping[str, Any]) -> "StudySettings":
        """The settings of the study that a configuration of plain values holds."""
        return StudySettings(size=config["size"], sizes=config["sizes"] or {}, arms=config["arms"] or {})


def _section(kind: type[Section], values: Mapping[str, Any], place: str = "") -> Section:
    """A settings class from the keys that belong to it; a list becomes a tuple."""
    require(isinstance(values, Mapping), f"{place}={values} must hold keys and values.")
    known = [one for one in fields(kind) if one.name in values]  # type: ignore[arg-type]
    lacking = [
        one.name
        for one in fields(kind)  # type: ignore[arg-type]
        if one.name not in values and one.default is MISSING and one.default_factory is MISSING
    ]
    require(not lacking, f"The configuration has no {'.'.join([place, *lacking[:1]]).lstrip('.')}.")
    given = {one.name: values[one.name] for one in known}
    return kind(**{name: tuple(one) if isinstance(one, list) else one for name, one in given.items()})


def _check(settings: Any, group: str, at_least_one: Sequence[str] = ()) -> None:
    """Refuse a field of another type than is declared, and a count of nothing."""
    for name in at_least_one:
        value = getattr(settings, name)
        good = (type(value) is int and value > 0) or value is None
        require(good, f"{f'{group}.{name}'.lstrip('.')}={value} must be a whole number of at least 1.")
    check_fields(settings, group)
