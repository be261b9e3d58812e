"""Collects the parts of a study that a page shows: its verdicts, its figure, and its command."""

import base64
from dataclasses import dataclass

from rl_rewards.reporting.arms import seeds_in_words
from rl_rewards.reporting.find_runs import StudyFiles
from rl_rewards.reporting.stored_claims import StoredClaim, stored_claim


@dataclass(frozen=True)
class StudyWords:
    """The section of one study: its verdicts and its figure."""

    name: str
    verdicts: list[StoredClaim]
    counts: bool
    size: str
    seeds: str
    command: str
    code: str
    picture: str | None  # a data URL for an ``img`` element
    question: str  # what the study asks, in at most two sentences; empty in results of older versions
    record: str | None  # the address of verdict.json, relative to the page
    superseded: str  # why a person has marked the result as superseded; empty for others


def study_words(study: StudyFiles, name: str, record: str | None = None, question: str = "") -> StudyWords:
    """Return what a page shows of a study, of which nothing may be there yet.

    Args:
        record: the address of its JSON, relative to the page; None for no link.
        question: shown if the result does not say what it asks.
    """
    verdict = study.verdict
    picture = None
    if study.picture is not None:
        picture = "data:image/png;base64," + base64.b64encode(study.picture.read_bytes()).decode("ascii")
    sha = verdict.get("git_sha")
    return StudyWords(
        name=name,
        verdicts=[stored_claim(one) for one in verdict.get("verdicts", []) if isinstance(one, dict)],
        counts=bool(verdict.get("counts")),
        size=str(verdict.get("size", "")),
        seeds=seeds_in_words(verdict.get("seeds") or []),
        command=str(verdict.get("command", "")),
        code=f"git {str(sha)[:10]}" + (" + uncommitted changes" if verdict.get("git_dirty") else "") if sha else "",
        picture=picture,
        question=str(verdict.get("question", "")) or question,
        record=record if verdict else None,
        superseded=str(verdict.get("superseded", "")),
    )
