"""The trials of a search in Optuna's journal, which all workers share: each is trained by one worker, and counts once.

A worker that takes a trial holds the trial's lock, which the process of its run inherits. A trial that is unfinished
and whose lock is free belongs to a worker that is dead: whoever sees it first takes it over.
"""

import math
import random
import warnings
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, Trial, TrialState

from rl_rewards.core.errors import FolderInUse
from rl_rewards.core.files import locked, locked_within
from rl_rewards.searching.plan import SearchPlan
from rl_rewards.searching.pruning import judged
from rl_rewards.searching.space import Dimension, size

JOURNAL, LOCKS, TRIALS, ASKING = "journal.log", "locks", "trials", "search.lock"
DUPLICATE, OUTCOME, MEASURE = "duplicate_of", "outcome", "measure"
"""Attributes of trials: the number of the trial with the same configuration, and how the trial ended; of the study: the
measure."""
REPEATED = 10
"""After so many proposals one after another that are known already, a configuration is drawn at random."""
ENUMERATED = 10_000
"""A space of at most so many configurations is listed to find one that is not known."""


@dataclass(frozen=True)
class TrialOutcome:
    """How a trial ended."""

    ended: Literal["finished", "pruned", "failed"]
    why: str = ""  # of pruned and failed ones
    per_seed: Sequence[float] = ()  # the measure at the last evaluation


class Taken:
    """A trial that this process trains; its lock is held until the block ends."""

    def __init__(self, trial: Trial, values: dict[str, Any], folder: Path, lock: int, held: ExitStack) -> None:
        self.trial, self.values, self.folder, self.lock, self._held = trial, values, folder, lock, held

    @property
    def number(self) -> int:
        return self.trial.number

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._held.close()


