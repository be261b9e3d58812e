"""The human-rated texts: an archive in the layout of the package that has them, and every way in which it can fail."""

import hashlib
import io
import json
import subprocess
import tarfile

import numpy as np
import pytest

from rl_rewards.core.errors import ConfigError
from rl_rewards.data.rated import texts as rated_texts
from rl_rewards.data.rated.texts import FILES, fetch_rated_texts, read_rated_texts

RATINGS = {"1": [3, 4, 2], "2": [-4, -2]}
TEXTS = {"1": "A warm and funny film.", "2": "Très dull."}


def packed(files: dict[str, bytes]) -> bytes:
    """Return a compressed archive of these files in one folder."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(f"folder/{name}")
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


@pytest.fixture
def archive(tmp_path, monkeypatch):
    inner = {}
    for name in FILES.values():
        rows = [f"{i}\t0.0\t{text}\r\n" for i, text in TEXTS.items()]
        inner[f"{name}_GroundTruth.txt"] = "".join(rows).encode()
        rows = [f"{i}\t0.0\t0.5\t{RATINGS[i]}\r\n" for i in reversed(RATINGS)]  # in another order
        inner[f"{name}_anonDataRatings.txt"] = "".join(rows).encode("utf-8-sig")
    path = tmp_path / "source.tar.gz"
    path.write_bytes(packed({rated_texts.INNER: packed(inner), rated_texts.LICENCE: b"The MIT License"}))
    monkeypatch.setattr(rated_texts, "SHA256", hashlib.sha256(path.read_bytes()).hexdigest())
    return path


def test_texts_come_with_their_ratings_licence_and_citation(archive, tmp_path):
    folder = tmp_path / "texts"
    assert fetch_rated_texts(folder, archive) == folder / "texts.jsonl"
    found = read_rated_texts(folder)
    assert found.kind == [kind for kind in FILES for _ in TEXTS]
    assert found.text == list(TEXTS.values()) * len(FILES)
    np.testing.assert_allclose(found.mean, [3.0, -3.0] * len(FILES))
    assert (folder / "LICENSE.txt").read_text() == "The MIT License"
    source = json.loads((folder / "source.json").read_text())
    assert "Hutto" in source["citation"] and source["sha256"] == rated_texts.SHA256 and source["texts"] == 8


def test_missing_and_changed_texts_are_one_sentence(archive, tmp_path):
    with pytest.raises(ConfigError, match=r"are not in .*none; fetch them with: make language-data$"):
        read_rated_texts(tmp_path / "none")
    path = fetch_rated_texts(tmp_path, archive)
    path.write_text(path.read_text().replace("warm", "cold"))
    with pytest.raises(ConfigError, match=r"texts\.jsonl is not the file that was written there; fetch them with"):
        read_rated_texts(tmp_path)


def test_another_archive_is_refused(archive, tmp_path):
    archive.write_bytes(archive.read_bytes() + b"\0")
    with pytest.raises(ConfigError, match=r"is not the source distribution of vaderSentiment==3\.3\.2: its SHA-256 is"):
        fetch_rated_texts(tmp_path, archive)
    with pytest.raises(ConfigError, match=r"none\.tar\.gz is not a file; name the source distribution of"):
        fetch_rated_texts(tmp_path, tmp_path / "none.tar.gz")


def test_without_a_network_the_sentence_says_what_to_do(tmp_path, monkeypatch):
    said = "WARNING: retrying\nERROR: Could not find a version that satisfies the requirement\n"
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: subprocess.CompletedProcess([], 1, "", said))
    message = r"could not be downloaded \(Could not find a version .*\); repeat this with a network, or .* --given FILE"
    with pytest.raises(ConfigError, match=message):
        fetch_rated_texts(tmp_path)
    assert not (tmp_path / "texts.jsonl").exists()
