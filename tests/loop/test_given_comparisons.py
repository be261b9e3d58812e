"""A user's file of compared responses trains a reward model, then RL against it, and DPO without a reward model."""

import json
import shutil
from pathlib import Path

import jax
import numpy as np
import pytest

from rl_rewards.core.errors import ConfigError
from rl_rewards.loop import build, supplied
from rl_rewards.loop.sources import restore_from_run
from tests.finished import cut_back, finished_run, resumed_run
from tests.runs import composed, digest_of, rows, run_here

pytest.importorskip("tokenizers")

PAIRS = 60
KIND = ("yes, with pleasure", "of course", "gladly")
RUDE = ("no", "go away", "why me")
STEPS = "total_env_steps=160"


def write_pairs(path, pairs: int = PAIRS) -> str:
    """Write comparisons in which every kind answer is preferred to a rude one; return the override that names them."""
    lines = [{"prompt": f"Task {i}?", "chosen": KIND[i % 3], "rejected": RUDE[(i // 3) % 3]} for i in range(pairs)] + [
        {"prompt": "Anything else?"}
    ]  # a line without a comparison
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return f"env.path={path}"


def with_file(path: str, *overrides: str) -> list[str]:
    small = ["algorithm.model.layers=1"] if any(one.startswith("algorithm=") for one in overrides) else []
    return ["env=text_prompts", path, "env.vocabulary=280", STEPS, *overrides, *small]


def reward_model(path: str, *overrides: str) -> list[str]:
    """Return the overrides of a run in which a reward model learns from a file, and nobody is asked."""
    learning = ["reward.answers_from=file", "reward.updates_per_round=20", "reward.reward_model.learning_rate=1e-2"]
    learning += ["reward.reward_model.begins_with=nothing", "reward.reward_model.model.layers=1"]
    return with_file(path, "algorithm=sampler", "reward=text_preferences", *learning, *overrides)


@pytest.fixture(scope="module")
def learned(tmp_path_factory):
    """Return the override that names a file, and the folder of a finished run of a reward model on it."""
    folder = tmp_path_factory.mktemp("given")
    path = write_pairs(folder / "pairs.jsonl")
    return path, finished_run(folder / "reward_model", *reward_model(path), evaluated=False)


def test_a_reward_model_learns_from_the_file_and_is_right_about_held_out_prompts(learned):
    path, run_dir = learned
    last = rows(run_dir)[-1]
    assert last["reward/labels"] == PAIRS and last["reward/queries"] == 0
    assert last["reward/heldout_accuracy"] == 1.0
    restored = restore_from_run(run_dir)
    found = restored.source.comparisons(restored.state)
    env = build.build_env(composed(*with_file(path)))
    text = restored.spec.text
    assert text.comparisons == PAIRS == found.inputs.shape[0] and np.all(found.known)
    for i in (0, 31):
        tokens = np.asarray(found.inputs)[i, :, 0].astype(int)
        assert [env.decode(row[text.prompt_tokens :]) for row in tokens] == [KIND[i % 3], RUDE[(i // 3) % 3]]
        assert env.decode(tokens[0][: text.prompt_tokens]) == f"Task {i}?"
    np.testing.assert_array_equal(found.scores, np.tile([1.0, 0.0], (PAIRS, 1)))


def test_no_labeler_is_made_if_the_file_answers(learned):
    path, _ = learned
    assert build.build(composed("debug=smoke", *reward_model(path, "labeler=human"))).parts.labeling is None


@pytest.mark.long
def test_rl_follows_the_reward_that_was_learned_from_the_file(learned, tmp_path):
    path, run_dir = learned
    frozen = ["algorithm=rloo", "reward=frozen", f"reward.run={run_dir}"]
    assert np.isfinite(run_here(tmp_path, *with_file(path, *frozen), evaluated=False)["agent/reward_mean"])


def with_dpo(path: str) -> list[str]:
    steps = ["algorithm.learning_rate=1e-2", "algorithm.rounds=5"]
    return with_file(path, "algorithm=dpo", "reward=environment", *steps)


@pytest.fixture(scope="module")
def dpo(learned, tmp_path_factory):
    """Return the folder of a run of DPO on the file."""
    folder = tmp_path_factory.mktemp("dpo")
    run_here(folder, *with_dpo(learned[0]), evaluated=False)
    return folder


def test_dpo_learns_from_the_file_without_a_reward_model(dpo):
    last = rows(dpo)[-1]
    assert last["agent/comparisons"] == PAIRS
    assert last["agent/chosen_log_ratio"] > last["agent/rejected_log_ratio"]
    assert last["agent/heldout_accuracy"] == 1.0


def test_dpo_learns_from_the_comparisons_of_a_frozen_reward_first(learned, tmp_path):
    path, run_dir = learned
    both = ["algorithm=dpo", "reward=frozen", f"reward.run={run_dir}"]
    experiment = build.build(composed("debug=smoke", *with_file(path, *both)))
    assert "compared" not in supplied.build_data(*experiment), "the reward keeps them itself"


def test_labels_are_added_to_the_comparisons_of_the_file(learned, tmp_path):
    path, _ = learned
    more = ["reward.answers_from=both", "labeler=oracle"]
    run_here(tmp_path, *reward_model(path, *more), evaluated=False)
    found = rows(tmp_path)
    assert found[0]["reward/labels"] == PAIRS, "of the file, before the first answers are absorbed"
    assert found[-1]["reward/labels"] == PAIRS + 24 and found[-1]["reward/queries"] == 24
    assert found[-1]["reward/heldout_accuracy"] == 1.0, "a file has no true reward, so that the oracle's are ties"


def test_a_mixture_hands_the_comparisons_to_the_part_that_takes_them(learned):
    path, _ = learned
    parts = ["reward@reward.parts.task=text_preferences", "reward@reward.parts.bonus=zero"]
    changes = ("answers_from=file", "reward_model.begins_with=nothing", "reward_model.model.layers=1")
    keys = [f"reward.parts.task.{key}" for key in changes]
    mixed = with_file(path, "algorithm=sampler", "reward=mixture", *parts, *keys)
    experiment = build.build(composed("debug=smoke", *mixed))
    compared, source = supplied.build_data(*experiment)["compared"], experiment.parts.source
    state = source.begin_with_comparisons(source.init(jax.random.key(0)), compared)
    found = source.comparisons(state)
    assert found is not None and found.inputs.shape[0] == PAIRS
    np.testing.assert_array_equal(found.inputs[:, :, 0], compared.segments.next_obs[:, :, 0])


def test_a_run_that_stopped_ends_with_the_same_bits_and_refuses_another_file(learned, tmp_path):
    path, whole = learned
    part = shutil.copytree(whole, tmp_path / "part")
    cut_back(part)
    file = Path(path.removeprefix("env.path="))
    text = file.read_text(encoding="utf-8")
    swapped = text.replace("chosen", "x").replace("rejected", "chosen").replace("x", "rejected", PAIRS)
    file.write_text(swapped, encoding="utf-8")
    with pytest.raises(ConfigError, match="differ from those that this run was started with"):
        resumed_run(part, 160)
    file.write_text(text, encoding="utf-8")
    assert digest_of(resumed_run(part, 160, evaluated=False)) == digest_of(whole)


def test_many_comparisons_are_measured_in_pieces_with_the_same_result(learned, tmp_path, monkeypatch):
    path, run_dir = learned
    monkeypatch.setattr("rl_rewards.rewards.preferences.reward_model.AT_ONCE", 4)
    run_here(tmp_path / "model", *reward_model(path, "total_env_steps=32"), evaluated=False)
    pieces = rows(tmp_path / "model")
    for one, other in zip(rows(run_dir), pieces, strict=False):
        assert one["reward/heldout_calibration_error"] == pytest.approx(other["reward/heldout_calibration_error"])
    assert pieces


def refused(tmp_path, told: str, *overrides: str) -> None:
    with pytest.raises(ConfigError, match=told):
        run_here(tmp_path, *overrides)


def test_files_that_cannot_be_learned_from_are_refused_in_one_sentence(tmp_path):
    path = write_pairs(tmp_path / "pairs.jsonl")
    none = tmp_path / "none.jsonl"
    none.write_text('{"prompt": "a", "response": "b"}\n', encoding="utf-8")
    other = ["env=text", "algorithm=sampler", "reward=text_preferences", "reward.answers_from=file", STEPS]
    refused(
        tmp_path / "a", r"reward\.answers_from=file learns from responses that a file compares, and text has", *other
    )
    refused(tmp_path / "b", r"a file compares, and text_prompts has none; choose", *reward_model(f"env.path={none}"))
    refused(tmp_path / "c", r"answers_from=file learns from pairs", *reward_model(path, "reward.clips=3"))
    dpo = ["algorithm=dpo", "reward=environment"]
    refused(tmp_path / "d", r"this reward has none; choose .* env\.path=FILE", *with_file(f"env.path={none}", *dpo))
    few = write_pairs(tmp_path / "few.jsonl", 1)
    held = r"reward\.heldout_every=7 holds out the prompts of \d of the file's 1 comparisons, but some are needed"
    refused(tmp_path / "e", held, *reward_model(few, "reward.keep_best=false"))


def test_responses_that_the_tokenizer_makes_equal_or_empty_are_refused(tmp_path):
    tokenizers = pytest.importorskip("tokenizers")
    inner = tokenizers.Tokenizer(tokenizers.models.WordLevel({"<pad>": 0, "<end>": 1, "yes": 2, "a": 3}, None))
    inner.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    changes = [tokenizers.normalizers.Lowercase(), tokenizers.normalizers.Replace("x", "")]
    inner.normalizer = tokenizers.normalizers.Sequence(changes)
    inner.save(str(tmp_path / "tokenizer.json"))
    file = tmp_path / "pairs.jsonl"
    for row, told in (
        ({"chosen": "Yes", "rejected": "yes"}, r"line 2: chosen and rejected have the same tokens"),
        ({"chosen": "yes", "rejected": "x"}, r"line 2: rejected has no tokens; leave the line out"),
        (
            {"chosen": "yes", "rejected": "no"},
            r"The text 'no' has something that is not in the vocabulary",
        ),
    ):
        lines = [{"prompt": "a", "chosen": "yes a", "rejected": "yes"}, {"prompt": "a", **row}]
        file.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
        known = [f"env.tokenizer={tmp_path / 'tokenizer.json'}", "algorithm=dpo", "reward=environment"]
        refused(tmp_path, told, *with_file(f"env.path={file}", *known))
