"""A weighted sum of rewards: exact sums, independent parts, one part that asks, and command lines."""

import shutil
from dataclasses import dataclass, field

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rl_rewards.api import load_reward
from rl_rewards.core.errors import ConfigError
from rl_rewards.core.objectives import with_weights
from rl_rewards.core.requirements import Requirements
from rl_rewards.core.types import Experience
from rl_rewards.loop import build
from rl_rewards.loop.run_folder import plain_values
from rl_rewards.loop.sources import build_source, restore_from_run
from rl_rewards.rewards.base import asks, first_state, reward_fn
from rl_rewards.rewards.hand_designed import HandDesigned
from rl_rewards.rewards.mixture import Mixture
from rl_rewards.rewards.null import Constant
from tests.finished import cut_back, finished_run, resumed_run, untrained
from tests.probes import experience_of, make, make_rollout, make_spec
from tests.rewards.examples import examples_of, gaussians, same, tiny_source
from tests.runs import composed, digest_of, rows, run_here, unexplained

SPEC = make_spec(obs=2, action=1)
FAR = HandDesigned(spec=SPEC, terms={"far": {"weight": 2.0, "of": "next_obs", "map": "norm"}})


def constant(value: float = 1.0) -> Constant:
    return make("reward", "constant", SPEC, value=value)


def plain(name: str, **changes):
    return make("reward", name, SPEC, **changes)


@dataclass(frozen=True, kw_only=True)
class Fake(Constant):
    """A constant reward with any requirements that a test needs."""

    absorbing: float = 0.0
    says: dict = field(default_factory=dict)

    @property
    def requirements(self):
        return Requirements(**self.says)

    def absorbing_reward(self, state):
        return jnp.full((), self.absorbing)

    def update(self, state, data, experience, round, key):
        return state, {"reward/drawn": jax.random.uniform(key)}


def fake(value: float = 1.0, absorbing: float = 0.0, **says) -> Fake:
    return Fake(spec=SPEC, value=value, absorbing=absorbing, says=says)


class OfEachSeed(Constant):
    """A reward of which each of two seeds has its own state."""

    @property
    def prepared(self):
        return np.array([3.0, 4.0])

    def reward(self, state, transitions):
        return jnp.broadcast_to(state, transitions.env_reward.shape)


def mixed(weights=None, **parts):
    return Mixture(parts=parts, weights=dict.fromkeys(parts, 1.0) if weights is None else weights)


ASKER = plain("preferences", segment_steps=5, budget=9)


# Sums.


def test_the_reward_is_the_weighted_sum():
    parts = {"task": plain("environment"), "far": FAR, "random": plain("random")}
    weights = {"task": 1.0, "far": -0.25, "random": 3}
    source, rollout = Mixture(parts=parts, weights=weights), make_rollout(SPEC, 3, 2)
    state = source.init(jax.random.key(0))
    assert set(state) == set(parts)
    expected = sum(weights[name] * part.reward(state[name], rollout) for name, part in parts.items())
    np.testing.assert_array_equal(source.reward(state, rollout), expected)
    np.testing.assert_array_equal(reward_fn(source, state)(rollout), expected)
    alone = mixed(task=parts["task"])
    np.testing.assert_array_equal(alone.reward(alone.init(jax.random.key(0)), rollout), rollout.env_reward)


def test_what_follows_a_termination_is_summed_too():
    source = mixed({"a": 2.0, "b": -1.0}, a=fake(absorbing=3.0), b=fake(absorbing=0.5))
    assert float(source.absorbing_reward(source.init(jax.random.key(0)))) == 5.5


def test_a_part_is_as_it_is_alone_whoever_else_is_there():
    """Its state and its random draws depend on its name, not on the other parts or their order."""
    first = mixed(random=plain("random"), drawn=fake())
    second = mixed(other=plain("random"), drawn=fake(2.0), random=plain("random"))
    states = [source.init(jax.random.key(3)) for source in (first, second)]
    assert same(states[0]["random"], states[1]["random"]) and not same(states[1]["random"], states[1]["other"])
    experience = experience_of(make_rollout(SPEC, 3, 2))
    told = [
        source.update(state, {}, experience, jnp.int32(0), jax.random.key(4))[1]
        for source, state in zip((first, second), states, strict=True)
    ]
    assert float(told[0]["reward/drawn/drawn"]) == float(told[1]["reward/drawn/drawn"])


