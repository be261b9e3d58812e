"""``labeler=rules``: principles that are bound to transparent scorers, instead of a language model that reads them.

The score of a segment is the sum over rules of weight * min(value, most). A rule's value is a feature of the segment
(:mod:`~rl_rewards.labelers.nuisance`), a number in the environment's info, or how often a response says one of some
words. The answers are no judgement: they say what the rules say, and miss whatever no rule counts.
"""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

import jax
import numpy as np
from jaxtyping import Float

from rl_rewards.core.checks import check_fields, require
from rl_rewards.core.queries import Query
from rl_rewards.core.requirements import Requirements
from rl_rewards.core.types import Transition
from rl_rewards.labelers.at_once import AtOnce
from rl_rewards.labelers.base import Assignment, Labeling, responses_of
from rl_rewards.labelers.nuisance import feature, names_of, read_for


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A principle, and the number that stands for it."""

    principle: str
    weight: float
    of: str | None = None  # a feature or a number in info
    words: tuple[str, ...] = ()  # or words and phrases that are counted
    most: float = math.inf  # a larger value counts as this one

    def value(self, segments: Transition, assignment: Assignment) -> Float[np.ndarray, " K"]:
        """Return the weighted value of each of K segments, numpy leaves [K, L, ...]."""
        if self.of is not None:
            found = feature(self.of, assignment.spec, segments)
        else:
            found = np.array([float(len(self._pattern.findall(text))) for text in responses_of(segments, assignment)])
        return self.weight * np.minimum(found, self.most)

    @property
    def _pattern(self) -> re.Pattern[str]:
        """A pattern of whole words, in any case."""
        return re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, self.words))})(?!\w)", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class WrittenRules(Labeling):
    """Keys and units: configs/labeler/rules.yaml."""

    rules: Mapping[str, Mapping[str, Any]]

    def __post_init__(self) -> None:
        check_fields(self, "labeler")
        known = {field.name for field in fields(Rule)}
        for name, rule in self.rules.items():
            place = f"labeler.rules.{name}"
            require(
                isinstance(rule, Mapping), f"{place}={rule} must be a mapping, such as {{principle: ..., of: length}}."
            )
            strange = [key for key in rule if key not in known]
            require(not strange, f"{place} has {', '.join(strange)}; a rule has {', '.join(sorted(known))}.")
            told = bool(rule.get("principle")) and isinstance(rule["principle"], str)
            require(told, f"{place}.principle must say in words what the rule stands for.")
            for key in ("weight", "most"):
                number = rule.get(key, 1.0)
                right = isinstance(number, int | float) and not isinstance(number, bool) and not math.isnan(number)
                require(right, f"{place}.{key}={number} must be a number.")
            require("weight" in rule, f"{place} has no weight; choose one, negative for what should be avoided.")
            words = rule.get("words") or []
            right = isinstance(words, list | tuple) and all(isinstance(word, str) and word.strip() for word in words)
            require(right, f"{place}.words={words} must be a list of words.")
            require(
                (rule.get("of") is None) == bool(words),
                f"{place} needs either of=FEATURE or words=[...], and not both.",
            )
        require(len(self.rules) > 0, "labeler.rules is empty; write at least one rule.")

    @property
    def parsed(self) -> tuple[Rule, ...]:
        return tuple(Rule(**{**rule, "words": tuple(rule.get("words") or ())}) for rule in self.rules.values())

    @property
    def requirements(self) -> Requirements:
        reads = [read_for(rule.of) for rule in self.parsed if rule.of is not None]
        return Requirements(reads=tuple(dict.fromkeys(["obs", "action", *(name for one in reads for name in one)])))

    def make(self, assignment: Assignment) -> "RuleFollower":
        """Return the labeler of one seed.

        Raises:
            ConfigError: when a rule is about something that the environment's segments do not have.
        """
        spec = assignment.spec
        require(
            assignment.question != "success",
            "labeler=rules scores segments, but this reward asks whether the task is done; choose reward.queries=0 or "
            "another labeler.",
        )
        for name, rule in zip(self.rules, self.parsed, strict=True):
            require(
                rule.of is None or rule.of in names_of(spec),
                f"labeler.rules.{name}.of={rule.of} is not a feature of {spec.name}'s segments; choose from "
                f"{', '.join(names_of(spec)) or 'none'}.",
            )
            require(
                rule.of is not None or assignment.passage is not None,
                f"labeler.rules.{name}.words counts words, and {spec.name} has no texts; choose of=FEATURE.",
            )
        return RuleFollower(self.parsed, assignment)


class RuleFollower(AtOnce):
    """The rules of one seed. It says once that it is no language model."""

    def __init__(self, rules: tuple[Rule, ...], assignment: Assignment) -> None:
        super().__init__(assignment)
        self._rules, self._told = rules, False

    def answers(self, query: Query, rows: np.ndarray) -> Iterable[tuple[Float[np.ndarray, " K"], int]]:
        """Yield the sums of the rules' values, with rater 0."""
        for row in rows:
            segments = jax.tree.map(lambda x, row=row: np.asarray(x)[row], query.segments)
            yield np.sum([rule.value(segments, self.assignment) for rule in self._rules], axis=0), 0

    def news(self) -> list[str]:
        if self._told:
            return []
        self._told = True
        return [
            f"Seed {self.assignment.seed} is labelled by {len(self._rules)} written rules, not by a language model or "
            "a person: what no rule counts makes no difference."
        ]
