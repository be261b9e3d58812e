"""The calls that a run makes to a label store, which is a file (store.py) or behind a server (remote.py)."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence

from rl_rewards.labelers.instructions import Instructions
from rl_rewards.labelers.records import Absorbed, Clip, NewQuery, Source


class RunStore(ABC):
    """The calls of a run to its label store.

    Every call may be repeated with the same arguments, and then changes nothing, so that a run whose connection broke,
    or that was killed, does the same again.
    """

    @abstractmethod
    def describe(self, run: str, told: Instructions) -> None:
        """Store what people are told about the questions of ``run``; later instructions replace earlier ones."""

    @abstractmethod
    def set_budget(self, run: str, seed: int, labels: int) -> None:
        """Allow at most ``labels`` answers with scores for this run and seed; repeats and refusals do not count."""

    @abstractmethod
    def submit(self, queries: Sequence[NewQuery], clips: Iterable[Clip]) -> None:
        """Add ``queries`` about ``clips``. Adding the same query again does nothing.

        A query with an old id but other clips (from a resumed run whose environment could not be restored) supersedes
        the old query and its answer, which no round receives any more, because its segments no longer exist.
        """

    @abstractmethod
    def record(
        self, run: str, seed: int, labeler: str, source: Source, answers: Mapping[int, Sequence[float] | None]
    ) -> int:
        """Store the answers of a scripted teacher or a judge: query id -> scores [K] in the query's order, or None.

        A query that has an answer keeps it, so that a resumed run may repeat its answers. Answers beyond the budget are
        left out.

        Returns:
            The number of new answers.
        """

    @abstractmethod
    def open(self, run: str, seed: int, round: int) -> int:
        """Return how many queries up to ``round`` wait for an answer that the budget allows; repeats do not count.

        A run that was killed goes on from an earlier round, and must not wait for queries that it asks again later.
        """

    @abstractmethod
    def unanswered(self, run: str, seed: int) -> set[int]:
        """Return the ids of the queries with neither an answer nor a refusal, without repeats."""

    @abstractmethod
    def absorb(self, run: str, seed: int, round: int, limit: int) -> list[Absorbed]:
        """Return the answers that the reward receives in ``round``, at most ``limit``, in the order of arrival.

        The first call in a round stores its result, and every later call returns the same. Answers beyond the limit
        wait for the next round. Refusals are included, so that the reward source can drop their segments; repeats are
        not. A round that was skipped stays empty once a later round has been stored.
        """

    @abstractmethod
    def recorded(self, run: str, seed: int, round: int) -> list[Absorbed]:
        """Return what :meth:`absorb` returned in ``round``, without changing the store."""

    @abstractmethod
    def asked(self, run: str, seed: int) -> dict[int, tuple[str, ...]]:
        """Return query id -> the hashes of its clips."""

    @abstractmethod
    def close(self) -> None:
        """Release the file or the connection."""
