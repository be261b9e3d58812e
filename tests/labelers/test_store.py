"""The label store: nothing is lost, nothing counts twice, and a round always receives the same answers."""

import io
import json
import sqlite3
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from rl_rewards.core.errors import ConfigError
from rl_rewards.envs.text.rows import read_rows
from rl_rewards.labelers import sqlite_file
from rl_rewards.labelers.clips import encode_clip, segment_hash
from rl_rewards.labelers.desk import MOST_LEASES, Desk
from rl_rewards.labelers.exchange import (
    export_chosen_rejected,
    export_lines,
    export_preference_transformer,
    export_texts,
    import_lines,
)
from rl_rewards.labelers.judge.journal import JOURNAL_NAME, Journal
from rl_rewards.labelers.pairs import read_pairs
from rl_rewards.labelers.progress import consistency, progress
from rl_rewards.labelers.records import Conflict, NewQuery, as_queries, label_arrays, make_clip
from rl_rewards.labelers.store import LabelStore
from tests.labelers.made_up import RUN, ask, ask_texts, clip, opened


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


def answered(desk: Desk, who: str, scores=(1.0, 0.0), token=None):
    """Lease the next query and answer it; return the lease."""
    leased = desk.lease(who)
    desk.answer(who, leased.number, scores, token=token or f"{who}-{leased.number}-{threading.get_ident()}")
    return leased


def ids(absorbed):
    return [answer.query_id for answer in absorbed]


def test_an_answer_is_durable_before_the_call_returns(tmp_path):
    ask(opened(tmp_path), 50)
    child = (
        "import sys; from pathlib import Path\n"
        "from rl_rewards.labelers.store import LabelStore; from rl_rewards.labelers.desk import Desk\n"
        "desk = Desk(LabelStore(Path(sys.argv[1])).database, repeat_share=0.0)\n"
        "while (leased := desk.lease('ann')) is not None:\n"
        "    desk.answer('ann', leased.number, [1, 0], token=f'token-{leased.number}')\n"
        "    print(leased.query_id, flush=True)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", child, str(tmp_path / "labels.sqlite")], stdout=subprocess.PIPE, text=True
    )
    told = [int(process.stdout.readline()) for _ in range(7)]
    process.kill()
    told += [int(line) for line in process.stdout.read().split()]
    process.wait()
    assert len(told) < 50 or process.returncode == -9
    kept = ids(opened(tmp_path).absorb(RUN, 0, 0, 100))
    assert kept[: len(told)] == told and len(kept) <= len(told) + 1


def test_a_commit_waits_for_the_disk(tmp_path):
    """Killing a process cannot test this: its writes survive in the operating system, but not a power cut."""
    with opened(tmp_path).database.reading() as connection:
        assert connection.execute("PRAGMA synchronous").fetchone()[0] == 2, "2 means FULL"


def test_two_annotators_never_have_the_same_query_and_leases_lapse(tmp_path):
    clock = Clock()
    store = opened(tmp_path, clock=clock)
    ask(store, 2)
    desk = Desk(store.database, clock=clock, lease_seconds=60)
    first, second = desk.lease("ann"), desk.lease("bob")
    assert first.query_id == 0 and second.query_id == 1
    assert desk.lease("ann") == first, "a reload gets the same query, in the same order"
    assert desk.lease("cy") is None
    clock.now += 61
    assert desk.lease("cy").query_id == 0
    with pytest.raises(Conflict):
        desk.answer("ann", first.number, [1, 0], token="late-token")
    desk.answer("bob", second.number, [0, 1], token="in-time-token")  # late, but nobody else has it
    desk.release("cy")
    assert desk.lease("ann").query_id == 0
    assert ids(store.absorb(RUN, 0, 0, 9)) == [1]


def test_scores_are_kept_in_the_order_of_the_query(tmp_path):
    store = opened(tmp_path)
    ask(store, 40, kind="ranking", clips=3)
    desk = Desk(store.database)
    orders = set()
    for _ in range(40):
        leased = answered(desk, "ann", (3.0, 2.0, 1.0))
        orders.add(leased.shown)
        scores = store.absorb(RUN, 0, leased.query_id, 9)[0].scores
        assert [scores[place] for place in leased.shown] == [3.0, 2.0, 1.0]
    assert len(orders) == 6