def test_every_part_reports_under_its_name_and_by_its_mean_before_weighting():
    source = mixed({"task": 0.0, "twice": 5.0}, task=plain("environment"), twice=mixed(inner=fake(2.0)))
    valid = np.array([[True, True], [True, False]])
    rollout = make_rollout(SPEC, 2, 2, valid=valid)
    state = source.init(jax.random.key(0))
    _, metrics = source.update(state, {}, experience_of(rollout), jnp.int32(0), jax.random.key(1))
    names = {"task/mean", "twice/mean", "twice/inner/mean", "twice/inner/drawn"}
    assert set(metrics) == {f"reward/{name}" for name in names}
    assert float(metrics["reward/twice/mean"]) == 2.0, "before the weight"
    assert float(metrics["reward/task/mean"]) == pytest.approx(np.asarray(rollout.env_reward)[valid].mean())
    offline = Experience(*([None] * len(Experience._fields)))
    _, metrics = source.update(state, {}, offline, jnp.int32(0), jax.random.key(1))
    assert set(metrics) == {"reward/twice/inner/drawn"}


# Requirements and inspection.


def test_it_needs_and_reads_what_any_part_does():
    source = mixed(
        a=fake(reads=("obs", "info.height")),
        b=fake(reads=("next_obs", "obs"), history=7, pays_to_linger=True),
    )
    assert source.requirements == Requirements(reads=("obs", "info.height", "next_obs"), history=7, pays_to_linger=True)
    modest = mixed({"a": 1.0, "b": 0.0}, a=fake(), b=fake(pays_to_linger=True))
    assert modest.requirements == Requirements(), "a part with weight 0 does not pay to linger"
    kept = mixed(inner=mixed(a=fake(), b=fake(size_key=("keep_visited", 9))))
    assert kept.requirements.size_key == ("parts.inner.parts.b.keep_visited", 9)


def test_reports_find_a_classifiers_keys_where_there_is_one():
    goals, non_goals = gaussians(20, size=2)
    data = examples_of(goals, non_goals)
    tiny = tiny_source(spec=SPEC)
    rollout = make_rollout(SPEC, 3, 2)

    def inspected(source):
        return source.inspect(source.init(jax.random.key(0)), data, rollout)

    known = {"prob_heldout_goals", "prob_non_goals", "prob_visited", "reward_heldout_goals"}
    one = mixed({"goal": 0.5, "far": 1.0}, goal=tiny, far=FAR)
    found = inspected(one)
    assert set(found) == known | {"far_term_far", "goal_part_return", "far_part_return"}
    alone = tiny.inspect(one.init(jax.random.key(0))["goal"], data, rollout)
    np.testing.assert_array_equal(found["prob_visited"], alone["prob_visited"])
    np.testing.assert_array_equal(found["reward_heldout_goals"], 0.5 * alone["reward_heldout_goals"])
    both = inspected(mixed(goal=tiny, other=tiny))
    assert set(both) == {f"{name}_{key}" for name in ("goal", "other") for key in (*known, "part_return")}


def test_parts_with_weight_0_are_measured_and_never_pay():
    paid = {"a": constant(5.0)}
    source = mixed({"a": 1.0, "b": 0.0, "c": 0}, **paid, b=constant(1.0), c=constant(4.0))
    rollout = make_rollout(SPEC, 3, 2)
    rollout = rollout.replace(valid=jnp.array([[True, True], [True, False], [True, False]]))
    state = source.init(jax.random.key(0))
    assert np.all(source.reward(state, rollout) == 5.0)
    found = source.inspect(state, {}, rollout)
    assert float(found["unpaid_return"]) == 2.5 * (3 + 1) / 2
    np.testing.assert_array_equal(found["c_part_return"], [4.0 * 3, 4.0 * 1])  # of each episode, not weighted
    assert "unpaid_return" not in mixed(a=constant()).inspect({"a": {}}, {}, rollout)


def test_a_part_may_have_its_own_state_for_each_seed_beside_one_that_has_not():
    """The other part begins as in a mixture alone; a mixture within a mixture hands both on."""
    source = mixed(inner=mixed(own=OfEachSeed(spec=SPEC, value=0.0), tiny=tiny_source()), far=FAR)
    key = jax.random.key(0)
    for seed in range(2):
        state = first_state(source, key, jax.tree.map(lambda x, i=seed: x[i], source.prepared))
        assert float(state["inner"]["own"]) == 3.0 + seed
        alone = mixed(inner=mixed(tiny=tiny_source())).init(key)["inner"]["tiny"]
        assert same(state["inner"]["tiny"], alone)
    assert mixed(far=FAR).prepared is None


# Weights that observations tell.

TOLD = with_weights(SPEC, ("far", "flat"))


def told_rollout():
    """Return steps of two episodes with the weights (1/4, 3/4) and (1, 0), which their observations end in."""
    weights = jnp.broadcast_to(jnp.array([[0.25, 0.75], [1.0, 0.0]]), (3, 2, 2))
    rollout = make_rollout(TOLD, 3, 2, info={"weights": weights})
    obs, next_obs = (x.at[..., 2:].set(weights) for x in (rollout.obs, rollout.next_obs))
    return rollout.replace(obs=obs, next_obs=next_obs)


