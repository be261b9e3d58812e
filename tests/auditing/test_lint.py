"""Faults of written rewards are found, and are gone when they are mended; each pair differs in nothing else."""

from dataclasses import replace
from functools import cache

import jax
import numpy as np
import pytest

from rl_rewards.auditing.lint.endings import check_endings
from rl_rewards.auditing.lint.loops import check_loops
from rl_rewards.auditing.lint.play import play
from rl_rewards.auditing.lint.policies import simple_policies
from rl_rewards.auditing.lint.seen import SeenSteps
from rl_rewards.auditing.lint.whole import judge, lint
from rl_rewards.core.errors import ConfigError
from rl_rewards.core.types import Discrete
from rl_rewards.loop.behaviours import Recorder
from rl_rewards.loop.build import build_env
from rl_rewards.rewards.hand_designed import HandDesigned
from rl_rewards.rewards.mixture import Mixture
from rl_rewards.rewards.written.written import WrittenReward
from tests.probes import make_rollout, make_spec
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
    "a threshold out of reach": (
        POINT, "constant", NEAR | {"right": "where(next_obs[0] > 1, 1, 0) * 1"},
        NEAR | {"right": "where(next_obs[0] > 0.5, 1, 0) * 1"},
    ),
    "a bonus for everyone": (POINT, "constant", NEAR | {"life": "1"}, NEAR | {"life": "norm(action)"}),
    "a logarithm of what is negative": (
        POINT, "not finite", {"log": "log(next_obs[0])"}, {"log": "log(max(next_obs[0], 0.001))"},
    ),
    "a division by zero": (POINT, "not finite", {"far": "1 / 0"}, {"far": "1 / norm(next_obs, 1)"}),
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
