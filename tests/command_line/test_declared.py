"""Every number of every YAML has a declared range; values outside of it are refused with a one-sentence message."""

import inspect
import math
import re
from itertools import zip_longest

import pytest
from hydra.utils import get_object
from omegaconf import OmegaConf

from rl_rewards.command_line import declared
from rl_rewards.command_line.choices import CONFIGS, list_choices
from rl_rewards.command_line.declared import Number, check_changed, check_numbers, numbers, ranges_of_classes, read
from rl_rewards.command_line.ranges import parse
from rl_rewards.core.errors import ConfigError
from tests.runs import composed


def _numeric(node, key=()):
    """Yield the keys whose values are numbers, or lists with numbers."""
    if isinstance(node, dict):
        for name, value in node.items():
            yield from _numeric(value, (*key, str(name)))
    elif any(_is_number(one) or isinstance(one, list) for one in (node if isinstance(node, list) else [node])):
        yield key


def _is_number(value):
    return isinstance(value, int | float) and not isinstance(value, bool)


GROUPS = ("env", "reward", "algorithm", "labeler")
CHOICES = {group: list(list_choices(group)) for group in GROUPS}
CHOICES["algorithm"].sort(key="bc".__eq__)  # last, because reward=airl needs the discount of an algorithm
TOGETHER = zip_longest(*([f"{group}={name}" for name in choices] for group, choices in CHOICES.items()))


@pytest.mark.parametrize("words", [[one for one in words if one] for words in TOGETHER], ids=" ".join)
def test_every_number_has_a_range_and_is_in_it(words):
    """If this fails, write a range at the beginning of the key's comment; see rl_rewards/command_line/ranges.py."""
    plain = OmegaConf.to_container(composed(*words), resolve=True)
    found = list(numbers(plain))
    known = {number.key for number in found}
    for key in _numeric(plain):
        assert any(key[:depth] in known for depth in range(len(key) + 1)), f"{'.'.join(key)} has no range"
    for number in found:
        assert number.range.fitted(number.value) == number.value


IN_EXPERIMENTS = [path for group in ("experiment", "debug") for path in sorted((CONFIGS / group).rglob("*.yaml"))]


@pytest.mark.parametrize("path", IN_EXPERIMENTS, ids=lambda path: str(path.relative_to(CONFIGS)))
def test_every_number_of_an_experiment_has_a_range(path):
    """The range is that of its own class if the YAML names it, else of any class that the experiment may choose."""
    ranges = ranges_of_classes()
    anywhere = {key for _, key in ranges}
    classes = read(path, CONFIGS).classes
    plain = OmegaConf.to_container(OmegaConf.load(path))
    for key in _numeric({name: value for name, value in plain.items() if name not in ("defaults", "sizes", "hydra")}):
        owner = next((depth for depth in range(len(key) - 1, -1, -1) if key[:depth] in classes), None)
        of_its_class = owner is not None and (classes[key[:owner]], key[owner:]) in ranges
        suffixes = {key[start:stop] for start in range(len(key)) for stop in range(start + 1, len(key) + 1)}
        deep = owner is None or len(key) - owner > 1
        assert of_its_class or (deep and suffixes & anywhere), f"{'.'.join(key)} has no range"


LAUNCHER = "hydra_plugins.rl_rewards.ClusterLauncher"
"""It hands its settings on; tests/clusters/test_jobs.py checks those of its YAMLs."""


def _written():
    """Yield (class, key) for every class that a YAML names."""
    for path in sorted(CONFIGS.rglob("*.yaml")):
        said = read(path, CONFIGS)
        for key in said.keys:
            if said.classes.get(key[:-1], LAUNCHER) != LAUNCHER:
                yield said.classes[key[:-1]], key[-1]


NAMED_BY_NUMBER = {"features", "expression"}
"""Arguments whose numbers are indices, or an expression that is only a number: their class checks them."""


def test_every_argument_that_takes_a_number_has_a_range():
    """The range is needed even if the YAML's own value is null or a word."""
    ranges = ranges_of_classes()
    for name, key in sorted(set(_written())):
        parameter = inspect.signature(get_object(name)).parameters.get(key)
        annotation = "" if parameter is None else str(parameter.annotation)
        if key not in NAMED_BY_NUMBER and re.search(r"\b(int|float)\b", annotation):
            assert any(owner == name and path[0] == key for owner, path in ranges), f"{name}.{key}: {annotation}"


def test_what_is_declared_is_of_an_argument_that_is_there():
    for owner, key in ranges_of_classes():
        if owner not in ("", LAUNCHER):
            assert key[0] in inspect.signature(get_object(owner)).parameters, f"{owner}: {key}"


def test_every_bracket_is_a_range():
    comments = [line for path in CONFIGS.rglob("*.yaml") for line in path.read_text(encoding="utf-8").splitlines()]
    brackets = [match[1] for line in comments if (match := re.search(r":.*\s#\s\[([^\]]*)\]", line))]
    assert len(brackets) > 300
    assert not [text for text in brackets if parse(text) is None]


