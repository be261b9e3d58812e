"""Faults of written rewards are found, and are gone when they are mended; each pair differs in nothing else."""

from dataclasses import replace
from functools import cache

import jax
import numpy as np
import pytest

from rl_rewards.auditing.lint.endings import check_endings
from rl_rewards.auditing.lint.loops import check_loops
from rl_rewards.auditing.lint.play import play
from rl_rewards.auditing.lint.policies import BACK_AND_FORTH, KEPT, simple_policies
from rl_rewards.auditing.lint.seen import SeenSteps
from rl_rewards.auditing.lint.terms import check_terms
from rl_rewards.auditing.lint.whole import judge, lint
from rl_rewards.core.errors import ConfigError
from rl_rewards.core.types import Box, Discrete
from rl_rewards.loop.build import build_env
from rl_rewards.loop.run_folder import plain_values
from rl_rewards.rewards.hand_designed import HandDesigned
from rl_rewards.rewards.written.written import WrittenReward
from tests.probes import make_spec
from tests.runs import composed

POINT = ("env=point",)
ENDED = ("env=point", "env.terminate_on_success=true")
POLE = ("env=gymnasium", "env.id=CartPole-v1")


@cache
def played(*overrides):
    env = build_env(composed(*overrides))
    return env, play(env, copies=2)


def judged(overrides, terms):
    env, steps = played(*overrides)
    if isinstance(next(iter(terms.values())), str):
        source = WrittenReward(spec=env.spec, expression=None, terms=terms, file=None)
    else:
        source = HandDesigned(spec=env.spec, terms=terms)
    return judge(env, source, source.init(jax.random.key(0)), steps, 0.98)


def plain(*overrides):
    return plain_values(composed(*overrides))


def checks(found):
    return [one.check for one in found.warnings]


NEAR = {"near": "-norm(next_obs)"}
UPRIGHT = {"upright": "cos(next_obs[2]) + 0.5 * cos(next_obs[0])"}
OF_X = {"weight": 1.0, "of": "next_obs[0]"}
PAIRS = {
    "a cost of living": (POLE, "death pays", UPRIGHT | {"life": "-2"}, UPRIGHT | {"life": "2"}),
    "a fall that is paid": (
        POLE, "death pays", {"life": "0.1", "fall": "10 * (abs(next_obs[2]) > 0.19)"},
        {"life": "0.1", "fall": "-10 * (abs(next_obs[2]) > 0.19)"},
    ),
    "an approach that costs nothing to lose": (
        POINT, "loop pays", {"progress": "max(norm(obs) - norm(next_obs), 0)"},
        {"progress": "norm(obs) - norm(next_obs)"},
    ),
    "fast actions": (
        POINT, "loop pays", {"fast": "norm(action)", "there": "0.1 * info.success"},
        {"fast": "norm(action)", "there": "10 * info.success"},
    ),
    "a success that ends what is paid": (
        ENDED, "loop pays", {"near": "2 - norm(next_obs)", "there": "0.1 * info.success"},
        {"near": "2 - norm(next_obs)", "there": "200 * info.success"},
    ),
    "a term that is too small": (
        POINT, "dominates", NEAR | {"calm": "-0.001 * norm(action)"}, NEAR | {"calm": "-0.1 * norm(action)"},
    ),
    "a term that is too small beside a bonus for success": (
        POINT, "dominates", NEAR | {"calm": "-0.001 * norm(action)", "there": "info.success"},
        NEAR | {"calm": "-0.1 * norm(action)", "there": "info.success"},
    ),
    "a threshold out of reach": (
        POINT, "constant", NEAR | {"right": "next_obs[0] > 1"}, NEAR | {"right": "next_obs[0] > 0.5"},
    ),
    "a bonus for everyone": (POINT, "constant", NEAR | {"life": "1"}, NEAR | {"life": "norm(action)"}),
    "a logarithm of what is negative": (
        POINT, "not finite", {"log": "log(next_obs[0])"}, {"log": "log(max(next_obs[0], 0.001))"},
    ),
    "a division by zero": (POINT, "not finite", {"far": "1 / (0 * action[0])"}, {"far": "1 / norm(next_obs)"}),
    "a number beyond all others": (
        POINT, "not finite", {"far": "exp(20 * abs(next_obs[0]))"}, {"far": "exp(2 * abs(next_obs[0]))"},
    ),
    "a clip at its bound": (
        POINT, "saturated", NEAR | {"x": "clip(100 + next_obs[0], 0, 1) + norm(action)"},
        NEAR | {"x": "clip(next_obs[0], 0, 1) + norm(action)"},
    ),
    "a clip at both of its bounds": (
        POINT, "saturated", {"x": "clip(1e9 * action[0], 0, 1)"}, {"x": "clip(action[0], 0, 1)"},
    ),
    "a maximum that is always the number": (
        POINT, "saturated", NEAR | {"x": "max(next_obs[0], 2) + norm(action)"},
        NEAR | {"x": "max(next_obs[0], 0) + norm(action)"},
    ),
    "a condition that always holds": (
        POINT, "saturated", {"x": "where(next_obs[0] > -2, norm(action), 1)"},
        {"x": "where(next_obs[0] > 0, norm(action), 1)"},
    ),
    "a clip of a hand-designed term": (
        POINT, "saturated", {"x": OF_X | {"map": "clip", "low": 2.0, "high": 3.0}},
        {"x": OF_X | {"map": "clip", "low": -0.5, "high": 3.0}},
    ),
    "hand-designed weights": (
        POINT, "dominates", {"x": OF_X | {"map": "identity"}, "y": OF_X | {"map": "abs", "weight": 0.001}},
        {"x": OF_X | {"map": "identity"}, "y": OF_X | {"map": "abs", "weight": 0.5}},
    ),
}  # fmt: skip


