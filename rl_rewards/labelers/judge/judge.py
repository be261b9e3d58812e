"""The judge of one seed: threads send its queries, and its answers go through the run's label store."""

import queue
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np

from rl_rewards.core.errors import TrainingFailed
from rl_rewards.core.queries import NOBODY, Labels, Query
from rl_rewards.core.types import Transition
from rl_rewards.labelers.base import Assignment
from rl_rewards.labelers.judge.asker import Asker, CapReached, Interrupted, JudgeFailed
from rl_rewards.labelers.judge.descriptions import in_frames, in_words
from rl_rewards.labelers.judge.journal import JOURNAL_NAME, Journal
from rl_rewards.labelers.judge.judgement import Judgement, by_asking, by_comparing, by_progress, by_rating
from rl_rewards.labelers.judge.prompts import Description, constitution
from rl_rewards.labelers.judge.reliability import LEAST_QUERIES, main_reason, reliability_warnings, remedy
from rl_rewards.labelers.judge.samples import Samples
from rl_rewards.labelers.judge.settings import JudgeSettings
from rl_rewards.labelers.records import MOST_LETTERS
from rl_rewards.labelers.stored import StoredLabeler

GRACE_SECONDS = 5.0
"""The longest wait of a stopping run for replies to requests already sent, because they cost money."""


class _Task(NamedTuple):
    query: int
    told: list[Description]


