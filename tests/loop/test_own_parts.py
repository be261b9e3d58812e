"""Users' own classes: a missing member or a wrong shape is reported in one sentence before anything compiles."""

import re
from dataclasses import dataclass
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import struct
from omegaconf import OmegaConf

from rl_rewards.algorithms.base import Algorithm
from rl_rewards.core.errors import ConfigError
from rl_rewards.core.queries import NOBODY, Query, QueryPlan
from rl_rewards.core.requirements import Requirements
from rl_rewards.core.types import StepOut
from rl_rewards.envs.base import ExampleStates, HostEnvironment, JaxEnv
from rl_rewards.labelers.at_once import AnswersAtOnce
from rl_rewards.labelers.base import Assignment, Labeling
from rl_rewards.loop import build
from rl_rewards.loop.build import build_algorithm
from rl_rewards.loop.seeds import make_batches
from rl_rewards.loop.sources import build_source
from rl_rewards.loop.state import Parts
from rl_rewards.models.base import Model
from rl_rewards.rewards.base import AsksForLabels, RewardSource
from tests.probes import experience_of, make_rollout, make_spec
from tests.runs import composed

SPEC = make_spec(obs=2, action=1, info={"height": ()})


def node(kind: type, **keys):
    return {"_target_": f"{__name__}.{kind.__name__}", **keys}


def reward_of(kind: type, **keys):
    return build_source(node(kind, **keys), SPEC, None, [0])


def refused(build, kind: type, sentence: str, **keys) -> None:
    with pytest.raises(ConfigError, match=sentence) as error:
        build(kind, **keys)
    assert str(error.value).count(". ") == 0 and str(error.value).endswith("."), "one sentence"


# Rewards.


class Near(RewardSource):
    """A reward with only the required members."""

    def reward(self, state, transitions):
        return -jnp.linalg.norm(transitions.next_obs, axis=-1)


def test_a_reward_needs_a_single_method():
    source, rollout = reward_of(Near), make_rollout(SPEC, 3, 2)
    state = source.init(jax.random.key(0))
    assert state == {} and source.requirements == Requirements() and source.prepared is None
    assert source.update(state, {}, experience_of(rollout), jnp.int32(0), jax.random.key(1)) == ({}, {})
    assert source.inspect(state, {}, rollout) == {} and float(source.absorbing_reward(state)) == 0.0
    np.testing.assert_array_equal(source.portable_reward(state, rollout), source.reward(state, rollout))


class Alone:
    """A class as the README once showed it, without members that such classes often lacked."""

    def init(self, key):
        return {}

    def reward(self, state, transitions):
        return jnp.zeros(transitions.valid.shape)


class Nothing(RewardSource):
    pass


class AsksLittle(AsksForLabels):
    def reward(self, state, transitions):
        return jnp.zeros(transitions.valid.shape)

    def propose(self, state, experience, round, key):
        return state, None


class AsksOnItsOwn(Near):
    plan = QueryPlan(question="quality", queries_per_round=1, clips=2, budget=5, acquisition="")
    requirements = Requirements(queries=plan)

    def propose(self, state, experience, round, key):
        return state, None


class FewArguments(Near):
    def update(self, state, data, experience, key):
        return state, {}


class Column(Near):
    def reward(self, state, transitions):
        return -jnp.abs(transitions.next_obs[..., :1])


class Whole(Near):
    def reward(self, state, transitions):
        return jnp.sum(transitions.next_obs).astype(jnp.int32)


class Breaks(Near):
    def reward(self, state, transitions):
        return transitions.next_obs @ jnp.ones(5)


class ReadsInSecret(Near):
    def reward(self, state, transitions):
        return transitions.info["height"]


class ReadsElsewhere(Near):
    requirements = Requirements(reads=("info.depth",))


@dataclass(frozen=True)
class Weighted(Near):
    weight: float


