"""The settings of a run besides its parts, as immutable classes of plain values that check themselves.

``loop.build`` makes them from the composed configuration, which no other code sees. A default in a class applies to
runs that were saved before the key existed; the defaults of new runs are in ``configs/config.yaml``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, Literal, TypeVar

from rl_rewards.core.checks import check_fields, require
from rl_rewards.loop.trust import trusted_packages

Section = TypeVar("Section")


@dataclass(frozen=True, kw_only=True)
class DemonstrationSettings:
    """The choice among the given demonstrations (the key ``demonstrations``)."""

    episodes: int | None = None  # how many, drawn at random by the seed; None: all
    every: int = 1  # one of every so many steps is kept

    def __post_init__(self) -> None:
        _check(self, "demonstrations", at_least_one=("episodes", "every"))


@dataclass(frozen=True, kw_only=True)
class ExampleSettings:
    """Examples of states inside and outside the goal set, for rewards that learn from them (the key ``examples``)."""

    goals: int  # number of goals to record
    non_goals: int  # number of other states to record
    path: str | None  # an .npz file with the examples; None: record them in the environment
    heldout_share: float  # share of the goals, in (0, 1), that are never trained on
    last_steps: int | None = None  # goals: the states that the last so many steps of each demonstration reached
    mistaken_share: float = 0.0  # probability that an example to train on changes places with one of the other kind

    def __post_init__(self) -> None:
        _check(self, "examples", at_least_one=("goals", "non_goals", "last_steps"))
        share = self.mistaken_share
        require(0.0 <= share < 1.0, f"examples.mistaken_share={share} must lie in [0, 1); 0 is off.")


@dataclass(frozen=True, kw_only=True)
class EvaluationSettings:
    """The frequency and size of evaluations (the key ``evaluation``)."""

    every: int  # rounds between two evaluations; the first and the last round are always evaluated
    episodes: int  # episodes of the stochastic policy, and again as many of its mode
    selects: Literal["auto", "best", "none"] = "auto"
    """With ``best``, evaluations choose the policy that is kept; with ``none``, they only measure; see loop.best."""

    def __post_init__(self) -> None:
        _check(self, "evaluation", at_least_one=("every", "episodes"))


@dataclass(frozen=True, kw_only=True)
class CheckpointSettings:
    """The frequency and number of checkpoints (the key ``checkpoint``)."""

    every: int  # rounds between two checkpoints; the last round is always saved
    keep: int  # how many of the newest are kept
    best: str | None = "auto"  # the criterion of the best evaluation; see loop.best.best_choice

    def __post_init__(self) -> None:
        _check(self, "checkpoint", at_least_one=("every", "keep"))


@dataclass(frozen=True, kw_only=True)
class PretrainSettings:
    """The run whose policy this one begins with, or a file of pretrained weights (the key ``pretrain``)."""

    run: str | None = None  # its folder, perhaps with @best, or the file; None: begin with a new policy
    part: str | None = None  # the player, in a run of two players; None: both
    seed: int | None = None  # the seed, in a run of several; None: each seed its own

    def __post_init__(self) -> None:
        _check(self, "pretrain")
        require(self.run is not None or self.part is None, f"pretrain.part={self.part} needs pretrain=RUN_DIR.")


@dataclass(frozen=True, kw_only=True)
class PlacementSettings:
    """The devices that a run uses (the key ``placement``)."""

    platform: Literal["auto", "cpu", "gpu", "tpu"] = "auto"  # the kind of devices; auto: the kind that JAX prefers
    devices: int | Literal["auto"] = "auto"  # among which the seeds are divided; auto: as many as divide num_seeds

    def __post_init__(self) -> None:
        devices = self.devices
        good = devices == "auto" or (type(devices) is int and devices > 0)
        require(good, f"placement.devices={devices} must be auto or a whole number of at least 1.")
        _check(self, "placement")


@dataclass(frozen=True, kw_only=True)
class LoggerSettings:
    """Where rows are logged besides metrics.jsonl (the key ``logger``): the keys of all chosen loggers together.

    Those of Weights & Biases have the names of ``wandb.init``; it is off unless ``mode`` is given.
    """

    csv: bool = False  # write metrics.csv
    tensorboard: bool = False  # write event files of TensorBoard
    mode: Literal["disabled", "offline", "online"] = "disabled"
    project: str = "rl_rewards"
    entity: str | None = None  # a user or a team; None: the account's default
    group: str | None = None  # None: one group for runs that differ only in their seeds
    job_type: str = "train"
    tags: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _check(self, "logger")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The settings of a run besides its parts: budget, seeds, evaluation and checkpoints; :meth:`of` makes them.

    Raises:
        ConfigError: when a value is missing or not valid.
    """

    seed: int  # the seed of all randomness; with several seeds, the first
    num_seeds: int  # number of seeds trained in one program: seed, seed + 1, ...
    total_env_steps: int  # for each seed; rounded down to whole rounds
    evaluation: EvaluationSettings
    checkpoint: CheckpointSettings
    examples: ExampleSettings
    logger: LoggerSettings
    demos: str | None = None  # a file, or minari:DATASET-ID; None: no demonstrations
    demonstrations: DemonstrationSettings = field(default_factory=DemonstrationSettings)
    pretrain: PretrainSettings = field(default_factory=PretrainSettings)
    placement: PlacementSettings = field(default_factory=PlacementSettings)
    trust: tuple[str, ...] = ()  # packages whose classes may be loaded from another run's folder
    keep_replay: bool = False  # write every step that the run collects to replay.npz, at its end
    record_episodes: int = 0  # episodes of the final policy to write to episodes.npz, at the end of the run
    record_corrections_after: int | None = None  # env steps after which an expert takes over a recorded episode
    video: bool = True  # record the final policy
    report: bool = True  # write report.html
    record: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)
    """The whole configuration, which is only written to checkpoints and to wandb."""

    def __post_init__(self) -> None:
        _check(self, "", at_least_one=("num_seeds", "total_env_steps", "record_corrections_after"))
        require(self.seed >= 0, f"seed={self.seed} must be at least 0.")
        wanted = self.record_episodes
        require(wanted >= 0, f"record_episodes={wanted} must be at least 0; with 0, no episodes are recorded.")
        after = self.record_corrections_after
        require(
            after is None or wanted > 0,
            f"record_corrections_after={after} corrects recorded episodes, and record_episodes=0 records none; choose "
            "record_episodes=N too.",
        )

    @property
    def seeds(self) -> range:
        """The seeds of the run."""
        return range(self.seed, self.seed + self.num_seeds)

    @staticmethod
    def of(config: Mapping[str, Any]) -> "Settings":
        """Return the settings in a configuration of plain values, which also becomes their ``record``."""
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
    "placement": PlacementSettings,
}
"""The keys of a configuration that have a settings class of their own."""


