"""A worker: it takes trials and trains them until none is left. Any number may work on a folder that they share."""

import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from rl_rewards.core.errors import Stopped, TrainingFailed
from rl_rewards.core.seed_rows import Row
from rl_rewards.core.words import digits
from rl_rewards.searching.plan import SearchPlan
from rl_rewards.searching.trial_run import RUN, Follower, is_evaluation, measure_of, per_seed, run_trial
from rl_rewards.searching.trials import OUTCOME, Taken, TrialOutcome, Trials

WAITED = 1.0  # seconds between looks at trials that other workers train
MOST_FAILED = 8
"""So many failed trials without a finished one end the search: its overrides cannot be right."""


class Worker:
    """Trains trials of the search in ``folder``.

    Args:
        say: is given every line of progress.
        stopping: returns the name of the signal that asks this process to stop, or None.
        command: a run's; the tests have a cheaper one.
    """

    def __init__(
        self,
        plan: SearchPlan,
        folder: Path,
        say: Callable[[str], None],
        stopping: Callable[[], str | None],
        command: Sequence[str] = RUN,
    ) -> None:
        self.plan, self.trials = plan, Trials(plan, folder)
        self._say, self._stopping, self._command = say, stopping, tuple(command)

    def work(self) -> None:
        """Train trials until all of the search are finished, also those whose worker is dead.

        Raises:
            Stopped: when the process was asked to stop; everything is saved.
            TrainingFailed: when the first trials have all failed.
        """
        while (taken := self.trials.take()) is not None:
            if (name := self._stopping()) is not None:
                raise Stopped(f"Stopped by {name}, with everything saved; the same command goes on.")
            if taken == "wait":
                time.sleep(WAITED)
                continue
            with taken:
                outcome = self._trained(taken)
                if self.trials.tell(taken, outcome):
                    self._say(self._told(taken, outcome))
            self._check_failures()

    def _trained(self, taken: Taken) -> TrialOutcome:
        """Train the trial to its end, or until it is not worth its time."""
        watched = Watched(self.trials, taken, self.plan.seeds.count)
        command = [*self._command, *self.plan.of_trial(taken.values)]
        end = run_trial(command, taken.folder, taken.lock, watched.look, self._stopping)
        if end.failed or watched.failed:
            return TrialOutcome("failed", end.failed or watched.failed, watched.last)
        if end.pruned:
            return TrialOutcome("pruned", end.pruned, watched.last)
        return finished(taken.folder, self.trials.measure(), self.plan.seeds.count)

    def _told(self, taken: Taken, outcome: TrialOutcome) -> str:
        best, of = self.trials.best(), f"trial {taken.number + 1}"
        if outcome.ended != "finished":
            return f"{of}: {outcome.ended}, {outcome.why}"
        value = digits(sum(outcome.per_seed) / len(outcome.per_seed))
        standing = "" if best is None else f" (best: {digits(best.value)}, trial {best.number + 1})"
        return f"{of}: {self.trials.measure()} {value}{standing}"

    def _check_failures(self) -> None:
        ended = [one.user_attrs[OUTCOME] for one in self.trials.own() if OUTCOME in one.user_attrs]
        failed = [one for one in ended if one["ended"] == "failed"]
        if len(failed) == len(ended) >= MOST_FAILED:
            why = failed[-1]["why"]
            raise TrainingFailed(f"The first {len(failed)} trials have all failed, the last because: {why}")


class Watched:
    """Looks at the evaluations of one trial while it trains.

    Attributes:
        failed: why the trial counts as failed; empty if it does not.
        last: the measure of each seed at the last evaluation.
    """

    def __init__(self, trials: Trials, taken: Taken, seeds: int) -> None:
        self._trials, self._taken, self._seeds = trials, taken, seeds
        self._rounds: list[int] = []  # in which evaluations took place
        self.failed, self.last = "", list[float]()

    def look(self, rows: Sequence[Row]) -> str:
        """Return why the trial shall stop after these new rows; empty if it shall go on."""
        for row in rows:
            if not is_evaluation(row) or row["round"] in self._rounds:
                continue
            self._rounds.append(row["round"])
            measure = self._trials.measure(measure_of(row))
            self.last = per_seed(row, measure, self._seeds) if measure else []
            self.failed = not_a_number(measure, self.last)
            if self.failed:
                return self.failed
            if why := self._trials.should_stop(self._taken, len(self._rounds), self.last):
                return why
        return ""


def finished(folder: Path, measure: str | None, seeds: int) -> TrialOutcome:
    """Return the outcome of the finished run in ``folder``, at its last evaluation."""
    evaluated = [row for row in Follower(folder / "metrics.jsonl").new_rows() if is_evaluation(row)]
    found = per_seed(evaluated[-1], measure, seeds) if evaluated and measure else []
    why = not_a_number(measure, found)
    return TrialOutcome("failed" if why else "finished", why, found)


def not_a_number(measure: str | None, values: Sequence[float]) -> str:
    """Return what is wrong with the measure of each seed; empty if all are finite."""
    if not values:
        return "it was not evaluated by any measure of a search"
    wrong = sum(not math.isfinite(one) for one in values)
    return f"{measure} is not a number in {wrong} of {len(values)} seeds" if wrong else ""
