"""A language model is pre-trained on a user's folder of text, and fine-tuned on the responses of a file."""

import pytest

from rl_rewards.core.errors import ConfigError
from tests.finished import finished_run
from tests.loop.test_given_comparisons import write_pairs
from tests.runs import rows, run_here

pytest.importorskip("tokenizers")

LM = ("env=text_prompts", "env.vocabulary=270", "algorithm=lm", "reward=environment", "algorithm.learning_rate=1e-2")


def test_a_folder_is_learned_and_then_the_responses_of_a_file(tmp_path):
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    (corpus / "a.txt").write_text("Once upon a time there was a small robot. " * 60, encoding="utf-8")
    env = (*LM, write_pairs(tmp_path / "pairs.jsonl"), f"env.corpus={corpus}")
    found = rows(finished_run(tmp_path / "pretrained", *env, "data=env:corpus", evaluated=False))
    assert found[-1]["agent/validation_loss"] < found[0]["agent/validation_loss"] - 0.5
    after = [f"pretrain.run={tmp_path / 'pretrained'}", "data=env:chosen"]
    tuned = rows(finished_run(tmp_path / "tuned", *env, *after, evaluated=False))
    assert tuned[-1]["agent/validation_loss"] < tuned[0]["agent/validation_loss"]


def test_samples_are_written_from_an_empty_prompt(tmp_path):
    (tmp_path / "a.txt").write_text("Once upon a time there was a small robot. " * 60, encoding="utf-8")
    alone = (f"env.corpus={tmp_path}", "env.response_tokens=16", "data=env:corpus", "num_seeds=2")
    last = run_here(tmp_path / "run", *LM, *alone)
    assert max(last["agent/loss"]) < 5.0 and last["eval/learned_return"] is not None
    assert not {"eval/true_return", "eval/recorded_return"} & set(last), "there is no true reward"


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        (["data=[env:chosen,other.npz]"], r"data=\[env:chosen, other\.npz\]: env:KIND cannot be joined with other"),
        (["data=env:other"], r"'other' is not a kind of texts; choose response, chosen, rejected, corpus\."),
        (["data=null"], r"or data=env:corpus for those of env\.corpus"),
    ],
)
def test_kinds_that_do_not_exist_are_refused(tmp_path, overrides, told):
    with pytest.raises(ConfigError, match=told):
        run_here(tmp_path, *LM, *overrides)


def test_an_environment_without_texts_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="data=env:corpus names texts of the environment, and point has none"):
        run_here(tmp_path, "env=point", "algorithm=iql", "reward=environment", "data=env:corpus")
