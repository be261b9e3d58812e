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
    superseded: str  # why a person has marked the result as superseded; empty for others


def study_words(study: StudyFiles, name: str) -> StudyWords:
    """Return what a page shows of a study, of which nothing may be there yet."""
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
        superseded=str(verdict.get("superseded", "")),
    )
