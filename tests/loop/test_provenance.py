"""The hashes of what a run reads: files, and the files of folders, but not those of other runs."""

import hashlib

from rl_rewards.command_line.run_dir import files_read
from rl_rewards.loop.provenance import digests
from tests.runs import composed


def test_files_and_folders_of_files_are_hashed_and_runs_are_not(tmp_path):
    texts, run, alone = tmp_path / "texts", tmp_path / "run", tmp_path / "prompts.jsonl"
    for folder in (texts / "deeper", run):
        folder.mkdir(parents=True)
    for path in (texts / "b.txt", texts / "a.txt", run / "run.json", alone):
        path.write_text(path.name, encoding="utf-8")
    found = digests([str(texts), str(run), str(alone), str(tmp_path / "missing"), None])
    expected = [texts / "a.txt", texts / "b.txt", alone]
    assert found == {str(path): hashlib.sha256(path.name.encode()).hexdigest() for path in expected}


def test_the_texts_of_an_environment_are_among_what_a_run_reads():
    named = ("env.path=p.jsonl", "env.corpus=texts", "env.tokenizer=t.json", "env.rated_texts=rated", "data=d.npz")
    chosen = ("debug=smoke", "env=text_prompts", "reward=environment", "algorithm=lm", *named)
    assert [*filter(None, files_read(composed(*chosen)))] == ["d.npz", "p.jsonl", "texts", "t.json"]
    rated = files_read(composed(*chosen, "env.gold=rated"))
    assert rated[-1] == "rated", "the rated texts are read only for their gold"
