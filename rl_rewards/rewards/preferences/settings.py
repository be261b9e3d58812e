"""The settings of a reward that learns from answers, and their checks."""

from dataclasses import dataclass
from typing import Literal

from rl_rewards.core.checks import check_fields, require
from rl_rewards.models.encoders import is_image
from rl_rewards.rewards.base import READS, JudgesPairs
from rl_rewards.rewards.preferences.acquisition import Acquisition
from rl_rewards.rewards.preferences.answers import KeepsAnswers

MOST_CORRECTIONS = 8
"""People rank and choose clips by the keys 1 to 9."""
MOST_FEATURES = 16
LENGTH = "length"
"""The name of the number of tokens of a response; other names in ``balanced_by`` are numbers in the info."""


@dataclass(frozen=True, kw_only=True)
class PreferenceSettings(KeepsAnswers):
    """The settings; keys and units: configs/reward/preferences.yaml."""

    judges: JudgesPairs
    acquisition: Acquisition
    label_noise: float
    crop: float
    pseudo_weight: float
    pseudo_confidence: float
    pseudo_ratio: int
    batch_size: int
    updates_per_round: int
    unsupervised_rounds: int
    neighbours: int
    early_end: Literal["refuse", "allow"]
    combine: Literal["mean", "min", "less_variance"] = "mean"
    variance_weight: float = 1.0
    balanced_by: str | None = None
    soft_answers: bool = False
    corrections_from: Literal["pushes", "experience"] = "pushes"
    largest_change: float = 2.0

    def __post_init__(self) -> None:
        check_fields(self, "reward")
        self.check_asking()
        self._check_numbers()
        self._check_queries()
        self._check_choices()
        self._check_environment()
        self._check_texts()

    def _check_numbers(self) -> None:
        for name in ("clips", "batch_size", "updates_per_round", "neighbours"):
            require(getattr(self, name) > 0, f"reward.{name}={getattr(self, name)} must be at least 1.")
        require(self.heldout_every > 1, f"reward.heldout_every={self.heldout_every} must be at least 2.")
        require(0 <= self.label_noise < 1, f"reward.label_noise={self.label_noise} must lie in [0, 1).")
        require(0 <= self.crop < 1, f"reward.crop={self.crop} must lie in [0, 1); 0 is off.")
        told = f"reward.pseudo_confidence={self.pseudo_confidence} is a probability; it must lie in [0.5, 1)."
        require(0.5 <= self.pseudo_confidence < 1, told)
        require(self.pseudo_ratio > 0, f"reward.pseudo_ratio={self.pseudo_ratio} must be at least 1.")
        for name in ("pseudo_weight", "unsupervised_rounds", "variance_weight", "length_control"):
            value = getattr(self, name)
            require(value >= 0, f"reward.{name}={value} must be 0 (off) or positive.")

    def _check_queries(self) -> None:
        require(
            self.pseudo_weight == 0 or self.clips == 2,
            f"reward.pseudo_weight={self.pseudo_weight} predicts which of two segments is better; it needs "
            "reward.clips=2.",
        )
        require(
            not self.soft_answers or (self.clips == 2 and self.length_control == 0 and not self.keep_best),
            "reward.soft_answers=true (which labeler.strength=true sets) learns from how much better a segment is; it "
            "needs reward.clips=2, reward.length_control=0 and reward.keep_best=false.",
        )
        require(
            self.answers_from == "labeler" or self.clips == 2,
            f"reward.answers_from={self.answers_from} learns from pairs of responses; it needs reward.clips=2.",
        )
        require(
            not self.keep_best or (self.clips > 1 and (self._given > 0 or self.heldout_every <= self.budget)),
            f"reward.keep_best=true chooses the weights by held-out comparisons; it needs reward.clips of at least 2, "
            f"and a reward.budget of at least reward.heldout_every={self.heldout_every}.",
        )
        require(
            self.combine == "mean" or self.reward_model.ensemble > 1,
            f"reward.combine={self.combine} needs several members; choose reward.reward_model.ensemble=3 or more, or "
            "reward.combine=mean.",
        )
        require(
            self.clips > 1 or self.acquisition == "uniform",
            f"reward.acquisition={self.acquisition} compares segments, but reward.clips=1 asks about one; choose "
            "reward.acquisition=uniform.",
        )
        require(
            (self.acquisition == "balanced") == (self.balanced_by is not None),
            f"reward.acquisition={self.acquisition} and reward.balanced_by={self.balanced_by} do not fit; choose "
            "reward.acquisition=balanced with reward.balanced_by=NAME, or another acquisition with "
            "reward.balanced_by=null.",
        )
        require(
            self.acquisition != "balanced" or self.candidates > 1,
            f"reward.acquisition=balanced chooses among candidates; reward.candidates={self.candidates} must be at "
            "least 2.",
        )

    def _check_choices(self) -> None:
        """Check corrections and descriptions."""
        require(
            1 <= self.corrections <= MOST_CORRECTIONS,
            f"reward.corrections={self.corrections} must be 1 to {MOST_CORRECTIONS}, so that people can compare them.",
        )
        require(self.largest_change > 0, f"reward.largest_change={self.largest_change} must be positive.")
        if not self.chooses:
            return
        compares = {
            "clips=2": self.clips == 2,
            "pseudo_weight=0": self.pseudo_weight == 0,
            "soft_answers=false": not self.soft_answers,
            "balanced_by=null": self.balanced_by is None,
            "answers_from=labeler": self.answers_from == "labeler",
        }
        wrong = [f"reward.{name}" for name, right in compares.items() if not right]
        require(
            not wrong,
            f"reward.answers={self.answers} asks about one segment and its alternatives, not about segments to "
            f"compare; it needs {' and '.join(wrong)}.",
        )
        require(
            self.spec.text is None and not is_image(self.spec.obs) and len(self.spec.obs.shape) == 1,
            f"reward.answers={self.answers} is for observations that are vectors, and not for those of "
            f"{self.spec.name}; choose reward.answers=comparisons.",
        )
        require(
            self.answers != "corrections" or self.corrections_from != "pushes" or not self.spec.ends_early,
            f"Episodes of {self.spec.name} can end early, so that pushes may lead beyond their end; choose "
            "reward.corrections_from=experience.",
        )
        names, known = self.features, self.spec.obs_names
        require(
            self.answers != "descriptions"
            or ((len(names) > 0 and len(set(names)) == len(names) <= MOST_FEATURES) and set(names) <= set(known)),
            f"reward.described={None if self.described is None else list(self.described)} must be null or 1 to "
            f"{MOST_FEATURES} different features of {self.spec.name}'s observations: "
            f"{', '.join(known) or 'none is named'}.",
        )

    def _check_environment(self) -> None:
        require(not is_image(self.spec.obs), "reward=preferences needs vectors; choose observations without pictures.")
        require(
            self.early_end == "allow" or not self.spec.ends_early,
            f"Episodes of {self.spec.name} can end early, so that their length leaks into the reward; accept it with "
            "reward.early_end=allow.",
        )
        require(
            self.answers_from == "labeler" or self._given > 0,
            f"reward.answers_from={self.answers_from} learns from responses that a file compares, and {self.spec.name} "
            "has none; choose env=text_prompts env.path=FILE.jsonl with chosen and rejected in some lines, or "
            "reward.answers_from=labeler.",
        )
        lengths = [] if self.spec.text is None else [LENGTH]
        found = [*lengths, *(name for name, shape in self.spec.info.items() if shape == ())]
        require(
            self.balanced_by is None or self.balanced_by in found,
            f"reward.balanced_by={self.balanced_by} is not a feature of {self.spec.name}'s segments; choose from "
            f"{', '.join(found) or 'none'}.",
        )

    def _check_texts(self) -> None:
        require(
            self.spec.text is None
            or (self.pseudo_weight == 0 and self.unsupervised_rounds == 0 and self.acquisition != "k_center"),
            "reward.pseudo_weight, reward.unsupervised_rounds and reward.acquisition=k_center are for numbers, and "
            f"{self.spec.name} has texts; choose 0, 0 and another acquisition.",
        )
        require(
            self.length_control == 0 or (self.spec.text is not None and self.clips > 1),
            f"reward.length_control={self.length_control} is for comparisons of texts, and not for "
            f"{self.spec.name} with reward.clips={self.clips}; choose 0.",
        )
        require(
            "next_obs" in READS[self.judges] or (self.length_control == 0 and self.balanced_by != LENGTH),
            f"reward.judges={self.judges} does not see responses, whose length reward.length_control and "
            "reward.balanced_by=length need; choose reward.judges=next_obs.",
        )