def test_an_answer_that_is_said_twice_counts_once(tmp_path):
    store = opened(tmp_path)
    ask(store, 2)
    desk = Desk(store.database)
    leased = answered(desk, "ann", token="the-same")
    desk.answer("ann", leased.number, (1.0, 0.0), token="the-same")
    with pytest.raises(ConfigError):
        desk.answer("ann", leased.number + 1, (1.0, 0.0), token="the-same")
    assert progress(store.database).labels == 1


def test_a_token_is_for_one_answer_alone(tmp_path):
    store = opened(tmp_path)
    ask(store, 2)
    desk = Desk(store.database)
    leased = answered(desk, "ann", token="the-same")
    for other in ((0.0, 1.0), None):
        with pytest.raises(Conflict, match="another answer to this question was saved under the same token"):
            desk.answer("ann", leased.number, other, token="the-same")
    with pytest.raises(ConfigError, match="belongs to another request"):
        desk.undo("ann", token="the-same")
    desk.undo("ann", token="taken-back")
    with pytest.raises(Conflict, match="taken back in the meantime"):
        desk.answer("ann", leased.number, (1.0, 0.0), token="the-same")
    with pytest.raises(ConfigError, match="another question"):
        desk.answer("ann", leased.number, None, token="taken-back")
    assert progress(store.database).labels == 0


def test_one_who_labels_by_many_names_cannot_take_every_question(tmp_path):
    clock = Clock()
    store = opened(tmp_path, clock=clock)
    ask(store, MOST_LEASES + 10)
    desk = Desk(store.database, clock=clock, lease_seconds=60)
    held = [desk.lease(f"name {i}") for i in range(MOST_LEASES)]
    assert all(held) and desk.lease("ann") is None
    assert desk.lease("name 0") == held[0], "an annotator keeps their query"
    answered(desk, "name 0")
    assert desk.lease("ann") is not None
    clock.now += 61
    assert desk.lease("bob") is not None


@pytest.mark.parametrize("harm", ["deleted", "renamed", "replaced", "log deleted"])
def test_nothing_is_acknowledged_once_the_file_has_gone(tmp_path, harm):
    store = opened(tmp_path)
    ask(store, 2)
    desk = Desk(store.database)
    leased = desk.lease("ann")
    if harm == "log deleted":
        (tmp_path / "labels.sqlite-wal").unlink()
    elif harm == "deleted":
        store.path.unlink()
    else:
        store.path.rename(tmp_path / "moved.sqlite")
    if harm == "replaced":
        opened(tmp_path).close()
    with pytest.raises(OSError, match="deleted, renamed or replaced") as raised:
        desk.answer("ann", leased.number, [1, 0], token="a-good-token")
    assert raised.value.filename == str(store.path)
    with pytest.raises(OSError, match="deleted, renamed or replaced"):
        store.open(RUN, 0, 0)


