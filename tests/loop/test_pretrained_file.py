"""Runs that begin with a file of pretrained weights, here a tiny GGUF file with a tokenizer of bytes."""

import jax
import numpy as np
import pytest

from rl_rewards.command_line.pretrained import take_sizes
from rl_rewards.core.errors import ConfigError
from rl_rewards.loop.policies import restore_policy
from rl_rewards.loop.run_folder import read_config
from rl_rewards.models.transformer.pretrained import load_pretrained, load_tokenizer
from tests.finished import cut_back, finished_run, resumed_run
from tests.models.transformer.small import transformer
from tests.models.transformer.test_pretrained import write_gguf
from tests.runs import composed

pytest.importorskip("gguf")
tokenizers = pytest.importorskip("tokenizers")

LEARNER = ("algorithm=best_of_n", "algorithm.same_start=4", "reward=constant", "algorithm.num_envs=8")
LORA = "algorithm.model.lora_rank=2"


def bytes_of(extra: str = "") -> list[str]:
    """Return a vocabulary of two special tokens, all bytes, and a pair of them."""
    return ["<pad>", "<end>", *sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet()), "he", *filter(None, [extra])]


def model_file(path, words: list[str], **changes):
    """Write a small model with these tokens, and return the path."""
    model = transformer(vocabulary=len(words), width=64, layers=2, heads=4, kv_heads=2, hidden=96)
    params = jax.jit(model.language_model().init)(jax.random.key(0), np.ones((1, 1), np.int32))
    return write_gguf(path, params, words=words, **changes)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights")
    (folder / "prompts.jsonl").write_text('{"prompt": "Hi"}\n{"prompt": "Hello"}\n')
    return model_file(folder / "tiny.gguf", bytes_of())


def begun(weights, *overrides: str) -> list[str]:
    env = ["env=text_prompts", f"env.path={weights.parent / 'prompts.jsonl'}", "env.response_tokens=8"]
    return [*env, f"env.tokenizer={weights}", f"pretrain.run={weights}", *LEARNER, LORA, *overrides]


def test_a_run_begins_with_a_file_and_resumes_without_it(weights, tmp_path):
    copy, vocabulary = tmp_path / "copy.gguf", tmp_path / "tokenizer.json"
    copy.write_bytes(weights.read_bytes())
    load_tokenizer(weights).save(str(vocabulary))
    run = tmp_path / "run"
    own = [f"env.tokenizer={vocabulary}", "total_env_steps=16", "checkpoint.every=1"]
    finished_run(run, *begun(weights, f"pretrain.run={copy}", *own), evaluated=False)
    model = read_config(run, [], ())["algorithm"]["model"]
    assert [model[name] for name in ("vocabulary", "width", "layers", "kv_heads", "lora_rank")] == [259, 64, 2, 2, 2]
    assert model["rope_base"] == 500.0
    _, expected = load_pretrained(weights)
    found = dict(restore_policy(run).state.params["model"]["params"])
    assert any(np.any(leaf != 0) for leaf in jax.tree.leaves(found.pop("lora")["q"]["b"])), "the adapters learn"
    jax.tree.map(np.testing.assert_array_equal, found, expected["params"])

    later = composed(*begun(weights, f"pretrain.run={run}", *own))
    take_sizes(later, [], tmp_path / "later")
    assert (later.algorithm.model.vocabulary, later.algorithm.model.width) == (259, 64), (
        "a run that begins with this one has its sizes"
    )

    done = (run / "DONE").read_text()
    cut_back(run)
    copy.unlink()
    resumed_run(run, 16, evaluated=False)
    digests = [text.split('"digest": ')[1].split(",")[0] for text in (done, (run / "DONE").read_text())]
    assert digests[0] == digests[1]
    with pytest.raises(ConfigError, match=r"copy\.gguf does not exist; the run in .* continue it with resume="):
        finished_run(run, *begun(weights, f"pretrain.run={copy}", *own), evaluated=False)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["pretrain.run=none.gguf"], r"pretrain=none\.gguf does not exist\."),
        (["pretrain.seed=0"], r"is a file of weights, without players and seeds; leave pretrain\.part and \.seed out"),
        (
            ["env.tokenizer=null", "env.vocabulary=258"],
            r"was trained on another tokenizer than that of this run's text_prompts; choose",
        ),
    ],
)
def test_a_file_that_cannot_be_begun_with_is_one_sentence(weights, tmp_path, overrides, message):
    with pytest.raises(ConfigError, match=message):
        finished_run(tmp_path / "run", *begun(weights, *overrides), evaluated=False)


def test_another_architecture_and_another_tokenizer_are_refused(weights, tmp_path):
    other = model_file(tmp_path / "other.gguf", bytes_of(), architecture="qwen2")
    with pytest.raises(ConfigError, match=r'has the architecture "qwen2"; only "llama" can be loaded from GGUF'):
        finished_run(tmp_path / "run", *begun(weights, f"pretrain.run={other}"), evaluated=False)
    other = model_file(tmp_path / "more.gguf", bytes_of("more"))
    with pytest.raises(ConfigError, match=r"more\.gguf was trained on another tokenizer than that of this run's"):
        finished_run(tmp_path / "run", *begun(weights, f"pretrain.run={other}"), evaluated=False)
    with pytest.raises(ConfigError, match=r"is less than the 260 tokens of text_prompts; it must be at least that"):
        finished_run(tmp_path / "other", *begun(weights, f"env.tokenizer={other}"), evaluated=False)


def test_a_policy_that_is_no_language_model_cannot_begin_with_a_file(weights, tmp_path):
    overrides = ["env=point", "reward=environment", "algorithm=ppo", f"pretrain.run={weights}"]
    with pytest.raises(ConfigError, match=r"PPO is not a language model, which a file of pretrained weights holds"):
        finished_run(tmp_path / "run", *overrides, evaluated=False)


def test_the_file_decides_the_sizes(weights, tmp_path):
    with pytest.raises(ConfigError, match=r"algorithm\.model\.width=32 has no effect: .* decides algorithm\.model\.w"):
        take_sizes(composed(*begun(weights)), ["algorithm.model.width=32"], tmp_path)
    cfg = composed(*begun(weights, "reward=text_preferences", "algorithm=sampler", "labeler=oracle"))
    take_sizes(cfg, ["algorithm.model.lora_rank=2"], tmp_path)
    assert cfg.reward.reward_model.model.width == 64, "a reward model that begins with the policy has its sizes"
