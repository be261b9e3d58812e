"""Sends queries to the labelers and their answers to the reward, between two rounds; each seed has a labeler."""

import io
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from rl_rewards.core.contracts import check_members, is_own
from rl_rewards.core.queries import NOBODY, Query, QueryPlan
from rl_rewards.envs.base import HostEnv
from rl_rewards.labelers.base import Assignment, Labeler
from rl_rewards.loop.asked_models import asked_model
from rl_rewards.loop.state import Parts, TrainState
from rl_rewards.rewards.base import asks

POLL_SECONDS = 0.1


class Questions:
    """The labelers of all seeds; there are none if the reward asks no queries."""

    def __init__(self, parts: Parts, seed: int, run_dir: Path, trust: Sequence[str] = ()) -> None:
        self._seeds, self._labelers, source = parts.seeds, [], parts.source
        self._at_terminal = False
        if asks(source):
            assert parts.labeling is not None, "build gives a labeler to a reward that asks"
            plan = source.requirements.queries
            assert plan is not None, "a reward that asks has a plan"
            self._wait = parts.labeling.requirements.waits_for_answers
            self._at_terminal = parts.labeling.requirements.at_terminal
            self._labelers = [
                parts.labeling.make(_assignment(parts, plan, seed + i, run_dir, trust))
                for i in range(parts.seeds.count)
            ]
            for labeler in filter(is_own, self._labelers):
                check_members(labeler, Labeler, f"labeler: {type(labeler).__name__}")
            self._absorb = jax.jit(parts.seeds.map(source.absorb, 0), donate_argnums=0)

    def __bool__(self) -> bool:
        """True if the reward asks queries."""
        return bool(self._labelers)

    @property
    def at_terminal(self) -> bool:
        """True if a labeler asks a person at the terminal, where nothing else may then be redrawn."""
        return self._at_terminal

    def __call__(
        self,
        state: TrainState,
        query: Query | None,
        round: int,
        stopped: Callable[[], Any],
        say: Callable[[str], None],
    ) -> TrainState:
        """Submit ``query``, and return ``state`` (donated) with the new answers; this may wait for all answers.

        Args:
            stopped: returns a true value if the run should stop, which ends the wait.
            say: prints a message on the console.
        """
        if query is None:
            return state
        if np.any(jax.device_get(query.id) != NOBODY):  # most rounds ask nothing: leave their padding on the device
            for labeler, one in zip(self._labelers, self._seeds.each(jax.device_get(query)), strict=True):
                labeler.submit(one, round)
        if self._wait:
            self._until_answered(round, stopped, say)
        labels = [labeler.collect(round) for labeler in self._labelers]
        for labeler in self._labelers:
            for news in labeler.news():
                say(news)
        return state.replace(reward=self._absorb(state.reward, self._seeds.stack(labels)))

    def _until_answered(self, round: int, stopped: Callable[[], Any], say: Callable[[str], None]) -> None:
        announced = False
        while (waiting := sum(labeler.open(round) for labeler in self._labelers)) and not stopped():
            if not announced:
                say(f"Round {round} waits for {waiting} answers.")
                announced = True
            time.sleep(POLL_SECONDS)

    def metrics(self) -> dict[str, Any]:
        """Return the labelers' metrics: scalars, or [S] for several seeds."""
        found = [labeler.metrics() for labeler in self._labelers]
        return self._seeds.stack(found) if found else {}

    def close(self) -> None:
        for labeler in self._labelers:
            labeler.close()

    def save(self) -> list[bytes]:
        """Return the saved state of each seed's labeler."""
        return [labeler.save() for labeler in self._labelers]

    def load(self, saved: list[bytes]) -> None:
        for labeler, one in zip(self._labelers, saved, strict=True):
            labeler.load(one)


class HostSide:
    """The state of a run outside the train state: a host environment, labelers, both or neither."""

    def __init__(self, env: HostEnv | None, questions: Questions) -> None:
        self.env, self.questions = env, questions

    def save(self) -> bytes | None:
        labelers = self.questions.save()
        env = None if self.env is None else self.env.save()
        if not labelers:
            return env
        buffer = io.BytesIO()
        np.savez(buffer, env=_array(env or b""), **{f"labeler_{i}": _array(one) for i, one in enumerate(labelers)})
        return buffer.getvalue()

    def load(self, saved: bytes) -> None:
        env: Any = saved
        count = len(self.questions.save())
        if count:
            with np.load(io.BytesIO(saved), allow_pickle=False) as parts:
                self.questions.load([parts[f"labeler_{i}"].tobytes() for i in range(count)])
                env = parts["env"].tobytes()
        if self.env is not None:
            self.env.load(env)


def _assignment(parts: Parts, plan: QueryPlan, seed: int, run_dir: Path, trust: Sequence[str]) -> Assignment:
    env = parts.env
    assert parts.labeling is not None
    return Assignment(
        seed=seed,
        answers=plan.queries_per_round,
        clips=plan.clips,
        budget=plan.budget,
        folder=run_dir,
        spec=env.spec,
        draw=env.draw,
        describe=env.describe,
        acquisition=plan.acquisition,
        question=plan.question,
        features=plan.features,
        reward_of=env.reward_of,
        legend=env.legend,
        passage=env.passage,
        model=asked_model(parts.labeling, env.spec, seed, trust),
    )


def _array(data: bytes) -> np.ndarray:
    return np.frombuffer(data, np.uint8)
