"""Short texts whose sentiment people have rated, from -4 (extremely negative) to 4: 23,703 of them, each by 15 or more.

They are sentences of movie reviews, product reviews, editorials and tweets (Hutto and Gilbert 2014, ICWSM), under the
MIT licence. Only the source distribution of the package vaderSentiment has them: ``make language-data`` fetches that.
"""

import hashlib
import io
import json
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from jaxtyping import Float

from rl_rewards.core.checks import require
from rl_rewards.core.errors import ConfigError
from rl_rewards.core.files import read_json, write_whole

PACKAGE = "vaderSentiment==3.3.2"
SHA256 = "5d7c06e027fc8b99238edb0d53d970cf97066ef97654009890b83703849632f9"
"""The hash of the package's source distribution."""
INNER, LICENCE = "additional_resources/hutto_ICWSM_2014.tar.gz", "LICENSE.txt"
FILES = {
    "movie": "movieReviewSnippets",
    "product": "amazonReviewSnippets",
    "editorial": "nytEditorialSnippets",
    "tweet": "tweets",
}
"""Kinds of texts -> their files; NAME_GroundTruth.txt has the texts, NAME_anonDataRatings.txt the single ratings."""
CITATION = (
    "Hutto, C.J. and Gilbert, E.E. (2014). VADER: A Parsimonious Rule-based Model for Sentiment Analysis of Social "
    "Media Text. Eighth International Conference on Weblogs and Social Media (ICWSM-14). Ann Arbor, MI, June 2014."
)
FOLDER = Path("outputs", "datasets", "rated_texts")
"""The folder that ``make language-data`` writes."""
TEXTS, SOURCE = "texts.jsonl", "source.json"
HOW = "fetch them with: make language-data"


@dataclass(frozen=True)
class RatedTexts:
    """n texts with their ratings."""

    text: list[str]
    kind: list[str]  # a key of FILES
    ratings: list[list[float]]  # of each text, one of every person who rated it, in [-4, 4]

    @cached_property
    def mean(self) -> Float[np.ndarray, " n"]:
        """Return the mean rating of each text."""
        return np.array([np.mean(one) for one in self.ratings], np.float32)


def fetch_rated_texts(folder: Path, given: Path | None = None) -> Path:
    """Write the texts with their ratings, licence, citation and hashes to ``folder``, and return the file of the texts.

    Args:
        given: the source distribution, if it is here already; otherwise pip downloads it.

    Raises:
        ConfigError: when it cannot be downloaded, or is another file.
    """
    if given is not None:
        require(given.is_file(), f"{given} is not a file; name the source distribution of {PACKAGE}.")
        return _write(given, folder)
    with tempfile.TemporaryDirectory() as place:
        # pip asks the package for its metadata, although only the archive is wanted.
        command = ["download", "--quiet", "--disable-pip-version-check", "--no-deps", "--dest", place]
        command += ["--no-binary", PACKAGE.split("==")[0], PACKAGE]
        done = subprocess.run([sys.executable, "-m", "pip", *command], capture_output=True, text=True, check=False)
        found = sorted(Path(place).glob("*.tar.gz"))
        if done.returncode != 0 or not found:
            said = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or ["pip gave no reason"]
            raise ConfigError(
                f"The source distribution of {PACKAGE} could not be downloaded ({said[-1].removeprefix('ERROR: ')}); "
                "repeat this with a network, or fetch it elsewhere with pip download --no-deps --no-binary :all: "
                f"{PACKAGE} and name the file: python -m rl_rewards.data rated --given FILE.tar.gz"
            )
        return _write(found[0], folder)


def read_rated_texts(folder: Path = FOLDER) -> RatedTexts:
    """Return the texts that :func:`fetch_rated_texts` wrote.

    Raises:
        ConfigError: if they are missing or have been changed.
    """
    path = folder / TEXTS
    require(path.is_file(), f"The human-rated texts are not in {folder}; {HOW}")
    content = path.read_bytes()
    stored = read_json(folder / SOURCE).get("texts_sha256")
    require(stored == _sha256(content), f"{path} is not the file that was written there; {HOW}")
    rows = [json.loads(line) for line in content.decode("utf-8").splitlines()]
    return RatedTexts([row["text"] for row in rows], [row["kind"] for row in rows], [row["ratings"] for row in rows])


def _write(archive: Path, folder: Path) -> Path:
    content = archive.read_bytes()
    found = _sha256(content)
    require(found == SHA256, f"{archive} is not the source distribution of {PACKAGE}: its SHA-256 is {found}.")
    outer = _members(content)
    inner = _members(outer[INNER])
    lines = [line for kind, name in FILES.items() for line in _lines(kind, name, inner)]
    text = "".join(f"{line}\n" for line in lines)
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / TEXTS, text)
    write_whole(folder / LICENCE, outer[LICENCE].decode("utf-8"))
    source = {
        "package": PACKAGE,
        "licence": "MIT",
        "citation": CITATION,
        "sha256": SHA256,
        "texts": len(lines),
        "texts_sha256": _sha256(text.encode("utf-8")),
    }
    write_whole(folder / SOURCE, json.dumps(source, indent=2) + "\n")
    return folder / TEXTS


def _members(archive: bytes) -> dict[str, bytes]:
    """Return the files of a compressed archive by their path below its only folder."""
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as files:
        read = {one.name.partition("/")[2]: files.extractfile(one) for one in files.getmembers() if one.isfile()}
        return {name: file.read() for name, file in read.items() if file is not None}


def _lines(kind: str, name: str, files: dict[str, bytes]) -> list[str]:
    """Return one kind of texts as JSON objects with kind, text and ratings; the ratings file is in another order."""
    texts, ratings = (_columns(files[f"{name}_{part}.txt"]) for part in ("GroundTruth", "anonDataRatings"))
    rated = {row[0]: json.loads(row[-1]) for row in ratings}
    objects = ({"kind": kind, "text": row[-1], "ratings": rated[row[0]]} for row in texts)
    return [json.dumps(one, ensure_ascii=False) for one in objects]


def _columns(content: bytes) -> list[list[str]]:
    return [line.split("\t") for line in content.decode("utf-8-sig").split("\r\n") if line]


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