@pytest.mark.parametrize(("overrides", "check", "faulty", "mended"), list(PAIRS.values()), ids=list(PAIRS))
def test_a_fault_is_found_and_gone_when_it_is_mended(overrides, check, faulty, mended):
    found, after = judged(overrides, faulty), judged(overrides, mended)
    assert check in checks(found) and check not in checks(after), (found.warnings, after.warnings)
    for one in found.warnings:
        assert 1 <= one.message.rstrip(".").count(". ") + 1 <= 2 and one.message.endswith("."), one.message
        assert any(character.isdigit() for character in one.message)


T, B = 40, 4


def seen(reward, **changes):
    """Return steps [T, B] of two policies under a reward of one term; episodes have ten steps each."""
    reward = np.broadcast_to(np.asarray(reward, float), (T, B))
    ends = np.arange(T) % 10 == 9
    done = np.repeat(ends[:, None], B, axis=1)
    values = {
        "names": ("a", "b"),
        "policy": np.array([0, 0, 1, 1]),
        "terms": {"one": reward},
        "switches": {},
        "reward": reward,
        "true_reward": None,
        "terminated": done,
        "done": done,
        "success": None,
        "ends_early": True,
        "max_episode_steps": 100,
        "discount": 0.9,
    }
    return SeenSteps(**(values | changes))


def test_what_an_ending_and_staying_are_worth():
    (found,), notes = check_endings(seen(-2.0))
    assert found.numbers == pytest.approx(
        {"ending": -2 * (1 - 0.9**5) / 0.1, "staying": -2 * (1 - 0.9**100) / 0.1, "step": -2.0, "terminations": 16}
    )
    assert notes == [] and check_endings(seen(-2.0, ends_early=False)) == ([], [])
    assert check_endings(seen(0.0)) == ([], []), "nothing is paid, so that death pays as much as life"
    undiscounted = check_endings(seen(-2.0, discount=1.0))[0][0]
    assert undiscounted.numbers["staying"] == -200.0


def test_an_ending_that_the_task_asks_for_is_no_death():
    cost = np.full((T, B), -1.0)
    found, (note,) = check_endings(seen(-2.0, true_reward=cost))
    assert found == [] and "the environment's own reward" in note
    assert check_endings(seen(-2.0, true_reward=-cost))[0], "there the environment pays for living"
    done = seen(0.0).done
    assert check_endings(seen(-2.0, success=done)) == ([], []), "all endings are successes"
    cut = seen(-2.0, terminated=np.zeros_like(done))
    assert check_endings(cut) == ([], ["No episode terminated without success, so that nothing says whether death "
                                       "pays."])  # fmt: skip


def test_a_loop_needs_something_to_compare_with():
    never = np.zeros((T, B), bool)
    lives = {"terminated": never, "ends_early": False}
    assert check_loops(seen(1.0, **lives))[1] == [
        "This environment does not record success, so that nothing says whether a loop pays more."
    ]
    found, (note,) = check_loops(seen(1.0, success=never, **lives))
    assert found == [] and "No policy reached success" in note
    assert check_loops(seen(1.0, success=never, of_goals=0.5, **lives))[0]
    assert check_loops(seen(1.0, success=never, of_goals=2.0, **lives)) == ([], [])
    assert check_loops(seen(-1.0, success=never, of_goals=-2.0, **lives)) == ([], []), "what costs is no loop"
    first_half = (np.arange(T) % 10 < 5).astype(float)[:, None]
    assert check_loops(seen(first_half, success=never, of_goals=0.1, **lives)) == ([], []), "it does not go on"


