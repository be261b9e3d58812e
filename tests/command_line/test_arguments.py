"""Command-line arguments are converted to Hydra's syntax, or refused with a one-sentence message."""

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import given
from hypothesis import strategies as st

from rl_rewards.command_line.arguments import mended, missing_choice, moved_key, quoted, unknown_key, unreadable
from rl_rewards.core.errors import ConfigError


def read(argument: str):
    return OverridesParser.create().parse_override(argument).value()


@given(st.text(st.characters(exclude_categories=["C", "Z"], include_characters=" "), max_size=20))
def test_a_quoted_text_is_read_as_it_is(text):
    value = read(f"key={quoted(text)}")
    assert str(getattr(value, "text", value)) == text


@pytest.mark.parametrize(
    "path", ["a=b.npz", "run (1)/x.npz", "a,b.npz", "it's {x}/[y]", "#1~", "plain/a-b_c.npz", "1e5"]
)
def test_a_path_needs_no_quotes(path):
    for key in ("examples.path", "demos", "hydra.run.dir", "+reward.run"):
        (argument,) = mended([f"{key}={path}"])
        value = read(argument)
        assert str(getattr(value, "text", value)) == path


def test_home_is_the_tilde(monkeypatch):
    monkeypatch.setenv("HOME", "/a home")
    assert mended(["demos=~/x.npz"]) == ["demos=/a home/x.npz"]


def test_what_is_meant_for_hydra_stays():
    for one in (
        "demos='a,b'",
        "hydra.run.dir=outputs/${now:%Y}",
        "demos=null",
        "labeler.ask=a=b",
        "--multirun",
        "~seed",
    ):
        assert mended([one]) == [one]
    several = "data=[a.npz,run:outputs/x@3]"
    assert mended([several]) == [several], "a list of recordings"
    assert mended(["data=a,b.npz"]) == ['data="a,b.npz"']
    assert mended(["--multirun", "demos=a.npz,b.npz"]) == ["--multirun", "demos=a.npz,b.npz"], "a sweep over two files"
    assert mended(["--multirun", "hydra.sweep.dir=a,b"]) == ["--multirun", 'hydra.sweep.dir="a,b"']


def test_pretrain_is_short_for_its_run():
    assert mended(["pretrain=a b"]) == ["pretrain.run=a b"]


def test_null_chooses_nothing():
    assert mended(["debug=null", "env=point", "experiment=null"]) == ["env=point"]
    assert mended(["experiment=quickstart", "experiment=null"]) == []
    assert mended(["experiment=null", "experiment=quickstart"]) == ["experiment=quickstart"]


@pytest.mark.parametrize(
    "argument", ["env=2", "env=null", "logger=null", "reward=true", "algorithm=1e3", "debug=null,smoke"]
)
def test_what_can_be_no_name_of_a_choice_is_refused(argument):
    with pytest.raises(ConfigError, match="is not a choice of") as refused:
        mended([argument, "--multirun"])
    assert "\n" not in str(refused.value) and str(refused.value).endswith(".")


@pytest.mark.parametrize(
    ("name", "instead"),
    [
        ("experiment/balanced_bound", "did you mean experiment=lecture/classifiers/balanced_bound?"),
        ("experiment/lecture/balanced_bond", "did you mean experiment=lecture/classifiers/balanced_bound?"),
        ("experiment/stability", "stability/pencil_case or experiment=lecture/classifiers/stability/point?"),
        ("experiment/lecture/quickstart", "did you mean experiment=quickstart?"),
        ("env/pont", "did you mean env=point?"),
        ("env/Hopper-v5", "env=gymnasium env.id=Hopper-v5 takes"),
        ("env/ALE/Pong-v5", "env=gymnasium env.id=ALE/Pong-v5 takes"),
        ("env/my_module:MyEnv-v0", "env=gymnasium env.id=my_module:MyEnv-v0 takes"),
        ("classifier@reward.classifier/mpl", "did you mean classifier=mlp?"),
        ("reward/magic", "Available options in 'reward': adversarial_classifier, ai_feedback"),
    ],
)
def test_close_matches_are_offered_in_folders_too(name, instead):
    assert instead in missing_choice(f"Could not find '{name}'")


@pytest.mark.parametrize(
    ("before", "now"),
    [
        ("lecture/main_job", "lecture/classifiers/main_job"),
        ("lecture/gail_benchmark/acrobot", "lecture/demonstrations/gail_benchmark/acrobot"),
    ],
)
def test_a_name_from_before_the_chapters_is_answered_with_the_new_one(before, now):
    assert missing_choice(f"Could not find 'experiment/{before}'") == (
        f"Could not find 'experiment/{before}'; it is experiment={now} now."
    )


@pytest.mark.parametrize(
    ("key", "now"),
    [
        ("algorithm.hidden", "algorithm.model.hidden"),
        ("reward.classifier.spectral_norm", "reward.classifier.model.spectral_norm"),
        ("reward.parts.bonus.activation", "reward.parts.bonus.model.activation"),
        ("reward.model.dropout", "reward.reward_model.model.dropout"),
        ("reward.model.ensemble", "reward.reward_model.ensemble"),
    ],
)
def test_keys_that_have_moved_are_told_where_they_are(key, now):
    assert moved_key(f"Could not override '{key}'.") == f"Could not override '{key}': it is {now} now."


@pytest.mark.parametrize("key", ["algorithm.hiden", "algorithm.model.hidden", "env.speed"])
def test_other_keys_have_not_moved(key):
    assert moved_key(f"Could not override '{key}'.") is None


@pytest.mark.parametrize(
    ("key", "instead"),
    [
        ("algorithm.learning_rte", "did you mean algorithm.learning_rate"),
        ("total_env_step", "did you mean total_env_steps?"),
        ("xyzzy", "--help keys lists them all."),
    ],
)
def test_a_key_that_is_not_there_is_answered_with_those_like_it(key, instead):
    assert f"Could not override '{key}': there is no such option; {instead}" in unknown_key(
        f"Could not override '{key}'."
    )


def test_a_value_that_hydra_cannot_read_is_shown_in_quotes():
    assert unreadable("labeler.ask=What (now)?", "it is odd").endswith("""'labeler.ask="What (now)?"'.""")
    assert unreadable("seed=[1", "no end").endswith("cannot be read as KEY=VALUE: no end."), "no text"