def test_a_locked_or_damaged_store_is_an_error_of_the_file(tmp_path, monkeypatch):
    monkeypatch.setattr(sqlite_file, "WAIT_SECONDS", 0.05)
    store = opened(tmp_path)
    ask(store, 30)
    with sqlite3.connect(store.path, isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(OSError, match="database is locked"):
            Desk(store.database).lease("ann")
        with pytest.raises(OSError, match="database is locked"):
            opened(tmp_path)
        other.execute("ROLLBACK")
    other.close()
    damage(store)
    with pytest.raises(OSError, match=r"malformed|not a database"):
        store.asked(RUN, 0)


def damage(store):
    """Overwrite the file except for its beginning."""
    with sqlite3.connect(store.path) as other:
        other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    other.close()
    content = store.path.read_bytes()
    with store.path.open("r+b") as file:
        file.seek(4096)
        file.write(b"x" * (len(content) - 4096))


def test_what_people_and_judges_say_is_for_the_owner_alone(tmp_path):
    store = opened(tmp_path)
    ask(store, 1)
    journal = Journal(tmp_path / JOURNAL_NAME, 0)
    journal.remember({0: []})
    modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    assert len(modes) == 6 and set(modes.values()) == {0o600}


def test_undo_takes_back_ones_own_last_answer_until_it_is_absorbed(tmp_path):
    store = opened(tmp_path)
    ask(store, 4)
    desk = Desk(store.database)
    first, second = answered(desk, "ann"), answered(desk, "ann")
    answered(desk, "bob")
    held = desk.lease("ann")
    back = desk.undo("ann", token="undo-1")
    assert back.number == second.number and back.shown == second.shown
    assert desk.undo("ann", token="undo-1").number == back.number, "a repeated request is done once"
    assert desk.lease("cy").number == held.number, "her query is free again"
    desk.answer("ann", back.number, (0.0, 1.0), token="again")
    absorbed = store.absorb(RUN, 0, 0, 9)
    assert ids(absorbed) == [first.query_id, 2, second.query_id]
    with pytest.raises(Conflict, match="learned from it already"):
        desk.undo("ann", token="undo-2")
    assert desk.undo("dan", token="undo-3") is None
    with sqlite3.connect(store.path) as connection:
        assert connection.execute("SELECT count(*) FROM answers").fetchone()[0] == 5, "nothing is deleted"


def test_a_round_absorbs_exactly_once_and_the_same_on_replay(tmp_path):
    store = opened(tmp_path)
    ask(store, 9)
    desk = Desk(store.database, repeat_share=0)
    assert store.absorb(RUN, 0, 0, 3) == []
    for who in ["ann", "bob", "ann", "ann", "ann"]:
        answered(desk, who, None if who == "bob" else (1.0, 0.0))
    assert store.absorb(RUN, 0, 0, 3) == [], "an empty round stays empty"
    first, second = store.absorb(RUN, 0, 1, 3), store.absorb(RUN, 0, 2, 3)
    assert ids(first) == [0, 1, 2] and ids(second) == [3, 4], "answers beyond the limit wait"
    assert [answer.rater for answer in first] == [0, 1, 0] and first[1].scores is None
    answered(desk, "cy")
    store.close()
    again = opened(tmp_path)
    assert [again.absorb(RUN, 0, r, 3) for r in (0, 1, 2)] == [[], first, second]
    assert ids(again.absorb(RUN, 0, 3, 3)) == [5] and again.absorb(RUN, 1, 3, 3) == []
    arrays = label_arrays(first, 4, 2)
    np.testing.assert_array_equal(arrays["id"], [0, 1, 2, -1])
    np.testing.assert_array_equal(np.isnan(arrays["scores"]).all(-1), [False, True, False, True])


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(1, 3)), max_size=8))
def test_whatever_arrives_when_rounds_divide_the_answers(arrivals):
    """arrivals: (number of new answers, limit) for each round."""
    with tempfile.TemporaryDirectory() as folder:
        _divide(opened(Path(folder)), arrivals)


def _divide(store, arrivals):
    ask(store, 40)
    desk = Desk(store.database)
    received, total = [], 0
    for round, (count, limit) in enumerate(arrivals):
        for _ in range(count):
            answered(desk, "ann")
        total += count
        received.append(ids(store.absorb(RUN, 0, round, limit)))
    flat = [query_id for part in received for query_id in part]
    assert len(flat) == len(set(flat)) and len(flat) <= total
    assert received == [ids(store.absorb(RUN, 0, round, 1)) for round in range(len(arrivals))]
    store.close()


def test_the_budget_is_never_exceeded(tmp_path):
    clock = Clock()
    store = opened(tmp_path, clock=clock)
    ask(store, 9)
    store.set_budget(RUN, 0, 3)
    desk = Desk(store.database, clock=clock, lease_seconds=60)
    answered(desk, "ann")
    answered(desk, "ann", None)  # a refusal costs nothing
    held = [desk.lease(who) for who in ("ann", "bob", "cy")]
    assert held[2] is None, "the queries on lease use up the budget"
    clock.now += 61
    late = [desk.lease("cy"), desk.lease("dan")]
    assert all(late)
    desk.answer("cy", late[0].number, (1, 0), token="cy")
    desk.answer("dan", late[1].number, (1, 0), token="dan")
    assert desk.lease("ann") is None
    assert store.record(RUN, 0, "teacher", "scripted", {7: (1.0, 0.0), 8: None}) == 1, "only the refusal is new"
    assert progress(store.database).labels == 3 == progress(store.database).budget


def test_a_late_answer_does_not_exceed_the_budget(tmp_path):
    clock = Clock()
    store = opened(tmp_path, clock=clock)
    ask(store, 2)
    store.set_budget(RUN, 0, 1)
    desk = Desk(store.database, clock=clock, lease_seconds=60)
    late = desk.lease("ann")
    store.record(RUN, 0, "teacher", "scripted", {1: (1.0, 0.0)})
    with pytest.raises(Conflict, match="budget"):
        desk.answer("ann", late.number, (1.0, 0.0), token="late")


