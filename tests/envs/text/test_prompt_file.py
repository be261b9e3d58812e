"""A user's own prompts: trl's layouts, subword tokenizers, and one sentence for every line that cannot be used."""

import json
from pathlib import Path

import jax
import numpy as np
import pytest

from rl_rewards.core.errors import ConfigError
from rl_rewards.envs.text.prompt_file import EXAMPLES
from rl_rewards.envs.text.rows import read_rows, row_of
from tests.probes import make

tokenizers = pytest.importorskip("tokenizers")

from rl_rewards.envs.text.subwords import load_tokenizer, train_bpe  # noqa: E402


def said(role: str, *contents: str) -> list[dict[str, str]]:
    return [{"role": role, "content": content} for content in contents]


def parsed(**row):
    return row_of("f, line 1", json.dumps(row))


def test_plain_layouts():
    assert parsed(prompt="Hi", response="Hello").responses == {"response": "Hello"}
    assert parsed(prompt="Hi", completion="Hello").responses == {"response": "Hello"}
    row = parsed(prompt="The sky is", chosen=" blue.", rejected=" green.")
    assert (row.prompt, row.responses) == ("The sky is", {"chosen": " blue.", "rejected": " green."})
    row = parsed(chosen="The sky is blue.", rejected="The sky is black.")
    assert (row.prompt, row.responses) == ("The sky is", {"chosen": " blue.", "rejected": " black."})
    assert parsed(prompt="Hi").responses == {}


def test_conversational_layouts():
    asked, told = said("user", "Hi"), said("assistant", "Hello")
    assert parsed(prompt=asked, chosen=told, rejected=said("assistant", "No")).responses["rejected"] == "No"
    assert parsed(prompt=asked, completion=told).prompt == (("user", "Hi"),)
    row = parsed(chosen=asked + told, rejected=asked + said("assistant", "No"))
    assert (row.prompt, row.responses) == ((("user", "Hi"),), {"chosen": "Hello", "rejected": "No"})
    row = parsed(prompt="Hi", chosen=asked + told, rejected=asked + said("assistant", "No"))
    assert (row.prompt, row.responses) == ((("user", "Hi"),), {"chosen": "Hello", "rejected": "No"})
    row = parsed(messages=[*said("system", "Be kind"), *asked, *told])
    assert (row.prompt, row.responses) == ((("system", "Be kind"), ("user", "Hi")), {"response": "Hello"})


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ('{"prompt": "a"', r"f, line 7 is not valid JSON \(Expecting ',' delimiter"),
        ("[1]", r"f, line 7 is not a JSON object; write an object with the key prompt\."),
        ('{"response": "a"}', r"f, line 7 has no prompt; add the key prompt\."),
        ('{"chosen": "a b", "rejected": "c d"}', r"line 7 has no prompt, and chosen and rejected do not begin alike"),
        ('{"prompt": " "}', r"f, line 7: prompt is empty; it must be a text\."),
        ('{"prompt": "a", "response": ""}', r"f, line 7: response is empty; it must be a text\."),
        (
            '{"prompt": "a", "chosen": "b", "rejected": "b"}',
            r"f, line 7: chosen equals rejected; a comparison needs two",
        ),
        ('{"prompt": "a", "chosen": "b"}', r"f, line 7 has only one of chosen and rejected; a comparison needs both"),
        ('{"prompt": 3}', r"f, line 7: prompt must be a text, or a list of messages with role and content\."),
        ('{"prompt": [{"role": "user"}]}', r"f, line 7: prompt has a message without a role or with empty content\."),
        ('{"messages": "a"}', r"f, line 7: messages must be at least a prompt and a response\."),
        (
            '{"prompt": "a", "response": [{"role": "x", "content": "b"}, {"role": "x", "content": "c"}]}',
            r"f, line 7: response has 2 messages; a response is one message\.",
        ),
    ],
)
def test_a_wrong_line_is_one_sentence(line, sentence):
    with pytest.raises(ConfigError, match=sentence):
        row_of("f, line 7", line)