class Picky(Near):
    def __init__(self):
        raise ValueError("of little use")


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [
        (Alone, r"^reward\._target_=.*\.Alone has no requirements, .* and inspect: inherit from "
         r"rl_rewards\.rewards\.base\.RewardSource, which has defaults for all but reward\.$"),
        (Nothing, r"Nothing has no reward: add it; rl_rewards\.rewards\.base\.RewardSource documents every member"),
        (AsksLittle, r"AsksLittle has no may_ask and absorb: add it; .*\.base\.AsksForLabels documents every"),
        (AsksOnItsOwn, r"AsksOnItsOwn has no may_ask and absorb: inherit from .*\.base\.AsksForLabels, "),
        (FewArguments, r"FewArguments: update takes \(state, data, experience, key\), but it is called with "
         r"\(state, data, experience, round, key\)\.$"),
        (Column, r"Column: reward of transitions \[3, 2\] must be float32 \[3, 2\], but it is float32 \[3, 2, 1\]\.$"),
        (Whole, r"must be float32 \[3, 2\], but it is int32 \[\]\.$"),
        (Breaks, r"Breaks: reward raised TypeError \(test_own_parts\.py, line \d+\): "),
        (ReadsInSecret, r"ReadsInSecret: reward raised KeyError \(test_own_parts\.py, line \d+\): 'height'\.$"),
        (ReadsElsewhere, r"it reads depth from info, which test does not have; info has height\.$"),
        (Picky, r"Picky: its constructor raised ValueError \(test_own_parts\.py, line \d+\): of little use\.$"),
        (Weighted, r"Weighted needs reward\.weight, which its YAML does not have; add a value, or "),
    ],
    ids=lambda x: x.__name__ if isinstance(x, type) else "",
)  # fmt: skip
def test_a_reward_that_does_not_fit_is_one_sentence(kind, sentence):
    refused(reward_of, kind, sentence)


def test_a_part_of_a_mixture_is_told_by_its_own_key():
    mixture = {
        "_target_": "rl_rewards.rewards.mixture.Mixture",
        "parts": {"own": {"_target_": f"{__name__}.Column"}},
        "weights": {"own": 1.0},
    }
    with pytest.raises(ConfigError, match=r"^reward\.parts\.own\._target_=.*Column: reward of transitions"):
        build_source(mixture, SPEC, None, [0])


# Environments.


class Place(struct.PyTreeNode):
    x: jax.Array


class Line(JaxEnv):
    """An environment with only the required members."""

    spec = SPEC

    def reset(self, key):
        return Place(x=jnp.zeros(2))

    def observe(self, state):
        return state.x

    def step(self, key, state, action):
        state = Place(x=state.x + action)
        return state, self.out(state)

    def out(self, state, **changes):
        flag = jnp.zeros((), bool)
        out = StepOut(state.x, jnp.sum(state.x), flag, flag, flag, {"height": state.x[0]})
        return out._replace(**changes)


def env_of(kind: type):
    return build.build_env({"env": node(kind)})


def test_an_environment_needs_four_members():
    env = env_of(Line)
    assert isinstance(env, JaxEnv) and env.plane(3) is None
    with pytest.raises(
        ConfigError, match="This reward learns from examples, and test cannot generate them; give a file"
    ):
        env.collect_examples(np.random.default_rng(0), 5, goal=True)


class Undrawn:
    spec = SPEC
    reset, observe, step = Line.reset, Line.observe, Line.step

    def collect_examples(self, rng, n, goal) -> ExampleStates: ...


class Narrow(Line):
    def observe(self, state):
        return state.x[:1]


class Grows(Line):
    def step(self, key, state, action):
        return Place(x=jnp.zeros(3)), self.out(state)


class FourValues(Line):
    def step(self, key, state, action):
        return state.x, 1.0, False, {}


class ColumnReward(Line):
    def step(self, key, state, action):
        return state, self.out(state, env_reward=state.x)


class IntegerEnds(Line):
    def step(self, key, state, action):
        return state, self.out(state, terminated=jnp.zeros((), jnp.int32))


class Silent(Line):
    def step(self, key, state, action):
        return state, self.out(state, info={})


class Counts(Line):
    episodes = 0


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [
        (Counts, r"Counts: episodes is int; the runner reads an Episodes there, so that an attribute of your own "),
        (Undrawn, r"^env\._target_=.*Undrawn has no describe, .*, plane, .* from rl_rewards\.envs\.base\.JaxEnv, "
         r"which has defaults for all but reset, observe, step and spec\.$"),
        (Narrow, r"Narrow: observe must be float32 \[2\], but it is float32 \[1\]\.$"),
        (Grows, r"the state that step returns has other arrays than the state of reset: x was float32 \[2\] and "),
        (FourValues, r"step must return a pair, the next state and a StepOut\.$"),
        (ColumnReward, r"env_reward of step must be float32 \[\], but it is float32 \[2\]\.$"),
        (IntegerEnds, r"terminated of step must be bool \[\], but it is int32 \[\]\.$"),
        (Silent, r"info of step has the keys \[\], but spec\.info declares \['height'\]\.$"),
    ],
    ids=lambda x: x.__name__ if isinstance(x, type) else "",
)  # fmt: skip
def test_an_environment_that_does_not_fit_is_one_sentence(kind, sentence):
    refused(env_of, kind, sentence)