def test_every_episode_is_paid_by_the_weights_that_it_is_told():
    """No part sees them: FAR takes the norm of the whole observation that it gets."""
    parts = {"far": FAR, "flat": constant(8.0), "more": constant(100.0)}
    source = Mixture(parts=parts, weights={"far": 2.0, "flat": 1.0, "more": 0.5}, spec=TOLD)
    rollout, state = told_rollout(), source.init(jax.random.key(0))
    far = 2.0 * np.linalg.norm(rollout.next_obs[..., :2], axis=-1)
    expected = 2.0 * np.array([0.25, 1.0]) * far + np.array([0.75, 0.0]) * 8.0 + 50.0
    np.testing.assert_allclose(source.reward(state, rollout), expected, rtol=1e-5)
    np.testing.assert_allclose(source.portable_reward(state, rollout), expected, rtol=1e-5)
    np.testing.assert_allclose(source.inspect(state, {}, rollout)["far_part_return"], far.sum(axis=0), rtol=1e-5)
    assert "info.weights" in source.requirements.reads
    told = source.update(state, {}, experience_of(rollout), jnp.int32(0), jax.random.key(1))[1]
    assert float(told["reward/far/mean"]) == pytest.approx(far.mean(), rel=1e-5)


def test_objectives_are_parts():
    with pytest.raises(ConfigError, match=r"env\.objectives names flat, which is not a part of this mixture"):
        Mixture(parts={"far": FAR}, weights={"far": 1.0}, spec=TOLD)


# What is refused, each in one sentence.


@pytest.mark.parametrize(
    ("weights", "parts", "sentence"),
    [
        ({}, {}, r"reward\.parts is empty; add a reward with \+reward@reward\.parts\.NAME=REWARD"),
        (
            {"a": 1.0},
            {"a": fake(), "b": fake()},
            r"reward\.weights has no weight for b; give one with \+reward\.weights\.b=",
        ),
        ({"a": 1.0, "c": 1.0}, {"a": fake()}, r"reward\.weights names c, which is not a part; the parts are a\."),
        ({"a/b": 1.0}, {"a/b": fake()}, r"a part named a/b; a name may have only letters"),
        (None, {"a": fake(demos="x"), "b": fake(demos="y")}, r"different demonstrations, x and y; choose one set with"),
        (None, {"a": ASKER, "b": ASKER}, r"More than one part asks for labels \(a and b\), and"),
    ],
    ids=["empty", "lacks", "unknown", "name", "demos", "ask"],
)
def test_what_does_not_fit_together_is_refused(weights, parts, sentence):
    with pytest.raises(ConfigError, match=sentence) as error:
        mixed(weights, **parts)
    assert str(error.value).count(". ") == 0


def built(*overrides: str):
    cfg = composed("debug=smoke", "env=point", "reward=mixture", *overrides)
    return build.build(cfg).parts.source


THIRD = "+reward@reward.parts.third"


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (("~reward.parts.task", "~reward.parts.bonus"), r"reward\.parts is empty"),
        ((f"{THIRD}=zero",), r"reward\.weights has no weight for third"),
        (("+reward.weights.third=1.0",), r"reward\.weights names third, which is not a part; the parts are task, "),
        (("reward.weights.task=much",), r"reward\.weights\.task=much must be a number"),
        (("reward.weights=1.0",), r"reward\.weights=1\.0 must be a mapping of each part's name to a number"),
        (("+reward.parts.third={value: 1.0}",), r"reward\.parts\.third is not a reward; choose one with \+reward@"),
        (("+reward.parts.bonus.batches=3",), r"^reward\.parts\.bonus\.batches=3 is not a setting of Curiosity, "),
        (("reward.parts.bonus.batch_size=0",), r"^reward\.parts\.bonus\.batch_size=0 must be at least 1\.$"),
        (
            (f"{THIRD}=mixture", "+reward.weights.third=1.0", "reward.parts.third.parts.bonus.features=0"),
            r"^reward\.parts\.third\.parts\.bonus\.features=0 must be at least 1\.$",
        ),
        ((f"{THIRD}=frozen", "+reward.weights.third=1.0"), r"needs reward\.parts\.third\.run=RUN_DIR"),
        (
            (f"{THIRD}=self_play", "+reward.weights.third=1.0"),
            r"^reward\.parts\.third changes the environment of the run, for all parts; choose it alone",
        ),
    ],
    ids=lambda x: x[0] if isinstance(x, tuple) else "",
)
def test_command_lines_that_cannot_be_are_refused(overrides, sentence):
    with pytest.raises(ConfigError, match=sentence):
        built(*overrides)


# Valid command lines.