def test_some_pairs_come_twice_and_are_never_absorbed(tmp_path):
    store = opened(tmp_path)
    ask(store, 200)
    desk = Desk(store.database)
    repeats = []
    while (leased := desk.lease("ann")) is not None:
        kept = [1.0, 0.0] if leased.shown == (0, 1) else [0.0, 1.0]  # always the first clip of the query
        if leased.is_repeat and len(repeats) == 3:
            kept = [0.5, 0.5]
        desk.answer("ann", leased.number, kept, token=f"token-{leased.number}")
        repeats += [leased.query_id] if leased.is_repeat else []
    assert len(repeats) in (9, 10) and len(set(repeats)) == len(repeats)
    assert consistency(store.database) == (len(repeats) - 1, len(repeats))
    assert sorted(ids(store.absorb(RUN, 0, 0, 999))) == list(range(200))


def test_asking_again_does_nothing_and_other_clips_supersede(tmp_path):
    store = opened(tmp_path)
    ask(store, 3)
    desk = Desk(store.database)
    for _ in range(3):
        answered(desk, "ann")
    assert ids(store.absorb(RUN, 0, 0, 9)) == [0, 1, 2]
    ask(store, 3)
    assert desk.lease("ann") is None
    ask(store, 1, first=1, offset=500_000)  # as after a restart that could not restore the environment
    assert ids(store.absorb(RUN, 0, 0, 9)) == [0, 2], "the segments of that answer no longer exist"
    assert desk.lease("ann").query_id == 1


def test_a_scripted_teacher_says_the_same_after_a_restart(tmp_path):
    store = opened(tmp_path)
    ask(store, 3)
    answers = {0: (1.0, 0.0), 1: (0.5, 0.5), 2: None}
    assert store.record(RUN, 0, "oracle", "scripted", answers) == 3
    assert store.record(RUN, 0, "oracle", "scripted", answers) == 0
    absorbed = store.absorb(RUN, 0, 0, 9)
    assert [answer.scores for answer in absorbed] == [(1.0, 0.0), (0.5, 0.5), None]
    assert {answer.source for answer in absorbed} == {"scripted"}


def test_twenty_annotators_at_once_lose_nothing_and_repeat_nothing(tmp_path):
    store = opened(tmp_path)
    ask(store, 240)
    store.set_budget(RUN, 0, 230)
    said: dict[str, list[int]] = {}

    def work(who):
        own = opened(tmp_path) if who.endswith("0") else store  # some like other processes, some like threads
        desk, mine = Desk(own.database), said.setdefault(who, [])
        while (leased := desk.lease(who)) is not None:
            desk.answer(who, leased.number, (1.0, 0.0), token=f"{who}-{leased.number}")
            mine += [] if leased.is_repeat else [leased.query_id]

    threads = [threading.Thread(target=work, args=(f"annotator {i}",)) for i in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
    flat = sorted(query_id for mine in said.values() for query_id in mine)
    assert len(flat) == 230 == len(set(flat))
    assert sorted(ids(store.absorb(RUN, 0, 0, 999))) == flat


def test_json_lines_round_trip_without_loss(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    store, other = filled(tmp_path / "a"), opened(tmp_path / "b")
    rows = export_lines(store.database, tmp_path / "a.jsonl")
    assert import_lines(other.database, tmp_path / "a.jsonl") == rows
    export_lines(other.database, tmp_path / "b.jsonl")
    assert (tmp_path / "a.jsonl").read_bytes() == (tmp_path / "b.jsonl").read_bytes()
    assert other.absorb(RUN, 0, 3, 12) == store.absorb(RUN, 0, 3, 12)
    with pytest.raises(ConfigError, match="already"):
        import_lines(other.database, tmp_path / "a.jsonl")
    assert progress(other.database) == progress(store.database)


def filled(folder) -> LabelStore:
    """Return a store with answers of every kind: undone, refused, absorbed and repeated."""
    store = opened(folder)
    ask(store, 30, frames=True)
    ask(store, 2, first=30, kind="ranking", clips=3)
    ask(store, 1, first=32, kind="rating", clips=1)
    ask(store, 1, first=33, kind="yes_no", clips=1)
    store.set_budget(RUN, 0, 100)
    desk, undone = Desk(store.database), False
    while (leased := desk.lease("ann")) is not None:
        scores = [0.5, 0.5] if leased.query_id == 5 else [float(i) for i in range(len(leased.shown))]
        scores = None if leased.query_id == 4 else scores
        desk.answer("ann", leased.number, scores, token=f"t-{leased.number}-{undone}")
        if leased.query_id == 7 and not undone:
            undone = desk.undo("ann", token="undo") is not None
    store.absorb(RUN, 0, 3, 12)
    return store


def test_preference_transformer_arrays(tmp_path):
    store = filled(tmp_path)
    assert export_preference_transformer(store.database, tmp_path / "out.npz") == 29
    with np.load(tmp_path / "out.npz", allow_pickle=False) as file:
        arrays = dict(file)
    assert arrays["observations"].shape == (29, 4, 3) and arrays["actions_2"].shape == (29, 4, 2)
    assert set(arrays["human_labels"]) == {0, 1, -1}
    for label, shares in ((0, [1, 0]), (1, [0, 1]), (-1, [0.5, 0.5])):
        assert (arrays["labels"][arrays["human_labels"] == label] == shares).all()
    first = store.absorb(RUN, 0, 3, 12)[0]
    np.testing.assert_array_equal(arrays["observations_2"][0], clip(10 * first.query_id + 1).obs)
    assert arrays["human_labels"][0] == int(first.scores[1] > first.scores[0])


def test_chosen_and_rejected(tmp_path):
    store = filled(tmp_path)
    assert export_chosen_rejected(store.database, tmp_path / "out.jsonl") == 28 + 2 * 3
    rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    first = store.absorb(RUN, 0, 3, 12)[0]
    row = next(row for row in rows if row["query_id"] == first.query_id)
    assert row["chosen"]["hash"] == clip(10 * first.query_id + int(np.argmax(first.scores))).hash


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("not json", "line 2 is not JSON"),
        ('{"table": "sqlite_master"}', "line 2: each line must be"),
        ('{"table": "budgets", "run": "r"}', "must have the keys"),
        ('{"table": "clips", "hash": "x", "media": null, "sheet": "", "obs": "AA", "action": "?"}', "base64"),
    ],
)
def test_a_broken_import_changes_nothing(tmp_path, line, words):
    store, path = opened(tmp_path), tmp_path / "in.jsonl"
    export_lines(store.database, path)
    path.write_text(path.read_text() + line + "\n")
    with pytest.raises(ConfigError, match=words):
        import_lines(store.database, path)
    assert progress(store.database).open == 0