class Hosted(HostEnvironment):
    spec = SPEC

    def make(self, num_envs, seed):
        return type("Unfinished", (), {"__module__": __name__, "spec": SPEC, "num_envs": num_envs})()


def test_a_batch_that_lacks_members_is_told_before_it_is_stepped():
    with pytest.raises(ConfigError, match=r"^env: Unfinished has no physics_seconds, reset, .*base\.HostEnv, which"):
        make_batches(env_of(Hosted), 2, [0])


# Algorithms.


class Still(Algorithm):
    """An algorithm with only the required members."""

    num_envs, rollout_length = 2, 3

    def init(self, key):
        return {}

    def act(self, state, memory, obs, key, explore):
        return jnp.zeros((len(obs), 1)), memory, {}

    def update(self, state, experience, reward_fn, round, key):
        return state, {"agent/reward_mean": jnp.mean(reward_fn(experience.rollout))}


class Flat(Still):
    def act(self, state, memory, obs, key, explore):
        return jnp.zeros(len(obs)), memory, {}


class OldAct(Still):
    """An algorithm for the contract before policies had a memory."""

    def act(self, state, obs, key, explore):
        return jnp.zeros((len(obs), 1)), {}


class OldData(Still):
    """An algorithm for the contract before requirements were declared."""

    data = "replay"


class NoMemoryBack(Still):
    def act(self, state, memory, obs, key, explore):
        return jnp.zeros((len(obs), 1)), {}


class LosesMemory(Still):
    def initial_memory(self, num_envs):
        return jnp.zeros((num_envs, 4))

    def act(self, state, memory, obs, key, explore):
        return jnp.zeros((len(obs), 1)), memory[:, :2], {}


def algorithm_of(kind: type):
    return build_algorithm({"algorithm": node(kind)}, SPEC, None, 100)


def test_an_algorithm_needs_three_methods_and_two_sizes():
    algorithm = algorithm_of(Still)
    assert algorithm.requirements == Requirements()
    with pytest.raises(ConfigError, match=r"Still has no method log_prob, which this reward needs; add it\."):
        algorithm.log_prob({}, jnp.zeros(2), jnp.zeros(1))
    refused(
        algorithm_of,
        Flat,
        r"^algorithm\._target_=.*Flat: actions for 2 observations must be float32 \[2, 1\], but it is ",
    )
    refused(
        algorithm_of,
        OldAct,
        r"OldAct: act takes \(state, obs, key, explore\), but it is called with \(state, memory, obs, .*\)\.$",
    )
    refused(
        algorithm_of, NoMemoryBack, r"act must return three values: actions, the memory after this step \(without a "
    )
    refused(algorithm_of, LosesMemory, r"the memory that act returns has other arrays .*: it was float32 \[2, 4\] and ")
    refused(algorithm_of, OldData, r"OldData: data is no longer read; declare Requirements\(learns_from=")
    refused(algorithm_of, Forgets, r"Forgets has no rollout_length: add it; rl_rewards\.algorithms\.base\.RolloutSizes")


class Forgets(Algorithm):
    num_envs = 2
    init, act, update = Still.init, Still.act, Still.update


class Clones(Algorithm):
    requirements = Requirements(learns_from="dataset")
    rounds, gradient_steps = 5, 3
    init, act, update = Still.init, Still.act, Still.update


class ClonesForEver(Algorithm):
    requirements, gradient_steps = Clones.requirements, 3
    init, act, update = Still.init, Still.act, Still.update


def test_one_that_learns_from_a_dataset_has_other_sizes():
    assert algorithm_of(Clones).rounds == 5
    refused(
        algorithm_of,
        ClonesForEver,
        r"ClonesForEver has no rounds: add it; .*\.base\.DatasetSizes documents every member",
    )


# Judges.


class Taller(Labeling):
    requirements = Requirements(reads=("info.height",))

    def make(self, assignment):
        return AnswersAtOnce(assignment, lambda segments: segments.info["height"].sum(axis=1))


class Mute(Labeling):
    pass


def labeling_of(kind: type):
    return build.build_labeling({"labeler": node(kind)})


def assignment(clips: int = 2) -> Assignment:
    return Assignment(
        seed=0, answers=3, clips=clips, budget=9, folder=None, spec=SPEC, draw=None, describe=None, acquisition=""
    )  # fmt: skip


