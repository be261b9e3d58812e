"""Self-consistency: a judge's answer is the mean of several samples (Wang et al. 2022, arXiv:2203.11171)."""

from collections import Counter
from collections.abc import Sequence

from rl_rewards.labelers.judge.asker import Asker
from rl_rewards.labelers.judge.parse import NoAnswer
from rl_rewards.labelers.judge.prompts import Messages


class Samples:
    """Asks each question of one query several times.

    Args:
        count: samples of each question. With one, the request is as if this class were not there.
    """

    def __init__(self, asker: Asker, count: int) -> None:
        self._asker, self._count = asker, count
        self._agreeing: list[float] = []

    def __call__(self, messages: Messages, options: Sequence[str]) -> dict[str, float] | NoAnswer:
        """Return the mean probabilities of ``options`` over the samples that are answers; NoAnswer without any.

        Raises:
            JudgeFailed, CapReached, Interrupted
        """
        if self._count == 1:
            return self._asker(messages, options)
        found = [self._asker(messages, options, sample) for sample in range(self._count)]
        answers = [one for one in found if not isinstance(one, NoAnswer)]
        if not answers:
            return found[0]
        likeliest = Counter(max(one, key=lambda option: one[option]) for one in answers)
        self._agreeing.append(likeliest.most_common(1)[0][1] / len(answers))
        return {option: sum(one[option] for one in answers) / len(answers) for option in options}

    @property
    def agreeing(self) -> float | None:
        """The mean share of samples that agree with most of their question's; None if all were asked once."""
        return sum(self._agreeing) / len(self._agreeing) if self._agreeing else None