@pytest.mark.parametrize(
    ("table", "change", "words"),
    [
        ("queries", {"kind": "choice"}, "kind=choice must be"),
        ("queries", {"clips": '["a", 3]'}, "clips must be hashes"),
        ("queries", {"clips": "["}, "does not fit"),
        ("answers", {"scores": "[1e9, 0]"}, "scores must be"),
        ("answers", {"source": "oracle"}, "source must be"),
        ("answers", {"query": 99}, "does not fit"),
        ("clips", {"sheet": "{}"}, "media and sheet"),
        ("clips", {"hash": "0" * 64}, "does not have the hash"),
    ],
)
def test_an_import_that_means_nothing_is_refused(tmp_path, table, change, words):
    store, path = opened(tmp_path), tmp_path / "in.jsonl"
    ask(store, 1)
    store.record(RUN, 0, "oracle", "scripted", {0: (1.0, 0.0)})
    export_lines(store.database, path)
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    rows = [{**row, **change} if row.get("table") == table else row for row in rows]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    other = LabelStore(tmp_path / "other.sqlite")
    with pytest.raises(ConfigError, match=words):
        import_lines(other.database, path)
    assert progress(other.database).labels == 0


def test_other_files_are_refused_in_one_sentence(tmp_path):
    path = tmp_path / "labels.sqlite"
    path.write_bytes(b"something else" * 100)
    with pytest.raises(ConfigError, match="is not a label store"):
        LabelStore(path)
    with sqlite3.connect(tmp_path / "other.sqlite") as connection:
        connection.execute("CREATE TABLE t (x)")
    with pytest.raises(ConfigError, match="of another kind or version"):
        LabelStore(tmp_path / "other.sqlite")
    with pytest.raises(ConfigError, match="does not exist"):
        LabelStore(tmp_path / "none" / "labels.sqlite")


def test_queries_that_cannot_be_asked(tmp_path):
    store = opened(tmp_path)
    with pytest.raises(ConfigError, match="not in the store"):
        store.submit([NewQuery(RUN, 0, 0, 0, "pair", ("a", "b"))], [])
    for kind, count in (("pair", 3), ("ranking", 1), ("rating", 2), ("yes_no", 2), ("choice", 2)):
        with pytest.raises(ConfigError):
            NewQuery(RUN, 0, 0, 0, kind, ("a",) * count)
    with pytest.raises(ConfigError):
        make_clip(np.array([{}]), np.zeros(1))