@dataclass(frozen=True, kw_only=True)
class StudySettings:
    """The runs that a study compares, and their size."""

    size: str  # the chosen key of ``sizes``
    sizes: Mapping[str, Sequence[str]]  # size -> overrides for every arm
    arms: Mapping[str, Any]  # name -> overrides and arms to extend; empty if the study needs no runs
    shared: Sequence[str] = ()  # names of the arms whose folders other studies use too

    @staticmethod
    def of(config: Mapping[str, Any]) -> "StudySettings":
        """Return the settings of the study in a configuration of plain values."""
        return StudySettings(
            size=config["size"],
            sizes=config["sizes"] or {},
            arms=config["arms"] or {},
            shared=tuple(config.get("shared") or ()),
        )


def _section(kind: type[Section], values: Mapping[str, Any], place: str = "") -> Section:
    """Return a settings class with the values of its keys; a list becomes a tuple."""
    require(isinstance(values, Mapping), f"{place}={values} must be a mapping of keys to values.")
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
    """Refuse fields of a wrong type, and counts below 1."""
    for name in at_least_one:
        value = getattr(settings, name)
        good = (type(value) is int and value > 0) or value is None
        require(good, f"{f'{group}.{name}'.lstrip('.')}={value} must be a whole number of at least 1.")
    check_fields(settings, group)