class Judge(StoredLabeler):
    """The judge of one seed: ``submit`` describes the segments, threads ask, and the store receives the answers."""

    def __init__(self, settings: JudgeSettings, assignment: Assignment) -> None:
        self._settings, self._stopping = settings, threading.Event()
        self._law = constitution(settings.task or "", settings.principles, assignment.passage is not None)
        connection = settings.connection()
        super().__init__(assignment)
        self._journal = Journal(assignment.folder / JOURNAL_NAME, assignment.seed)
        self._asker = Asker(connection, settings.limits(), self._journal, self._stopping)
        self._lock = threading.RLock()  # protects the pending tasks, and what is written about them
        self._pending: dict[int, _Task] = {}
        self._withheld: dict[int, Judgement] = {}  # refusals of pending tasks, kept here until the first answer
        self._todo: queue.SimpleQueue[_Task | None] = queue.SimpleQueue()
        self._failure: Exception | None = None
        self._capped: str | None = None
        self._news: list[str] = []
        self._doubted = False  # warn only once
        self._probabilities: dict[int, float] = {}
        self._take_up(self._journal.tasks())
        self._threads = [threading.Thread(target=self._work, daemon=True) for _ in range(settings.parallel)]
        for thread in self._threads:
            thread.start()

    def submit(self, query: Query, round: int) -> None:
        ids = np.asarray(query.id)
        tasks = {}
        for row in np.flatnonzero(ids != NOBODY):
            clips = [jax.tree.map(lambda x, at=(row, k): np.asarray(x)[at], query.segments) for k in range(self._clips)]
            tasks[int(ids[row])] = [self._tell(clip) for clip in clips]
        with self._lock:
            self._journal.remember(tasks)  # first, because a query in the store without a task could not be asked
            super().submit(query, round)
            self._take_up(tasks)

    def open(self, round: int) -> int:
        """Return the number of pending queries.

        Raises:
            TrainingFailed: when the judge has failed for good.
        """
        del round  # all pending queries, of this process or from the journal, are waited for
        self._raise_failure()
        return len(self._pending)

    def collect(self, round: int) -> Labels:
        self._raise_failure()
        return super().collect(round)

    def metrics(self) -> dict[str, float]:
        totals = self._journal.totals()
        found = {
            "calls": totals.calls, "tokens": totals.tokens, "seconds": totals.seconds, "refused": totals.refused,
        }  # fmt: skip
        if (agreeing := self._journal.self_consistency()) is not None:
            found["self_consistency"] = agreeing
        if self._settings.mode == "pairwise" and self.assignment.question != "success":
            found["flip_rate"] = totals.flips / max(totals.pairs, 1)
        return {f"labeler/{name}": float(value) for name, value in found.items()}

    def news(self) -> list[str]:
        capped = self._capped is not None  # the message about the cap is enough
        if (
            not self._doubted
            and not capped
            and (found := reliability_warnings(self.assignment.seed, self._journal.totals()))
        ):
            self._doubted = True
            self._news += [f"Warning: {doubt}" for doubt in found]
        told, self._news = self._news, []
        return told

    def probabilities(self) -> dict[int, float]:
        """Return query id -> P(first is better), for the pairs judged since this labeler was created."""
        with self._lock:
            return dict(self._probabilities)

    def close(self) -> None:
        """Wait GRACE_SECONDS at most for outstanding replies; a resumed run asks the remaining queries."""
        self._stopping.set()
        for _ in self._threads:
            self._todo.put(None)
        for thread in self._threads:
            thread.join(GRACE_SECONDS / len(self._threads))
        self._asker.close()
        with self._lock:
            self._journal.close()
            super().close()

    @property
    def _clips(self) -> int:
        return self.assignment.clips

    @property
    def _tell(self) -> Callable[[Transition], Description]:
        if self._settings.show == "frames":
            return partial(in_frames, assignment=self.assignment, frames=self._settings.frames)
        return partial(in_words, assignment=self.assignment)

    def _take_up(self, tasks: dict[int, list[Description]]) -> None:
        """Queue the tasks whose queries have no answer and are not pending already."""
        unanswered = self.store.unanswered(self.run, self.assignment.seed)
        with self._lock:
            for query, told in tasks.items():
                task = _Task(query, told)
                if query in unanswered and self._pending.get(query) != task:
                    self._pending[query] = task
                    self._withheld.pop(query, None)  # that refusal was about other segments
                    self._todo.put(task)

    def _work(self) -> None:
        while (task := self._todo.get()) is not None and not self._stopping.is_set():
            try:
                verdict = self._judged(task)
                with self._lock:
                    if self._pending.get(task.query) is task:  # otherwise the query has new segments and is asked again
                        self._take(task.query, verdict)
            except Interrupted:
                return
            except Exception as error:  # of any kind: the training thread raises it
                self._failure = error
                self._stopping.set()
                return

    def _judged(self, task: _Task) -> Judgement:
        settings = self._settings
        ask = Samples(self._asker, settings.samples)
        try:
            if self.assignment.question == "success":
                verdict = by_asking(task.told, self._law, ask)
            elif settings.mode == "pointwise":
                verdict = by_rating(task.told, self._law, ask)
            elif settings.mode == "progress":
                verdict = by_progress(task.told, self._law, ask)
            else:
                verdict = by_comparing(task.told, self._law, ask, settings.on_flip)
            return verdict._replace(agreeing=ask.agreeing)
        except CapReached as cap:
            with self._lock:
                if self._capped is None:
                    self._capped = str(cap)
                    self._news.append(
                        f"The judge of seed {self.assignment.seed} has reached {cap}: no more requests are sent, and "
                        "unanswered queries are refused."
                    )
            return Judgement(None, refused=str(cap))

    def _take(self, query: int, verdict: Judgement) -> None:
        """Store a judgement.

        Until the first answer, refusals are only stored once no query is pending. A judge that answers no query at all
        stops the run; the resumed run asks the same queries again, after the user has solved the problem.
        """
        self._withheld[query] = verdict
        if verdict.scores is None and not (totals := self._journal.totals()).answered:
            if len(self._withheld) < len(self._pending):
                return
            totals.reasons.update(str(one.refused) for one in self._withheld.values())
            if len(self._withheld) > 1 or totals.refused >= min(LEAST_QUERIES, self.assignment.budget):
                raise JudgeFailed(
                    f"has answered none of the first {totals.refused} queries ({main_reason(totals)}). "
                    f"{remedy(totals)} The run stops, because its reward would learn nothing"
                )
        for one, of_it in self._withheld.items():
            self._write_down(one, of_it)
        self._withheld.clear()

    def _write_down(self, query: int, verdict: Judgement) -> None:
        self._journal.judged(query, verdict.pairs, verdict.flips, verdict.refused)
        if verdict.agreeing is not None:
            self._journal.sampled(query, verdict.agreeing)
        name = Path(self._settings.model).name[-MOST_LETTERS:]
        self.store.record(self.run, self.assignment.seed, name, "judge", {query: verdict.scores})
        if verdict.probability is not None:
            self._probabilities[query] = verdict.probability
        del self._pending[query]

    def _raise_failure(self) -> None:
        if isinstance(self._failure, JudgeFailed):
            raise TrainingFailed(
                f"The judge {self._settings.model} at {self._settings.base_url} {self._failure}. Every answer so far "
                f"is kept, and resume={self.assignment.folder} goes on from there."
            ) from self._failure
        if self._failure is not None:
            raise self._failure