def test_a_judge_answers_by_a_single_function():
    labeling = labeling_of(Taller)
    assert labeling.requirements == Requirements(reads=("info.height",))
    labeler = labeling.make(assignment())
    height = np.arange(3 * 2 * 4, dtype=np.float32).reshape(3, 2, 4)
    segments = jax.tree.map(np.asarray, make_rollout(SPEC, 3, 2)).replace(info={"height": height})
    labeler.submit(Query(id=np.array([7, NOBODY, 9]), segments=segments), 0)
    labels = labeler.collect(0)
    assert list(labels.id) == [7, 9, NOBODY]
    np.testing.assert_array_equal(labels.scores[:2], height[[0, 2]].sum(axis=-1))
    assert np.isnan(labels.scores[2]).all() and labeler.open(0) == 0
    assert list(labeler.collect(1).id) == [NOBODY] * 3, "each answer is given once"


def test_a_judge_that_does_not_fit_is_one_sentence():
    refused(
        labeling_of, Mute, r"^labeler\._target_=.*Mute has no make: add it; .*\.base\.Labeling documents every member"
    )
    segments = jax.tree.map(np.asarray, make_rollout(SPEC, 1, 2))
    three = AnswersAtOnce(assignment(), lambda segments: np.zeros((2, 3)))
    with pytest.raises(ConfigError, match=r"array of shape \[2, 3\] for a query of 2 segments; it must return 2 num"):
        three.submit(Query(id=np.zeros(1, np.int32), segments=segments), 0)


# All parts.


@pytest.mark.parametrize(
    ("kind", "of"), [(Near, reward_of), (Line, env_of), (Still, algorithm_of), (Taller, labeling_of)]
)
def test_what_a_part_declares_must_be_requirements(kind, of, monkeypatch):
    own = type("Own", (kind,), {"requirements": {"reads": ("obs",)}, "__module__": __name__})
    monkeypatch.setitem(globals(), "Own", own)
    refused(of, own, r"Own: requirements is dict; it must be a Requirements\.$")


# Models.


class Linear(nn.Module):
    """A user's own network: any flax module."""

    outputs: int
    spectral: bool = False

    @nn.compact
    def __call__(self, x, train=False):
        layer = nn.Dense(self.outputs)
        return nn.SpectralNorm(layer)(x, update_stats=train) if self.spectral else layer(x)


@dataclass(frozen=True, kw_only=True)
class LinearModel(Model):
    extra: int = 0

    def network(self, outputs, output_gain=1.0):
        return Linear(outputs + self.extra)


class NoModel(Model):
    """A model without its network."""


class Statistics(LinearModel):
    def network(self, outputs, output_gain=1.0):
        return Linear(outputs, spectral=True)


PLACES = ("algorithm", "reward.classifier")


def with_own_model(kind: type, at: str = "algorithm", **keys) -> Parts:
    """Return PPO and a goal classifier, one of which has networks of ``kind``."""
    config: Any = OmegaConf.to_container(composed("env=point", "reward=goal_classifier", "algorithm=ppo_point"))
    part = config["algorithm"] if at == "algorithm" else config["reward"]["classifier"]
    part["model"] = node(kind, **keys)
    return build.build(config).parts


def test_a_model_of_ones_own_is_the_network_of_algorithms_and_rewards():
    parts = with_own_model(LinearModel)
    params = jax.eval_shape(parts.algorithm.init, jax.random.key(0)).params
    assert list(params["critic"]["params"]) == ["Dense_0"] and set(params["actor"]["params"]) == {"Linear_0", "log_std"}
    source = with_own_model(LinearModel, at="reward.classifier").source
    variables = jax.eval_shape(source.init, jax.random.key(0)).classifier.variables
    assert variables["params"]["Dense_0"]["kernel"].shape == (3, 2, 1), "one kernel for each member"


@pytest.mark.parametrize("at", PLACES)
@pytest.mark.parametrize(
    ("kind", "keys", "sentence"),
    [
        (
            LinearModel,
            {"extra": 1},
            r": network of inputs \[3, 2, 5\] must be float32 \[3, 2, 4\], but it is float32 \[",
        ),
        (NoModel, {}, " has no network: add it"),
        (Statistics, {}, r": network has variables other than parameters \(batch_stats\)"),
    ],
    ids=lambda one: getattr(one, "__name__", ""),
)
def test_a_model_that_does_not_do_what_is_asked_is_refused_before_anything_compiles(at, kind, keys, sentence):
    place = re.escape(f"{at}.model._target_={__name__}.{kind.__name__}")
    refused(lambda kind, **keys: with_own_model(kind, at, **keys), kind, place + sentence, **keys)


@pytest.mark.parametrize("at", PLACES)
def test_a_key_that_a_model_does_not_have_is_refused_by_its_place(at):
    with pytest.raises(ConfigError, match=rf"{at}\.model\.width=3 is not a setting of LinearModel"):
        with_own_model(LinearModel, at, width=3)