def test_a_success_that_ends_an_episode_pays_once():
    success, done = np.zeros((T, B), bool), seen(0.0).done
    success[2, 3] = done[2, 3] = True
    ends = {"success": success, "done": done, "terminated": success}
    (found,), _ = check_loops(seen(np.where(success, 5.0, 1.0), **ends))
    assert "ends the episode" in found.message and found.numbers["success_per_step"] == 5.0
    assert check_loops(seen(np.where(success, 20.0, 1.0), **ends)) == ([], []), (
        "100 steps at 1 are worth 10 at discount 0.9"
    )


def test_what_pays_for_a_success_that_nobody_reached_is_a_note():
    steps = seen(0.0)
    assert [one.check for one in check_terms(steps)[0]] == ["constant"]
    found, (note,) = check_terms(replace(steps, for_success=frozenset({"one"})))
    assert found == [] and "none of these policies reached" in note


def test_episodes_are_whole_or_fill_all_steps():
    done = np.zeros((T, B), bool)
    done[[9, 14], 0] = True
    episodes = seen(1.0, done=done, terminated=done).episodes
    assert sorted(len(one.rewards) for one in episodes) == [5, 10, T, T, T]


@pytest.mark.parametrize(
    ("action", "names"),
    [
        (Discrete(3), ["action 0 repeated", "action 1 repeated", "action 2 repeated"]),
        (
            Box((1,), (0.5,), (2.0,)),
            [
                "the action nearest to 0 repeated",
                "action[0] at its lowest, repeated",
                "action[0] at its highest, repeated",
            ],
        ),
    ],
)
def test_simple_policies_keep_to_the_range(action, names):
    policies = simple_policies(make_spec(action=action), 4)
    assert [*policies.names[3:]] == names and len(policies.of) == 4 * (3 + len(names))
    memory, obs, taken = policies.behaviour.initial_memory(len(policies.of)), np.zeros((len(policies.of), 2)), []
    act = jax.jit(policies.behaviour.act)
    for key in jax.random.split(jax.random.key(0), 12):
        found, memory, _ = act(None, memory, obs, key)
        taken.append(np.asarray(found))
    taken = np.stack(taken).reshape(12, -1)
    kept, swinging = taken[:, policies.of == KEPT - 1], taken[:, policies.of == BACK_AND_FORTH - 1]
    assert (kept == kept[0]).all() and len(np.unique(kept)) >= 2
    assert all(1 <= len(np.unique(one)) <= 2 for one in swinging.T) and (taken[:, 12:] == taken[0, 12:]).all()
    if isinstance(action, Box):
        assert taken.min() == 0.5 and taken.max() == 2.0 and set(np.unique(swinging)) == {0.5, 2.0}
    else:
        assert set(np.unique(taken)) == {0, 1, 2}


def test_a_reward_of_every_seed_and_of_parts(tmp_path):
    for name, text in {"a": "-norm(next_obs)", "b": "log(next_obs[0])"}.items():
        (tmp_path / f"{name}.txt").write_text(text, encoding="utf-8")
    files = f"reward.file=[{tmp_path / 'a.txt'},{tmp_path / 'b.txt'}]"
    first, second = lint(plain("env=point", "reward=written", files, "num_seeds=2"), copies=1)
    assert checks(first) == [] and checks(second) == ["not finite"]
    near = "{weight: -1.0, of: next_obs, map: norm}"
    words = [
        "env=point",
        "reward=mixture",
        "reward@reward.parts.task=hand_designed",
        "reward@reward.parts.bonus=written",
    ]
    words += [f"+reward.parts.task.terms.near={near}", "reward.parts.bonus.expression='norm(action)'"]
    (found,) = lint(plain(*words, "reward.weights.bonus=0.001"), copies=1)
    assert [*found.deviations] == ["task_near", "bonus_expression"] and checks(found) == ["dominates"]
    assert checks(lint(plain(*words, "reward.weights.bonus=0"), copies=1)[0]) == [], "nothing is paid by that part"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("env=point", "AdversarialClassifier. has no named terms; rl_rewards.lint reads"),
        ("env=point reward=mixture", "Mixture. has no named terms"),
        ("env=text reward=written reward.expression=1", "environment of texts"),
    ],
)
def test_what_cannot_be_read_is_one_sentence(words, told):
    with pytest.raises(ConfigError, match=told):
        lint(plain(*words.split()))


def test_sizes_that_cannot_be():
    cfg = plain("env=point", "reward=written", "reward.expression=1")
    for sizes, told in (({"copies": 0}, "--copies=0 must be"), ({"length": 1}, "--steps=1 must be")):
        with pytest.raises(ConfigError, match=told):
            lint(cfg, **sizes)
