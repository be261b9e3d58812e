"""The calls of trainers to a label store over HTTP: their names, and records as JSON and back.

A trainer posts a JSON object to ``/store/NAME`` with the token in the header Authorization, and gets ``{"result":
value}``, or ``{"error": message}`` with another HTTP status. Arrays and pictures are base64. What arrives is checked as
strictly as what a browser sends: anything malformed is a ConfigError.
"""

import base64
import binascii
import io
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any, get_args

import numpy as np
from numpy.lib import format as npy

from rl_rewards.core.checks import require
from rl_rewards.core.errors import ConfigError
from rl_rewards.labelers.clips import Sheet, pack_array, segment_hash, unpack_array
from rl_rewards.labelers.instructions import Instructions, instructions_from
from rl_rewards.labelers.records import Absorbed, Clip, NewQuery, Source
from rl_rewards.labelers.run_store import RunStore

PROTOCOL = 1
"""The version of these calls; trainers and servers need the same one."""
PREFIX = "/store/"
MOST_BYTES = 64 * 2**20
"""The longest body of a trainer's call, in bytes."""
LONGEST = 500
"""The longest name of a run or another short text, in characters."""
PNG = b"\x89PNG\r\n\x1a\n"


def clip_to_json(clip: Clip) -> dict[str, Any]:
    return {
        "hash": clip.hash,
        "obs": _array_to_text(clip.obs),
        "action": _array_to_text(clip.action),
        "media": None if clip.media is None else base64.b64encode(clip.media).decode("ascii"),
        "sheet": clip.sheet and clip.sheet.as_dict(),
        "details": {name: _array_to_text(np.asarray(value)) for name, value in clip.details.items()},
    }


def clip_from_json(given: Any) -> Clip:
    """Return the clip that :func:`clip_to_json` described.

    Raises:
        ConfigError: when it is no such clip, or its name is not the hash of its content.
    """
    given = _mapping(given, "a clip")
    obs, action = _array(given.get("obs"), "obs"), _array(given.get("action"), "action")
    name, details = given.get("hash"), _mapping(given.get("details"), "details")
    require(name == segment_hash(obs, action), "a clip's hash is not that of its obs and action.")
    media = None if given.get("media") is None else _bytes(given["media"], "media")
    require(media is None or media.startswith(PNG), "media must be a PNG.")
    sheet = None if given.get("sheet") is None else _sheet(given["sheet"])
    require((media is None) == (sheet is None), "a clip has media and its sheet, or neither.")
    return Clip(name, obs, action, media, sheet, {key: _array(value, key) for key, value in details.items()})


def _sheet(given: Any) -> Sheet:
    given = _mapping(given, "sheet")
    counts = {name: _whole(given, name, 1) for name in ("frames", "columns", "width", "height")}
    rate = given.get("frames_per_second")
    right = isinstance(rate, int | float) and not isinstance(rate, bool) and math.isfinite(rate) and rate > 0
    require(right, "frames_per_second must be a number above 0.")
    return Sheet(**counts, frames_per_second=float(rate))


def query_from_json(given: Any) -> NewQuery:
    """Return the query whose fields ``dataclasses.asdict`` gave.

    Raises:
        ConfigError: when it is no such query.
    """
    given = _mapping(given, "a query")
    clips = given.get("clips")
    named = isinstance(clips, list) and all(isinstance(clip, str) for clip in clips)
    require(named, "clips must be the hashes of a query's clips.")
    return NewQuery(
        *_whose(given),
        _whole(given, "query_id"),
        _whole(given, "round"),
        given.get("kind"),  # type: ignore[arg-type]  # NewQuery checks it
        tuple(clips),
        _text(given, "env"),
        _text(given, "acquisition"),
    )


def absorbed_to_json(absorbed: list[Absorbed]) -> list[dict[str, Any]]:
    return [asdict(answer) for answer in absorbed]


def absorbed_from_json(given: list[dict[str, Any]]) -> list[Absorbed]:
    return [Absorbed(**{**one, "scores": one["scores"] and tuple(one["scores"])}) for one in given]


def _submit(store: RunStore, given: dict[str, Any]) -> None:
    queries = [query_from_json(query) for query in _list(given, "queries")]
    store.submit(queries, [clip_from_json(clip) for clip in _list(given, "clips")])


