"""A user's folder of text becomes windows of tokens, and what cannot be used is refused in one sentence."""

import numpy as np
import pytest

from rl_rewards.core.errors import ConfigError
from rl_rewards.envs.text.folder import read_folder, windows
from rl_rewards.envs.text.prompt_file import EXAMPLES
from tests.probes import make

pytest.importorskip("tokenizers")


def test_texts_are_cut_without_losing_or_repeating_a_token():
    found = windows([[5, 6, 7, 8], [5, 6], [5]], 3, end=1, pad=0)
    np.testing.assert_array_equal(found, [[5, 6, 7], [8, 1, 0], [5, 6, 1], [5, 1, 0]])


def test_files_and_paragraphs(tmp_path):
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "two.txt").write_text("Zürich\n \t\nthird\nline\n\n\n", encoding="utf-8")
    (tmp_path / "a.txt").write_bytes("\ufefffirst\r\n".encode())
    (tmp_path / "empty.txt").write_text(" \n", encoding="utf-8")
    (tmp_path / "other.md").write_text("not read", encoding="utf-8")
    assert read_folder(tmp_path, "files") == ["first", "Zürich\n \t\nthird\nline"]
    assert read_folder(tmp_path, "paragraphs") == ["first", "Zürich", "third\nline"]


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ({}, r"env\.corpus=.* has no \.txt file; put texts in UTF-8 there\."),
        ({"a.txt": b" \n", "b.txt": b""}, r"The 2 \.txt files of env\.corpus=.* hold no text; all of them are empty\."),
        ({"a.txt": b"fine", "b.txt": b"caf\xe9"}, r"b\.txt is not text in UTF-8: byte 3 is 0xe9; convert the file"),
        ({"a.txt": b"short"}, r"has only 6 tokens, which are 2 windows of env\.response_tokens=4; at least 20 are"),
    ],
)
def test_folders_that_cannot_be_used(tmp_path, files, told):
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ConfigError, match=told):
        make("env", "text_prompts", corpus=str(tmp_path), vocabulary=258, response_tokens=4).texts("corpus")


def test_what_is_not_a_folder_or_has_no_window(tmp_path):
    with pytest.raises(ConfigError, match=r"env\.corpus=.*none is not a folder"):
        _ = make("env", "text_prompts", corpus=str(tmp_path / "none"), response_tokens=4).spec
    (tmp_path / "a.txt").write_text("text", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"set env\.response_tokens, in tokens \(for env\.corpus: of a window\)"):
        _ = make("env", "text_prompts", corpus=str(tmp_path)).spec
    with pytest.raises(ConfigError, match=r"There is no corpus; name a folder of \.txt files with env\.corpus"):
        make("env", "text_prompts").texts("corpus")
    with pytest.raises(ConfigError, match=r"text has no texts of its own, so that data=env:mixed names none"):
        make("env", "text").texts("mixed")


def test_a_corpus_alone_has_one_empty_prompt_and_all_its_text(tmp_path):
    text = "The quick brown fox jumps over the lazy dog. " * 4
    (tmp_path / "a.txt").write_text(text, encoding="utf-8")
    env = make("env", "text_prompts", corpus=str(tmp_path), vocabulary=258, response_tokens=8)
    spec = env.spec.text
    assert (spec.prompt_tokens, spec.response_tokens, spec.comparisons) == (1, 8, 0)
    np.testing.assert_array_equal(env.prompts[0], [[env.codec.pad]])
    corpus = env.texts("corpus")
    assert np.all(corpus.obs == env.codec.pad) and corpus.obs.shape[1] == 9
    assert "".join(env.decode(row) for row in corpus.action) == text


def test_a_corpus_beside_a_file_shares_its_tokenizer_and_lengths(tmp_path):
    (tmp_path / "a.txt").write_text("Seven sevens of the sea. " * 200, encoding="utf-8")
    file = {"path": str(EXAMPLES), "vocabulary": 270}
    env, alone = make("env", "text_prompts", corpus=str(tmp_path), **file), make("env", "text_prompts", **file)
    assert env.spec.text.tokenizer != alone.spec.text.tokenizer, "it is learned from all texts"
    assert env.texts("corpus").action.shape[1] == env.sizes.response
    assert len(env.texts("chosen").obs) == env.spec.text.comparisons == 8
