"""Texts without a true reward: nothing is shown as one, and the return under parts with weight 0 is reported."""

import json

import pytest

from rl_rewards.command_line import sweep
from rl_rewards.command_line.outcome import print_outcome
from rl_rewards.core.errors import ConfigError
from rl_rewards.core.types import EnvSpec
from rl_rewards.loop import build, compatibility
from rl_rewards.loop.best import best_choice
from rl_rewards.reporting.glossary import meaning
from rl_rewards.reporting.page import write_report
from rl_rewards.reporting.run_files import read_run
from rl_rewards.reporting.verdict import judge
from tests.finished import finished_run
from tests.loop.test_given_comparisons import with_file, write_pairs
from tests.runs import composed, rows

pytest.importorskip("tokenizers")

TRUE = ("eval/true_return", "eval/true_return_deterministic", "train/true_reward", "train/same_start_accuracy")


@pytest.fixture(scope="module")
def stages(tmp_path_factory):
    """Return the override that names a file, and the folder of RL on a random reward beside one that never pays."""
    folder = tmp_path_factory.mktemp("unpaid")
    path = write_pairs(folder / "pairs.jsonl")
    parts = ["reward@reward.parts.task=random", "reward@reward.parts.bonus=constant", "reward.weights.bonus=0"]
    parts.append("env.heldout_every=7")
    return path, finished_run(folder / "rl", *with_file(path, "algorithm=rloo", "reward=mixture", *parts))


def test_no_metric_is_of_a_true_reward_that_does_not_exist(stages):
    _, run_dir = stages
    found = rows(run_dir)
    assert not any(row.get(key) is not None for row in found for key in TRUE)
    assert {key for row in found for key in row if meaning(key) is None} == set(), "the glossary lacks a metric"
    last = found[-1]
    assert last["eval/unpaid_return"] == pytest.approx(1.0) != last["eval/learned_return"]
    assert EnvSpec.load(run_dir / "spec.json").has_true_reward is False
    assert sweep.score(last) == last["eval/unpaid_return"]


def test_reports_say_that_there_is_no_true_reward(stages, blank_figures, capsys):
    _, run_dir = stages
    print_outcome(rows(run_dir)[-1], run_dir, 0, None)
    told = capsys.readouterr().out
    assert "There is no true reward; the learned return is" in told and "and the unpaid return is" in told
    assert "true return" not in told
    page = write_report(run_dir).read_text(encoding="utf-8")
    assert "the highest learned reward" in page and "Unpaid return" in page
    assert "True return" not in page and "compared with the true one" not in page
    assert 'class="number">true<' not in page
    summary = judge(read_run(run_dir))
    assert [tile.label for tile in summary.tiles][:2] == ["Learned return", "Unpaid return"]
    texts = json.loads(next((run_dir / "evaluations").glob("*.texts.json")).read_text(encoding="utf-8"))["seeds"][0]
    assert {one["gold"] for one in texts} == {None}
    assert {one["why"] for one in texts} <= {"first", "highest", "lowest"}


def test_the_stored_texts_answer_held_out_prompts(stages):
    path, run_dir = stages
    env = build.build_env(composed(*with_file(path, "env.heldout_every=7"))).episodes.evaluated
    kept = {env.decode(row) for row in env.prompts[0]}
    stored = sorted((run_dir / "evaluations").glob("*.texts.json"))
    texts = [one for file in stored for one in json.loads(file.read_text(encoding="utf-8"))["seeds"][0]]
    assert texts and {one["prompt"] for one in texts} <= kept


def test_the_best_state_is_not_chosen_by_a_true_return(stages):
    path, run_dir = stages
    assert json.loads((run_dir / "best.json").read_text(encoding="utf-8"))["criterion"] == "unpaid_return"
    parts = build.build(composed("debug=smoke", *with_file(path, "algorithm=sampler", "reward=environment"))).parts
    assert best_choice("auto", parts.env, parts.source) is None
    with pytest.raises(ConfigError, match=r"checkpoint\.best=true_return, but text_prompts has no true reward; choose"):
        best_choice("true_return", parts.env, parts.source)


def test_nobody_follows_or_compares_a_true_reward_that_does_not_exist(stages):
    path, _ = stages
    with pytest.raises(ConfigError, match="This reward pays the true reward, and text_prompts has none; choose"):
        build.build(composed("debug=smoke", *with_file(path, "algorithm=rloo", "reward=environment")))
    asking = with_file(path, "algorithm=sampler", "reward=text_preferences", "labeler=oracle")
    parts = build.build(composed("debug=smoke", *asking, "reward.reward_model.begins_with=nothing")).parts
    assert any("all its answers are ties" in one for one in compatibility.warnings(parts))
