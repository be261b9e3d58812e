"""A stored configuration may only build parts, and send keys to hosts, that are ours or that the user trusts."""

import sys

import pytest

from rl_rewards.core.errors import ConfigError
from rl_rewards.loop.run_folder import config_text, parse_config, plain_values
from rl_rewards.loop.trust import check_targets, trusted_packages
from tests.runs import composed

OURS = "rl_rewards.rewards.imitation.gail.Gail"


def check(node: dict, *trust: str) -> None:
    check_targets({"reward": node}, ["reward"], trust, "config.yaml")


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A user's package with its own reward."""
    code = (
        "import os\nfrom os import system\nfrom pathlib import Path\nclass Reward:\n    pass\ndef make():\n    pass\n"
    )
    (tmp_path / "my_package.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    yield "my_package"
    sys.modules.pop("my_package", None)


def test_what_the_commands_compose_needs_no_trust():
    for reward in ("adversarial_classifier", "preferences", "linear_preferences", "curiosity", "ai_feedback", "frozen"):
        config = parse_config(config_text(plain_values(composed(f"reward={reward}"))), "config.yaml")
        check_targets(config, list(config), (), "config.yaml")


@pytest.mark.parametrize(
    ("node", "place"),
    [
        ({"_target_": "os.system", "command": "true"}, "reward._target_=os.system"),
        ({"_target_": "os.system", "_args_": ["true"]}, "reward._target_=os.system"),
        ({"_target_": "builtins.eval", "_partial_": True}, "reward._target_=builtins.eval"),
        ({"_target_": OURS, "network": {"_target_": "os.system"}}, "reward.network._target_=os.system"),
        ({"_target_": OURS, "terms": [1, {"_target_": "os.system"}]}, "reward.terms.1._target_=os.system"),
        ({"a": {"_recursive_": False, "b": {"_target_": "hydra.utils.call"}}}, "reward.a.b._target_=hydra.utils.call"),
        ({"_target_": "rl_rewards_of_mine.Reward"}, "reward._target_=rl_rewards_of_mine.Reward"),
    ],
)
def test_other_packages_are_refused_with_the_way_to_trust_them(node, place):
    with pytest.raises(ConfigError) as error:
        check(node)
    package = place.partition("=")[2].partition(".")[0]
    assert str(error.value) == (
        f"config.yaml: {place} is not a class of rl_rewards, and using it executes its code; if you trust that, name "
        f"its package: trust={package}."
    )


@pytest.mark.parametrize(
    "target",
    [
        "rl_rewards.run.os.system",  # another module, through our module
        "rl_rewards.core.files.write_whole",  # a function
        "rl_rewards.loop.provenance._git",
        "rl_rewards.studies.base.run_study",
        "rl_rewards.loop.experiment.Path",  # a class of another package
        "rl_rewards.labelers.store.LabelStore",  # a class that is not a part: it creates a file
        "rl_rewards.loop.checkpoint.everything.Checkpoints",
        "rl_rewards.rewards.imitation.gail",
    ],
)
def test_of_this_package_only_parts_are_made(target):
    with pytest.raises(ConfigError, match=r"is not a part of a run\.$"):
        check({"_target_": target})


@pytest.mark.parametrize("target", ["os:system", "os.system()", "", 3, ["os.system"], {"a": 1}, ".os.system"])
def test_a_target_that_is_no_name_is_refused(target):
    with pytest.raises(ConfigError, match="is not the name of a class"):
        check({"_target_": target})


def test_nothing_is_imported_to_find_that_out(package):
    with pytest.raises(ConfigError, match="trust=my_package"):
        check({"_target_": "my_package.Reward"})
    assert package not in sys.modules


def test_a_package_that_is_named_is_trusted_with_what_it_defines(package):
    check({"_target_": "my_package.Reward", "made": {"_target_": "my_package.make"}}, package)
    for target in ("my_package.system", "my_package.os.system", "my_package.Path"):
        with pytest.raises(ConfigError, match=r"is not a part of a run that is defined in my_package\.$"):
            check({"_target_": target}, package)
    with pytest.raises(ConfigError, match="cannot be imported"):
        check({"_target_": "my_package.Missing"}, package)


def test_an_environments_id_that_imports_a_module_needs_trust():
    node = {"_target_": "rl_rewards.envs.adapters.gymnasium.Gymnasium", "id": "my_module:Mine-v0"}
    with pytest.raises(ConfigError, match=r"reward\.id=my_module:Mine-v0 would import my_module; .*trust=my_module\.$"):
        check(node)
    check(node, "my_module")
    check({**node, "id": "Pendulum-v1"})


JUDGE = {"_target_": "rl_rewards.labelers.ai_judge.AIJudge", "key_variable": "SECRET"}


@pytest.mark.parametrize(
    ("address", "host"),
    [
        ("https://judge.example.com/v1", "judge.example.com"),
        ("http://127.0.0.1:8080/v1", "127.0.0.1:8080"),
        ("https://api.openai.com/v1", "api.openai.com"),
    ],
)
def test_an_environment_variable_is_sent_to_a_trusted_host_alone(address, host):
    node = {**JUDGE, "base_url": address}
    with pytest.raises(ConfigError) as error:
        check(node, "openai", "example", "com")
    assert str(error.value) == (
        f"config.yaml: reward would send the environment variable SECRET to {address}; if you trust that, name its "
        f"host: trust={host}."
    )
    check(node, host)
    check({**node, "key_variable": None})
    check({**node, "base_url": "embedded"})
    with pytest.raises(ConfigError, match=r"reward\.deep\.0 would send"):
        check({"_target_": OURS, "deep": [node]})


def test_the_token_of_a_label_store_is_sent_to_a_trusted_host_alone():
    node = {"labeler": {"store": "http://lab.example.org:8642", "token_file": "/home/me/.ssh/id_rsa"}}
    with pytest.raises(ConfigError, match=r"would send the token of a label store .*trust=lab.example.org:8642"):
        check_targets(node, ["labeler"], (), "config.yaml")
    check_targets(node, ["labeler"], ("lab.example.org:8642",), "config.yaml")
    check_targets({"labeler": {"store": "labels.sqlite", "token_file": None}}, ["labeler"], (), "config.yaml")
    with pytest.raises(ConfigError, match="not a plain address"):
        check_targets({"labeler": {"store": "HTTP://a@b", "token_file": None}}, ["labeler"], ("b",), "config.yaml")


def test_a_key_goes_where_it_belongs_without_trust():
    check({**JUDGE, "key_variable": "OPENAI_API_KEY", "base_url": "https://api.openai.com/v1"})
    for address in ("http://api.openai.com/v1", "https://api.openai.com/v1/../x", "https://api.openai.com.evil.org/v1"):
        with pytest.raises(ConfigError, match="would send the environment variable OPENAI_API_KEY"):
            check({**JUDGE, "key_variable": "OPENAI_API_KEY", "base_url": address})


@pytest.mark.parametrize(
    "address", ["https://good.org@evil.org/v1", "https://good.org\\@evil.org", "https://good.org?x", "", None]
)
def test_an_address_that_can_be_read_differently_is_trusted_by_no_name(address):
    with pytest.raises(ConfigError, match=r"to .*; that is not a plain address of an endpoint\.$"):
        check({**JUDGE, "base_url": address}, "good.org", "evil.org")


@pytest.mark.parametrize(
    ("given", "packages"),
    [
        (None, ()),
        ("", ()),
        ("null", ()),
        ("mine", ("mine",)),
        ("[127.0.0.1:8080, a-b.org]", ("127.0.0.1:8080", "a-b.org")),
        (["a", "b.c"], ("a", "b.c")),
        ("[a, b]", ("a", "b")),
    ],
)
def test_trust_names_packages(given, packages):
    assert trusted_packages(given) == packages


@pytest.mark.parametrize("given", [3, "a b", "/path", ["a", None], True])
def test_trust_that_names_none_is_refused(given):
    with pytest.raises(ConfigError, match=r"^trust=.* is not valid; it must be the name of a package or a host"):
        trusted_packages(given)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "is empty"),
        ("\0\0\0\n", "is empty"),
        ("a: [", "cannot be read as a configuration"),
        ("a: !!python/object/apply:os.system [true]", "cannot be read as a configuration"),
        ("- 1", "must be a mapping of keys to values"),
        ("3", "cannot be read as a configuration"),
        ("a: {b: ['${oc.env:HOME}']}", "has an interpolation at a.b.0;"),
        ("[" * 5000, "cannot be read as a configuration"),
    ],
)
def test_a_configuration_that_is_broken_is_one_sentence(text, sentence):
    with pytest.raises(ConfigError) as error:
        parse_config(text, "config.yaml")
    assert sentence in str(error.value) and "\n" not in str(error.value)