def test_the_segments_of_a_query_become_clips(tmp_path):
    rng = np.random.default_rng(0)
    ids, obs, action = np.array([4, -1, 7]), rng.normal(size=(3, 2, 5, 3)), rng.normal(size=(3, 2, 5, 1))
    frames = rng.integers(0, 256, (3, 2, 5, 8, 8, 3), np.uint8)
    queries, clips = as_queries(ids, obs, action, run=RUN, seed=3, round=2, draw=lambda q, k: frames[q, k])
    assert [(query.query_id, query.kind, query.seed, query.round) for query in queries] == [
        (4, "pair", 3, 2),
        (7, "pair", 3, 2),
    ]
    assert queries[1].clips == tuple(segment_hash(obs[2, k], action[2, k]) for k in (0, 1))
    store = opened(tmp_path)
    store.submit(queries, clips)
    leased = Desk(store.database).lease("ann")
    assert leased.query_id == 4 and Desk(store.database).media(leased.clips[0]).startswith(b"\x89PNG")


def test_a_segment_is_named_by_what_it_holds():
    obs, action = np.arange(6.0).reshape(3, 2), np.zeros((3, 1))
    name = segment_hash(obs, action)
    assert name == segment_hash(np.asfortranarray(obs), action.copy()) and len(name) == 64
    assert name != segment_hash(obs.astype(np.float32), action) and name != segment_hash(obs.reshape(2, 3), action)


def test_a_sheet_holds_every_frame_where_it_says():
    frames = np.random.default_rng(0).integers(0, 256, (7, 5, 4, 3), np.uint8)
    media, sheet = encode_clip(frames, 10.0)
    picture = np.asarray(Image.open(io.BytesIO(media)))
    for i, frame in enumerate(frames):
        top, left = i // sheet.columns * sheet.height, i % sheet.columns * sheet.width
        np.testing.assert_array_equal(picture[top : top + 5, left : left + 4], frame)
    assert encode_clip(frames, 10.0)[0] == media
    for wrong in (frames.astype(float), frames[0], frames[:0], "frames"):
        with pytest.raises(ConfigError, match="must be uint8"):
            encode_clip(wrong, 10.0)
    with pytest.raises(ConfigError, match="show fewer"):
        encode_clip(np.zeros((1, 2, 20_000, 3), np.uint8), 10.0)


def test_texts_come_out_as_a_file_of_comparisons(tmp_path):
    store = opened(tmp_path)
    ask_texts(store, 0, "Say hello.", "Hello <b>you</b>!", "ärger")
    ask_texts(store, 1, "Count.", "1", "1 2", "1 2 3")
    ask_texts(store, 2, "Again.", "same", "same")
    ask_texts(store, 3, "Empty?", "no", " ")
    answers = {0: (0.0, 1.0), 1: (2.0, 1.0, 1.0), 2: (1.0, 0.0), 3: (0.0, 1.0)}
    store.record(RUN, 0, "ann", "human", answers)
    assert export_texts(store.database, tmp_path / "out.jsonl") == 3
    pairs = read_pairs(store, "text")
    assert pairs.obs.shape == (3, 2, 1, 4) and not pairs.details, "texts of any length are no arrays of the segments"
    rows = read_rows(tmp_path / "out.jsonl")
    assert [(row.prompt, row.responses["chosen"], row.responses["rejected"]) for row in rows] == [
        ("Say hello.", "ärger", "Hello <b>you</b>!"),
        ("Count.", "1", "1 2"),
        ("Count.", "1", "1 2 3"),
    ]
    (tmp_path / "none").mkdir()
    with pytest.raises(ConfigError, match="has no preference between two texts that people read"):
        export_texts(opened(tmp_path / "none").database, tmp_path / "none.jsonl")
    export_lines(store.database, tmp_path / "lines.jsonl")
    (tmp_path / "copy").mkdir()
    copy = opened(tmp_path / "copy")
    import_lines(copy.database, tmp_path / "lines.jsonl")
    clips = store.asked(RUN, 0)[0]
    assert Desk(copy.database).passages(clips) == [("Say hello.", "Hello <b>you</b>!"), ("Say hello.", "ärger")]