def test_the_line_of_an_error_counts_empty_lines(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text('{"prompt": "a"}\n\n{"prompt"\n', encoding="utf-8")
    with pytest.raises(ConfigError, match=r"rows\.jsonl, line 3 is not valid JSON"):
        read_rows(path)
    path.write_text("\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"rows\.jsonl holds no row; write one JSON object"):
        read_rows(path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match=r"cannot be read as text in UTF-8"):
        read_rows(path)
    with pytest.raises(ConfigError, match=r"env\.path=.*none\.jsonl is not a file"):
        read_rows(tmp_path / "none.jsonl")


def test_every_text_can_be_encoded_and_comes_back():
    bpe = train_bpe(["low lower lowest"] * 3, 270)
    assert 258 < bpe.size <= 270 and (bpe.pad, bpe.end) == (0, 1)
    for text in ("lower", "Zürich 日本 \n\t", "<end> is text, and <pad> too"):
        tokens = bpe.encode(text)
        assert bpe.decode([bpe.pad, *tokens, bpe.end, tokens[0]]) == text
        assert not {bpe.pad, bpe.end} & set(tokens), "the name of a special token is not that token"
    assert len(bpe.encode("lowest")) < len("lowest")
    assert bpe.encode_template("<end>") == [bpe.end]
    assert train_bpe(["low lower lowest"] * 3, 270).digest == bpe.digest != train_bpe(["high"], 270).digest
    with pytest.raises(ConfigError, match=r"A vocabulary of 257 tokens is too small; .* are 258\."):
        train_bpe(["a"], 257)


def test_a_tokenizer_file_must_hold_both_special_tokens(tmp_path):
    bpe, path = train_bpe(["low lower"], 270), tmp_path / "tokenizer.json"
    bpe.save(path)
    assert load_tokenizer(path).digest == bpe.digest
    other = tokenizers.Tokenizer(tokenizers.models.WordLevel({"a": 0, "<pad>": 1}, unk_token="a"))
    other.save(str(tmp_path / "other.json"))
    damaged = tmp_path / "damaged.json"
    damaged.write_text("{", encoding="utf-8")
    for name, names, sentence in (
        ("other.json", ("<pad>", "<end>"), r"other\.json has no token <end>; name its tokens .* env\.pad and env\.end"),
        ("other.json", ("<no>", "<end>"), r"has no token <no> and no token <end>"),
        ("tokenizer.json", ("<end>", "<end>"), r"env\.pad=<end> is also env\.end; padding must not be the end"),
        ("damaged.json", ("<pad>", "<end>"), r"damaged\.json is not a tokenizer of the package tokenizers"),
        ("none.json", ("<pad>", "<end>"), r"env\.tokenizer=.*none\.json is not a file"),
    ):
        with pytest.raises(ConfigError, match=sentence):
            load_tokenizer(tmp_path / name, *names)


def written(folder: Path, *rows) -> str:
    path = folder / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def test_an_environment_of_the_users_prompts(tmp_path):
    rows = (
        {"prompt": "One?", "chosen": "1", "rejected": "11"},
        {"prompt": said("user", "<end>"), "response": "22"},
        {"prompt": "Three?", "chosen": "3", "rejected": "33"},
    )
    env = make(
        "env",
        "text_prompts",
        path=written(tmp_path, *rows),
        vocabulary=258,
        message="{role}<pad>{content}<end>",
        turn="",
    )
    text = env.spec.text
    assert (text.vocabulary, text.prompt_tokens, text.response_tokens) == (258, len("user") + 1 + len("<end>") + 1, 3)
    assert [env.decode(row) for row in env.prompts[0][[0, 2]]] == ["One?", "Three?"]
    middle = env.prompts[0][1].tolist()
    assert (middle.count(env.codec.pad), middle.count(env.codec.end)) == (1, 1), "only the template's own tokens"
    pairs = env.comparisons()
    assert [env.decode(row) for row in pairs.chosen] == ["1", "3"]
    assert [env.decode(row) for row in pairs.rejected] == ["11", "33"]
    assert pairs.chosen[0].tolist()[1:] == [env.codec.end, env.codec.pad]
    np.testing.assert_array_equal(pairs.obs[:, : text.prompt_tokens], env.prompts[0][[0, 2]])
    corpus = env.demonstrate(np.random.default_rng(0), 5, "response")
    assert {env.decode(row) for row in corpus.action} == {"22"}
    state = env.reset(jax.random.key(0))
    _, out = env.step(jax.random.key(0), state, pairs.chosen[0])
    assert float(out.env_reward) == 0.0 and set(out.info) == {"scene"} == set(env.spec.info)
    assert env.requirements.notes == ("The prompts of a file have no true reward, so that no true return is reported.",)


def test_texts_must_fit(tmp_path):
    path = written(tmp_path, {"prompt": "One?", "response": "1"}, {"prompt": "Three?", "response": "three"})
    for changes, sentence in (
        ({"prompt_tokens": 5}, r"rows\.jsonl, line 2: the prompt has 6 tokens, more than env\.prompt_tokens=5"),
        (
            {"response_tokens": 3},
            r"line 2: response has 6 tokens with its end, more than env\.response_tokens=3",
        ),
        ({"message": "{role}"}, r"env\.message='\{role\}' must hold \{content\} once\."),
        ({"prompt_tokens": 0}, r"env\.prompt_tokens=0 must be at least 1 token\."),
    ):
        with pytest.raises(ConfigError, match=sentence):
            _ = make("env", "text_prompts", path=path, vocabulary=258, **changes).spec
    alone = written(tmp_path, {"prompt": "One?"})
    with pytest.raises(ConfigError, match=r"There are no responses to measure; set env\.response_tokens"):
        _ = make("env", "text_prompts", path=alone, vocabulary=258).spec
    env = make("env", "text_prompts", path=alone, vocabulary=258, response_tokens=7)
    assert env.spec.action.shape == (7,)
    with pytest.raises(ConfigError, match=r"No line of .*rows\.jsonl has the key chosen"):
        env.comparisons()
    with pytest.raises(ConfigError, match=r"'good' is not a kind of texts; choose response, chosen, rejected, corpus"):
        env.demonstrate(np.random.default_rng(0), 1, "good")


def test_the_examples_are_in_the_users_layouts():
    rows = read_rows(EXAMPLES)
    assert {type(row.prompt) for row in rows} == {str, tuple}
    assert {key for row in rows for key in row.responses} == {"response", "chosen", "rejected"}
    assert len(make("env", "text_prompts").prompts[0]) == len(rows)