def _wrong(range_):
    """Return values outside of the range."""
    wrong = [math.nan, math.inf, -math.inf, True, 1e300, -(10**400)]
    wrong += [] if range_.inside == "within" else ["abc", {"a": 1}]
    wrong += [2**63 - 1, 0.5] if range_.whole else []
    if range_.low > -1e9:
        wrong += [range_.low - 1] + [range_.low] * range_.above
    if range_.high < 1e9:
        wrong += [range_.high + 1] + [range_.high] * range_.below
    none = [] if "null" in range_.also else [None]
    if range_.inside == "each":
        return [*wrong, *none, *([one] for one in (*wrong, None))]
    if range_.inside == "within":
        return [one for value in wrong for one in ({"a": {"b": value}}, [[value]])]
    return [*wrong, *none]


def _refusal(number):
    try:
        declared._fit(OmegaConf.create(), [number])
    except ConfigError as error:
        return str(error)
    return f"{number} is accepted."


def test_each_corruption_of_each_key_is_refused_in_a_sentence():
    for (_, key), range_ in ranges_of_classes().items():
        for value in _wrong(range_):
            told = _refusal(Number(key, value, range_))
            assert re.fullmatch(rf"{'.'.join(key)}=.* is not valid; it must be .*\.", told), told


@pytest.mark.parametrize(
    "argument",
    [
        "seed=null",
        "total_env_steps={a: 1}",
        "examples.heldout_share=nan",
        "algorithm.max_gradient_norm=-1",
        "algorithm.model.hidden=[64,0]",
        "algorithm.model.hidden=64",
        "reward.classifier.gradient_penalty=-5",
        "reward.places.side=inf",
        "env.speed=nan",
        "labeler.bias=nan",
        "num_seeds=true",
        "evaluation.every=9223372036854775807",
        "labeler.raters=abc",
    ],
)
def test_a_composed_configuration_is_checked_wherever_the_key_stands(argument):
    key = argument.partition("=")[0]
    with pytest.raises(ConfigError, match=rf"^{key}=.* is not valid; it must be "):
        check_numbers(composed("env=point", argument))


def test_in_a_mixture_and_in_a_study_too():
    part = "reward.parts.bonus.forward_weight"
    with pytest.raises(ConfigError, match=rf"^{part}=2 is not valid; it must be a number from 0 to 1\.$"):
        check_numbers(composed("reward=mixture", f"{part}=2"))
    with pytest.raises(ConfigError, match=r"^study\.classifier\.mixup=-1 is not valid"):
        check_numbers(composed("experiment=lecture/classifiers/balanced_bound", "study.classifier.mixup=-1"))


def test_whole_floats_are_integers_and_nothing_else_changes():
    cfg = composed("total_env_steps=1e6", "seed=3.0", "algorithm.model.hidden=[8.0,8]", "examples.last_steps=null")
    before = OmegaConf.to_container(cfg)
    check_numbers(cfg)
    assert (
        repr(cfg.total_env_steps) == "1000000"
        and repr(cfg.seed) == "3"
        and repr(cfg.algorithm.model.hidden) == "[8, 8]"
    )
    after = OmegaConf.to_container(cfg)
    assert after == before, "the values are equal, and references to other keys remain"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["~seed"], "seed is missing"),
        (["~evaluation.every"], "evaluation.every is missing"),
        (["examples=null"], "examples=null is not valid; examples must keep its keys"),
        (["~env"], "A run needs a choice of env"),
    ],
)
def test_a_key_that_is_taken_out_is_named(arguments, told):
    with pytest.raises(ConfigError, match=told):
        check_numbers(composed(*arguments))


def test_only_what_is_changed_of_a_saved_configuration_is_checked():
    """An older configuration may lack keys, and may hold values that are no longer allowed."""
    saved = OmegaConf.create({"seed": -1, "total_env_steps": 1e5})
    check_changed(saved, ["total_env_steps=1e5"])
    assert repr(saved.total_env_steps) == "100000"
    with pytest.raises(ConfigError, match="seed=-1"):
        check_changed(saved, ["seed=-1"])


OWN = """
# A user's own algorithm.
defaults:
  - ppo
  - _self_
_target_: own.Algorithm
clip: 0.3
heads: 4                      # [whole 1 to 8] an argument of the user's own class
freedom: -1                   # without a range, which is not checked
"""


def test_own_parts_have_the_ranges_that_they_declare(tmp_path):
    (tmp_path / "algorithm").mkdir()
    (tmp_path / "algorithm" / "mine.yaml").write_text(OWN, encoding="utf-8")
    (tmp_path / "algorithm" / "bare.yaml").write_text("_target_: own.Bare\nnum_envs: -3.5\n", encoding="utf-8")
    check_numbers(composed(f"hydra.searchpath=[{tmp_path}]", "algorithm=bare"), [tmp_path])
    own = composed(f"hydra.searchpath=[{tmp_path}]", "algorithm=mine")
    check_numbers(own, [tmp_path])
    for key, value in (("heads", 9), ("clip", -1.0)):
        with pytest.raises(ConfigError, match=rf"^algorithm\.{key}={value} is not valid"):
            check_numbers(OmegaConf.merge(own, {"algorithm": {key: value}}), [tmp_path])
