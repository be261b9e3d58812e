"""Judges the stored results anew from the numbers of their seeds: ``python -m scripts.rejudge``.

It is for changes of the statistics (:mod:`rl_rewards.studies.claims`): what was measured, and what is claimed, stays as
it was stored. Run ``python scripts/verdict_table.py`` afterwards.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rl_rewards.core.strict_json import strict
from rl_rewards.loop.provenance import code
from rl_rewards.reporting.stored_claims import unit_of
from rl_rewards.studies.claims import Claim, conclude
from rl_rewards.studies.evidence import stored_evidence
from scripts.verdict_table import RESULTS, stored_studies


def judged_anew(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the verdicts of a stored study, judged from its evidence; notes that a person has added stay."""
    claims = [
        Claim(
            one["claim"], one["measured"], tuple(map(stored_evidence, one["evidence"])), one["per_seed"], unit_of(one)
        )
        for one in record["verdicts"]
    ]
    judged = (strict(asdict(verdict)) for verdict in conclude(claims))
    return [{**old, **new} for old, new in zip(record["verdicts"], judged, strict=True)]


def main(results: Path = RESULTS) -> None:
    """Judge every stored study anew, and note the commit whose statistics did it."""
    for path, record in stored_studies(results):
        record |= {"verdicts": judged_anew(record), "judged_at": code()["git_sha"]}
        path.write_text(json.dumps(record, indent=1, allow_nan=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