class Trials:
    """The trials of the search in ``folder``.

    Raises:
        ConfigError: when the folder holds another search.
    """

    def __init__(self, plan: SearchPlan, folder: Path) -> None:
        self.plan, self.folder = plan, folder
        (folder / LOCKS).mkdir(parents=True, exist_ok=True)
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        warnings.filterwarnings("ignore", module=r"optuna\.")
        with one_at_a_time(folder):
            self.study = optuna.create_study(
                storage=JournalStorage(JournalFileBackend(str(folder / JOURNAL))),
                pruner=_pruner(plan),
                study_name="search",
                direction="maximize",
                load_if_exists=True,
            )

    def take(self) -> Taken | Literal["wait"] | None:
        """Return a trial to train; "wait" if only other workers' trials are left, and None if all are finished."""
        with one_at_a_time(self.folder):
            self._settle_duplicates()
            for one in self.own():
                orphan = None if one.state.is_finished() else self._claimed(Trial(self.study, one._trial_id))
                if orphan is not None:
                    return orphan
            if len(self.own()) < self.plan.trials and (fresh := self._fresh()) is not None:
                return fresh
            self._settle_duplicates()
            return "wait" if any(not one.state.is_finished() for one in self.all()) else None

    def all(self) -> list[FrozenTrial]:
        """Return every trial that was proposed, oldest first."""
        return [one for one in self.study.get_trials(deepcopy=False) if one.state != TrialState.WAITING]

    def own(self) -> list[FrozenTrial]:
        """Return the trials that are no duplicates of others."""
        return [one for one in self.all() if DUPLICATE not in one.user_attrs]

    def best(self) -> FrozenTrial | None:
        """Return the finished trial with the highest value, of equal ones the first; None if none has finished."""
        finished = [one for one in self.own() if one.state == TrialState.COMPLETE]
        return max(finished, key=lambda one: one.value or 0.0, default=None)

    def measure(self, proposed: str | None = None) -> str | None:
        """Return the metric that all trials are judged by; the first proposed one stays."""
        if (chosen := self.plan.measure) is not None:
            return chosen
        known = self.study.user_attrs.get(MEASURE)
        if known is None and proposed is not None:
            self.study.set_user_attr(MEASURE, known := proposed)
        return known

    def should_stop(self, taken: Taken, step: int, per_seed: Sequence[float]) -> str:
        """Record the measure at evaluation ``step``, and return why the trial is not worth its time; empty if it is."""
        seen = self.all()[taken.number].intermediate_values
        if step in seen:  # before a worker was killed
            return ""
        value = sum(per_seed) / len(per_seed)
        taken.trial.report(value, step)
        if self.plan.pruning is None:
            return ""
        halved = taken.trial.should_prune()
        others = [one.intermediate_values for one in self.own() if one.number != taken.number]
        return judged(self.plan.pruning, halved, step, per_seed, others)

    def tell(self, taken: Taken, outcome: TrialOutcome) -> bool:
        """Record how a trial ended, and return True; False if that is known already, because it counts once."""
        if self.all()[taken.number].state.is_finished():
            return False
        told = {"ended": outcome.ended, "why": outcome.why, "per_seed": list(outcome.per_seed)}
        taken.trial.set_user_attr(OUTCOME, told)
        if outcome.ended == "finished":
            self.study.tell(taken.trial, sum(outcome.per_seed) / len(outcome.per_seed))
        else:  # a failed one, too: the sampler leaves out Optuna's FAIL, and would propose its like again
            self.study.tell(taken.trial, state=TrialState.PRUNED)
        return True

    def _fresh(self) -> Taken | None:
        """Return a new trial; None if every configuration of the space is known."""
        whole = size(self.plan.space)
        repeated = 0
        while whole is None or len(self.own()) < whole:
            tried = len(self.study.get_trials(deepcopy=False))
            by_chance = repeated >= REPEATED
            self.study.sampler = _sampler("random" if by_chance else self.plan.sampler, tried)
            if by_chance and whole is not None and whole <= ENUMERATED:
                self.study.enqueue_trial(self._unknown(tried))
            if (fresh := self._claimed(self.study.ask())) is not None:
                return fresh
            repeated += 1
        return None

    def _claimed(self, trial: Trial) -> Taken | None:
        """Return the trial with its lock; None if a living process holds it, or the trial turns out a duplicate."""
        held = ExitStack()
        try:
            lock = held.enter_context(locked(self.folder / LOCKS / f"{trial.number}.lock", "", FolderInUse))
        except FolderInUse:
            return None
        values = {key: _suggested(trial, key, one) for key, one in self.plan.space.items()}  # known for one taken over
        digest = self.plan.digest(values)
        twin = next((o.number for o in self.own()[: trial.number] if self._is_twin(o, trial.number, digest)), None)
        if twin is None:
            return Taken(trial, values, self.folder / TRIALS / digest, lock.fileno(), held)
        trial.set_user_attr(DUPLICATE, twin)
        held.close()
        return None

    def _is_twin(self, other: FrozenTrial, number: int, digest: str) -> bool:
        complete = set(self.plan.space) <= set(other.params)  # unless a worker was killed while it proposed
        return other.number < number and complete and self.plan.digest(other.params) == digest

    def _unknown(self, seed: int) -> dict[str, Any]:
        """Return a configuration of a small space that no trial has."""
        known = {self.plan.digest(one.params) for one in self.own() if set(self.plan.space) <= set(one.params)}
        found: list[dict[str, Any]] = [{}]
        for key, one in self.plan.space.items():
            found = [{**values, key: value} for values in found for value in one.values()]
        return random.Random(seed).choice([one for one in found if self.plan.digest(one) not in known])

    def _settle_duplicates(self) -> None:
        """Give each duplicate what its twin has, once that is known."""
        trials = self.study.get_trials(deepcopy=False)
        for one in trials:
            twin = None if one.state.is_finished() else one.user_attrs.get(DUPLICATE)
            if twin is None or not trials[twin].state.is_finished():
                continue
            trial = Trial(self.study, one._trial_id)
            for step, value in trials[twin].intermediate_values.items():
                trial.report(value, step)
            complete = trials[twin].state == TrialState.COMPLETE
            self.study.tell(trial, trials[twin].value if complete else None, trials[twin].state)


@contextmanager
def one_at_a_time(folder: Path) -> Iterator[None]:
    """Wait until no other worker of the search proposes a trial, and keep the others waiting for the block."""
    with locked_within(math.inf, folder / ASKING, "", FolderInUse):
        yield


def _sampler(name: str, seed: int) -> optuna.samplers.BaseSampler:
    """Return a sampler for one proposal: with a seed of its own, the same search proposes the same in any process."""
    if name == "random":
        return optuna.samplers.RandomSampler(seed=seed)
    return optuna.samplers.TPESampler(seed=seed, constant_liar=True)  # trials in progress count as bad ones


def _pruner(plan: SearchPlan) -> optuna.pruners.BasePruner:
    if plan.pruning is None:
        return optuna.pruners.NopPruner()
    return optuna.pruners.SuccessiveHalvingPruner(plan.pruning.first, plan.pruning.factor)


def _suggested(trial: Trial, key: str, one: Dimension) -> Any:
    if one.kind == "choices":
        return trial.suggest_categorical(key, one.choices)
    if one.kind == "integers":
        return trial.suggest_int(key, int(one.low), int(one.high))
    return trial.suggest_float(key, one.low, one.high, log=one.kind == "log_uniform")
