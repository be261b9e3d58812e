"""Arms extend arms: overrides keep the order in which they are written, and invalid arms are refused."""

import pytest
import yaml
from hydra import initialize_config_dir

from rl_rewards.command_line.choices import CONFIGS
from rl_rewards.core.errors import ConfigError
from rl_rewards.studies.arms import require_arms, resolved_arms, stage_name, with_folders


def resolved(text):
    return resolved_arms(yaml.safe_load(text))


def test_an_arm_has_the_overrides_of_those_that_it_extends():
    arms = resolved("""
        both: [seed=1, extends: [_part, later], seed=2]
        later: [extends: plain, b=1]
        plain: [a=1]
        _part: [c=1]
    """)
    assert arms == {"both": ["c=1", "a=1", "b=1", "seed=2"], "later": ["a=1", "b=1"], "plain": ["a=1"]}
    assert list(arms) == ["both", "later", "plain"], "the arms are in the order in which they run"
    assert resolved_arms({}) == {}


def test_an_arm_does_not_need_what_a_replaced_value_refers_to():
    arms = resolved("""
        first: [+a.b=1]
        second: [reward.run=@first]
        third: [extends: [first, second], reward.run=@last, ~c, +a.b=2]
        last: []
    """)
    assert arms["third"] == ["+a.b=1", "reward.run=@last", "~c", "+a.b=2"]
    require_arms(["third", "last"], arms)


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


def test_a_reference_becomes_the_folder_of_an_earlier_arm():
    given = ["pretrain=@one", "data=[run:@one,run:@two,file.npz]", "reward.run=@one@best", "/model@reward.model=mlp"]
    assert with_folders("three", given, {"one": "a/1", "two": "b"}) == [
        "pretrain=a/1",
        "data=[run:a/1,run:b,file.npz]",
        "reward.run=a/1@best",
        "/model@reward.model=mlp",
    ]
    with pytest.raises(ConfigError, match=r"arm three needs the arm two, which does not run before it; .* are one"):
        with_folders("three", given, {"one": "a/1"})


def test_a_shared_arm_may_only_need_shared_arms():
    arms = resolved("{one: [a=1], two: [pretrain=@one], three: []}")
    require_arms(["one", "two"], arms)
    with pytest.raises(ConfigError, match="shared names four, which is not an arm; there are one, two, three"):
        require_arms(["four"], arms)
    with pytest.raises(ConfigError, match="The shared arm two needs one, which is not shared"):
        require_arms(["two"], arms)


def test_stages_are_the_same_if_their_configurations_are():
    def name(*overrides):
        return stage_name("one", ["env=point", "reward=environment", *overrides])

    plain = name("seed=3")
    assert plain.startswith("one-") and plain == name("seed=4", "video=false", "seed=3", "logger=none")
    assert plain != name("seed=4") and plain != name("seed=3", "algorithm.discount=0.9")
    assert name("pretrain=one-123") != name("pretrain=one-456"), "another earlier stage is another stage"
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        assert name("seed=3") == plain, "a study asks while Hydra runs its own command"