def _record(store: RunStore, given: dict[str, Any]) -> int:
    answers, source = _list(given, "answers"), given.get("source")
    paired = all(isinstance(one, list) and len(one) == 2 for one in answers)
    require(paired, "answers must be a list of pairs: a query's id, and its scores or null.")
    require(source in get_args(Source), f"source must be one of {', '.join(get_args(Source))}.")
    by_query = {_whole({"query_id": query}, "query_id"): scores for query, scores in answers}
    return store.record(*_whose(given), given.get("labeler"), source, by_query)  # type: ignore[arg-type]  # it checks


CALLS: Mapping[str, Callable[[RunStore, dict[str, Any]], Any]] = {
    "hello": lambda store, given: "rl_rewards",
    "describe": lambda store, given: store.describe(_run(given), _told(given)),
    "set_budget": lambda store, given: store.set_budget(*_whose(given), _whole(given, "labels")),
    "submit": _submit,
    "record": _record,
    "open": lambda store, given: store.open(*_whose(given), _whole(given, "round")),
    "unanswered": lambda store, given: sorted(store.unanswered(*_whose(given))),
    "absorb": lambda store, given: absorbed_to_json(
        store.absorb(*_whose(given), _whole(given, "round"), _whole(given, "limit"))
    ),
    "recorded": lambda store, given: absorbed_to_json(store.recorded(*_whose(given), _whole(given, "round"))),
    "asked": lambda store, given: [[query, clips] for query, clips in store.asked(*_whose(given)).items()],
}
"""Name -> what the server does with the JSON object of a call; it returns the result, which JSON can hold."""


def call(store: RunStore, name: str, given: dict[str, Any]) -> Any:
    """Return the result of the call ``name`` of a trainer.

    Raises:
        ConfigError: when the trainer speaks another version, or its arguments are malformed.
    """
    spoken = given.get("protocol")
    require(spoken == PROTOCOL, f"this server speaks version {PROTOCOL} of the label store's protocol, not {spoken}.")
    return CALLS[name](store, given)


def _told(given: dict[str, Any]) -> Instructions:
    return instructions_from(_text(given, "told", 100_000), "told")


def _whose(given: dict[str, Any]) -> tuple[str, int]:
    return _run(given), _whole(given, "seed")


def _run(given: dict[str, Any]) -> str:
    run = _text(given, "run")
    require(run != "" and run.isprintable(), "run must be the name of a run.")
    return run


def _whole(given: Mapping[str, Any], name: str, least: int = 0) -> int:
    value = given.get(name)
    right = isinstance(value, int) and not isinstance(value, bool) and least <= value < 2**63
    require(right, f"{name} must be a whole number of {least} or more.")
    assert isinstance(value, int)
    return value


def _text(given: Mapping[str, Any], name: str, most: int = LONGEST) -> str:
    value = given.get(name)
    require(isinstance(value, str) and len(value) <= most, f"{name} must be a text of at most {most} characters.")
    assert isinstance(value, str)
    return value


def _list(given: Mapping[str, Any], name: str) -> list[Any]:
    value = given.get(name)
    require(isinstance(value, list), f"{name} must be a list.")
    assert isinstance(value, list)
    return value


def _mapping(value: Any, name: str) -> dict[str, Any]:
    require(isinstance(value, dict), f"{name} must be a JSON object.")
    return value


def _bytes(text: Any, name: str) -> bytes:
    try:
        require(isinstance(text, str), f"{name} must be base64.")
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ConfigError(f"{name} must be base64.") from error


def _array(text: Any, name: str) -> np.ndarray:
    data = _bytes(text, name)
    try:
        require(_promised(data) == len(data), "it has another length than its header says.")
        return unpack_array(data)
    except (ValueError, OverflowError, SyntaxError, TypeError, ConfigError) as error:
        raise ConfigError(f"{name} must be an array of numbers, as the base64 of an .npy file.") from error


def _promised(data: bytes) -> int:
    """Return the bytes of an .npy file by its header, so that nobody reserves memory for what was not sent."""
    file = io.BytesIO(data)
    require(npy.read_magic(file) == (1, 0), "it has another version.")
    shape, _, dtype = npy.read_array_header_1_0(file)
    return file.tell() + math.prod(shape) * dtype.itemsize


def _array_to_text(array: np.ndarray) -> str:
    return base64.b64encode(pack_array(array)).decode("ascii")
