"""Tests of the tokenizer in a GGUF file's fields, with a vocabulary of a few tokens."""

import pytest

from rl_rewards.core.errors import ConfigError
from rl_rewards.models.transformer.gguf_tokenizer import read_tokenizer

WORDS = ["<|end|>", "a", "b", "Ġ", "1", "ab", "Ġab", "11", "Ã", "©", "Ã©"]
MERGES = ["a b", "Ġ ab", "1 1", "Ã ©"]


def write(file, kind="gpt2", split="smollm"):
    gguf = pytest.importorskip("gguf")
    pytest.importorskip("tokenizers")
    writer = gguf.GGUFWriter(file, "llama")
    writer.add_tokenizer_model(kind)
    writer.add_tokenizer_pre(split)
    writer.add_token_list(WORDS)
    writer.add_token_types([3] + [1] * (len(WORDS) - 1))
    writer.add_token_merges(MERGES)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    return file


def test_texts_become_the_tokens_of_the_merges_by_hand(tmp_path):
    tokenizer = read_tokenizer(write(tmp_path / "t.gguf"))
    assert tokenizer.encode("ab ab").ids == [5, 6]
    assert tokenizer.encode("ab<|end|>ba").ids == [5, 0, 2, 1]  # the control token is found inside a text
    assert tokenizer.encode("aé").ids == [1, 10]  # two bytes, merged
    assert tokenizer.encode("11").ids == [4, 4]  # every digit is a word
    assert tokenizer.decode([5, 6, 10, 0]) == "ab abé"
    assert tokenizer.decode([5, 0], skip_special_tokens=False) == "ab<|end|>"


def test_gpt_2_keeps_digits_together(tmp_path):
    assert read_tokenizer(write(tmp_path / "t.gguf", split="gpt-2")).encode("11").ids == [7]


def test_other_tokenizers_are_refused(tmp_path):
    with pytest.raises(ConfigError, match=r'of kind "llama" with the splits "default"; only gpt2 with gpt-2 or smollm'):
        read_tokenizer(write(tmp_path / "t.gguf", "llama", "default"))
