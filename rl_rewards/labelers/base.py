"""What answers queries: a synthetic teacher, a person, a language model. Host code between two jitted rounds."""

from typing import Protocol

from rl_rewards.core.queries import Labels, Query


class Labeling(Protocol):
    """A way of answering, as a YAML under configs/labeler describes it."""

    reads: tuple[str, ...]  # what of a query's segments it looks at: obs, action, next_obs, env_reward or info.KEY

    def make(self, seed: int, answers: int) -> "Labeler":
        """The labeler of one seed's run.

        Args:
            answers: most that are collected at once.
        """
        ...


class Labeler(Protocol):
    """Of one seed. What it answers to a query must not depend on when it is asked."""

    def submit(self, query: Query, round: int) -> None:
        """Take the queries of a round, leaves [Q, K, L, ...] in numpy; returns at once."""
        ...

    def collect(self, round: int, wait: bool) -> Labels:
        """What has been answered since the last call, perhaps to queries of earlier rounds; padded to one length.

        Args:
            wait: until everything submitted is answered or refused.
        """
        ...

    def save(self) -> bytes:
        """Everything that later answers depend on."""
        ...

    def load(self, saved: bytes) -> None: ...
