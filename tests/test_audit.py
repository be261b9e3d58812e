"""``python -m rl_rewards.audit`` on finished runs: what it prints, the page, and what it refuses."""

import json
import shutil

import pytest

from rl_rewards.audit import PAGE, main
from rl_rewards.auditing.whole import audit
from rl_rewards.auditing.words import in_words
from rl_rewards.core.errors import ConfigError
from tests.finished import finished_run, untrained
from tests.test_readme_commands import ASKS


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A finished run on point with an ensemble that learned from stored comparisons."""
    return finished_run(tmp_path_factory.mktemp("audited") / "run", *ASKS, evaluated=False)


def test_the_command_prints_and_writes_a_page_and_numbers(run, tmp_path, capsys):
    out = tmp_path / "audit.json"
    main([str(run), "--count", "40", "--out", str(out)])
    printed = capsys.readouterr().out
    for part in (
        "path length",
        "jerkiness",
        "action size",
        "EPIC distance",
        "DARD distance",
        "unlike the training data",
    ):
        assert part in printed, part
    assert "40 segments of 20 steps" in printed and "all 3 members agree on" in printed
    page = (run / PAGE).read_text(encoding="utf-8")
    assert "What the reward pays for, by intervention" in page and "simulated again" in page and "http" not in page
    told = json.loads(out.read_text())
    assert {one["name"] for one in told["effects"]} == {"path length", "jerkiness", "action size"}
    assert 0.0 <= told["distances"]["DARD"] <= 1.0 and 0.0 <= told["distances"]["EPIC"] <= 1.0
    assert told["coverage"]["comparisons"] > 2 and 0.0 <= told["coverage"]["new"] <= 1.0


def test_stored_pairs_are_audited_too(run):
    found = audit(str(run), pairs=True)
    assert "pairs in the run's label store" in found.drawn
    assert "impossible" in next(one.what for one in found.effects if one.name == "path length")
    assert set(found.distances) == {"EPIC"}, "the states of a store cannot be simulated again"
    assert any("comparisons that it was learned from" in line for line in in_words(found))


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"count": 3}, "--count=3 must be at least"),
        ({"random": 2.0}, "--random=2.0 must be a share"),
        ({"margin": -1.0}, "--margin=-1.0 must be at least 0"),
        ({"word": "hope", "count": 40}, "--word=hope is for texts"),
        ({"seed": 7}, "has no seed 7"),
    ],
)
def test_options_that_cannot_be(run, options, told):
    with pytest.raises(ConfigError, match=told):
        audit(str(run), **options)


def test_what_is_no_run_or_has_no_pairs(run, tmp_path, capsys):
    with pytest.raises(SystemExit) as left:
        main([str(tmp_path / "nothing")])
    assert left.value.code == 2 and "does not exist" in capsys.readouterr().err
    copy = tmp_path / "copy"
    shutil.copytree(run, copy)
    (copy / "labels.sqlite").unlink()
    with pytest.raises(ConfigError, match="holds no label store with pairs"):
        audit(str(copy), pairs=True)


def test_the_true_reward_was_not_learned(tmp_path):
    path = untrained(tmp_path / "true", "reward=environment")
    with pytest.raises(ConfigError, match="reads env_reward, which an edited segment does not have"):
        audit(str(path))
