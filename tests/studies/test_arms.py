"""Arms extend arms: overrides keep the order in which they are written, and invalid arms are refused."""

import pytest
import yaml

from rl_rewards.core.errors import ConfigError
from rl_rewards.studies.arms import resolved_arms


def resolved(text):
    return resolved_arms(yaml.safe_load(text))


def test_an_arm_has_the_overrides_of_those_that_it_extends():
    arms = resolved("""
        both: [seed=1, extends: [_part, later], seed=2]
        later: [extends: plain, b=1]
        plain: [a=1]
        _part: [c=1]
    """)
    assert arms == {"both": ["seed=1", "c=1", "a=1", "b=1", "seed=2"], "later": ["a=1", "b=1"], "plain": ["a=1"]}
    assert list(arms) == ["both", "later", "plain"], "the arms are in the order in which they run"
    assert resolved_arms({}) == {}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{a: [extends: b]}", r"The arm a extends b, which is not an arm; there are a\."),
        ("{a: [extends: b], b: [extends: c], c: [extends: b]}", r"The arm b extends itself: a -> b -> c -> b\."),
        ("{a: [extends: a]}", r"The arm a extends itself: a -> a\."),
        ("{a: seed=1}", r"arms\.a=seed=1 is not valid; an arm is a list of overrides\."),
        ("a: ???", r"arms\.a has no value"),
        ("{a: [{seed: 1}]}", r"The arm a holds \{'seed': 1\}, which is neither KEY=VALUE nor extends: NAME\."),
    ],
)
def test_what_is_no_arm_is_told(text, told):
    with pytest.raises(ConfigError, match=told):
        resolved(text)
