"""Between two rounds: the labelers' metrics and messages of every seed go to the row and to the console."""

from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from rl_rewards.core.queries import NOBODY, Labels, Query, QueryPlan
from rl_rewards.core.requirements import Requirements
from rl_rewards.labelers.base import Labeler
from rl_rewards.loop.questions import Questions
from rl_rewards.loop.seeds import Seeds
from rl_rewards.loop.train import propose
from rl_rewards.rewards.base import RewardSource
from tests.probes import make_rollout, make_spec

SPEC = make_spec(obs=1, action=1)


class Reporter(Labeler):
    """A labeler that answers nothing and reports how often it was asked."""

    def __init__(self, seed: int) -> None:
        self.seed, self.asked = seed, 0

    def submit(self, query, round):
        self.asked += 1

    def open(self, round):
        return 0

    def collect(self, round):
        return Labels.none(2, 2)

    def close(self):
        pass

    def metrics(self):
        return {"labeler/calls": 10.0 * self.seed + self.asked}

    def news(self):
        return [f"seed {self.seed} has news"] if self.asked == 1 else []


class Source(RewardSource):
    """A reward that asks and ignores the answers."""

    plan = QueryPlan(question="quality", queries_per_round=2, clips=2, budget=4, acquisition="uniform")
    requirements = Requirements(queries=plan)

    def absorb(self, state, labels):
        return state + 0.0

    reward = may_ask = propose = absorb


def questions(tmp_path, seeds):
    labeling = SimpleNamespace(requirements=Requirements(), make=lambda assignment: Reporter(assignment.seed))
    env = SimpleNamespace(spec=SPEC, draw=None, describe=None, passage=None, legend="", reward_of=None)
    parts = SimpleNamespace(seeds=Seeds(seeds), source=Source(), labeling=labeling, env=env)
    return Questions(parts, 4, tmp_path)


class State(struct.PyTreeNode):
    reward: jax.Array


def test_labelers_report_a_number_each_and_their_news_once(tmp_path):
    asked, state = questions(tmp_path, 2), State(reward=jnp.zeros(2))
    query = Query(id=np.arange(2), segments=make_rollout(SPEC, 2, 2))
    query = jax.tree.map(lambda x: np.stack([x, x]), query)
    said = []
    for round in range(2):
        state = asked(state, query, round, lambda: None, said.append)
    np.testing.assert_array_equal(asked.metrics()["labeler/calls"], [42.0, 52.0])
    assert said == ["seed 4 has news", "seed 5 has news"]


def test_a_round_that_asks_nothing_reaches_no_labeler(tmp_path):
    asked, state = questions(tmp_path, 1), State(reward=jnp.zeros(()))
    query = Query(id=np.full(2, NOBODY), segments=make_rollout(SPEC, 2, 2))
    asked(state, query, 0, lambda: None, print)
    assert asked.metrics() == {"labeler/calls": 40.0}


def test_one_seed_reports_plain_numbers(tmp_path):
    assert questions(tmp_path, 1).metrics() == {"labeler/calls": 40.0}


def test_candidates_are_drawn_only_in_rounds_that_may_ask():
    drawn = []

    class Asks(Source):
        def may_ask(self, round):
            return round % 2 == 0

        def propose(self, state, experience, round, key):
            jax.debug.callback(lambda: drawn.append(1))
            return state + 1.0, Query(id=jnp.arange(2), segments=jax.tree.map(jnp.asarray, make_rollout(SPEC, 2, 2)))

    def ask(reward, key, round):
        return propose(Asks(), reward, None, round, key)

    several = jax.jit(jax.vmap(ask, (0, 0, None)))
    keys = jax.random.split(jax.random.key(0), 3)
    _, nothing = several(jnp.zeros(3), keys, jnp.asarray(1))
    assert not drawn and (nothing.id == NOBODY).all()
    reward, asked = several(jnp.zeros(3), keys, jnp.asarray(2))
    jax.effects_barrier()
    assert drawn and (asked.id == jnp.arange(2)).all() and (reward == 1.0).all()