def test_the_default_is_the_task_and_a_little_curiosity():
    source = built()
    assert {name: type(part).__name__ for name, part in source.parts.items()} == {
        "task": "EnvironmentReward",
        "bonus": "Curiosity",
    }
    assert source.weights == {"task": 1.0, "bonus": 0.1}
    assert not asks(source)


def test_one_part_is_swapped_and_another_added_on_the_command_line():
    cfg = composed("reward=mixture", "reward@reward.parts.task=gail", "demos=any.npz", "reward.parts.task.batch_size=7")
    assert cfg.reward.parts.task._target_.endswith("Gail") and cfg.reward.parts.task.batch_size == 7
    assert "classifier" in cfg.reward.parts.task and "classifier" not in cfg.reward
    swapped = build_source(plain_values(cfg.reward), SPEC, None, [0])
    assert swapped.requirements.demos == "any.npz" and swapped.requirements.pays_after_the_end
    added = built(f"{THIRD}=preferences", "+reward.weights.third=0.5", "reward.parts.third.segment_steps=8")
    assert list(added.parts) == ["task", "bonus", "third"] and added.weights["third"] == 0.5
    assert asks(added)
    fewer = built("~reward.parts.bonus", "~reward.weights.bonus")
    assert list(fewer.parts) == ["task"]


# A part that asks.

ASKS = (
    "reward=mixture", "env=point", "reward@reward.parts.task=preferences", "reward.parts.task.segment_steps=8",
    "reward.parts.task.budget=12", "reward.parts.task.sessions=2", "reward.parts.task.updates_per_round=2",
    "reward.parts.task.candidates=2", "reward.parts.task.pseudo_weight=1.0",
    "reward.parts.bonus.updates_per_round=2", "reward.parts.task.heldout_every=4",
    "reward.parts.task.reward_model.model.hidden=[8]", "total_env_steps=960",
)  # fmt: skip


def test_questions_and_answers_are_those_of_the_part_that_asks(tmp_path):
    """In a whole run this part gets the teacher's answers, and training uses the sum."""
    last = run_here(tmp_path, *ASKS)
    assert last["reward/task/queries"] == last["reward/task/labels"] == 12.0
    paid = last["reward/task/mean"] + 0.1 * last["reward/bonus/mean"]
    assert last["agent/reward_mean"] == pytest.approx(paid, abs=1e-4)
    assert last["reward/bonus/mean"] == pytest.approx(last["reward/bonus/bonus_mean"], rel=1e-4)
    assert "eval/task_true_reward_correlation" in last
    assert unexplained(tmp_path) == set(), "the glossary lacks a metric"


@pytest.mark.long
def test_a_mixture_whose_part_asks_ends_in_the_same_bits_when_resumed(tmp_path):
    run = finished_run(tmp_path, *ASKS, evaluated=False)
    told, bits = rows(run), digest_of(run)
    cut_back(run)
    resumed_run(run, 960, evaluated=False)
    assert digest_of(run) == bits and rows(run) == told


def test_an_asking_mixture_hands_on_what_the_part_says():
    source = mixed(bonus=fake(), asks=ASKER)
    assert source.requirements.queries == ASKER.requirements.queries is not None
    for i in range(4):
        assert bool(source.may_ask(jnp.int32(i))) == bool(ASKER.may_ask(jnp.int32(i)))


# Elsewhere.


def test_a_mixtures_reward_is_frozen_and_loaded_and_may_hold_a_frozen_one(tmp_path):
    """It is a frozen part of another mixture, which is also frozen: each works after the earlier runs are deleted."""
    first = untrained(tmp_path / "first", "reward=mixture")
    part = ("reward=mixture", "reward@reward.parts.task=frozen", f"reward.parts.task.run={first}")
    second = untrained(tmp_path / "second", *part)
    rollout = make_rollout(restore_from_run(first).spec, 3, 2)

    def says(run) -> np.ndarray:
        source, state, _ = restore_from_run(run)
        return np.asarray(source.reward(state, rollout))

    inner = says(first)
    restored = restore_from_run(second)
    assert same(restored.state["task"], restore_from_run(first).state), "the frozen part has not changed"
    shutil.rmtree(first)
    bonus = restored.source.parts["bonus"].reward(restored.state["bonus"], rollout)
    np.testing.assert_allclose(says(second), inner + 0.1 * np.asarray(bonus), rtol=1e-5)
    build.build(composed("debug=smoke", "env=point", *part), second)  # as when it is resumed

    expected = says(second)
    third = untrained(tmp_path / "third", "reward=frozen", f"reward.run={second}")
    shutil.rmtree(second)
    np.testing.assert_array_equal(says(third), expected)
    loaded = load_reward(third)
    assert loaded.reads == ("env_reward", "next_obs")
    values = loaded(rollout.obs, next_obs=rollout.next_obs, env_reward=rollout.env_reward)
    np.testing.assert_allclose(values, expected, rtol=1e-5)
