"""The labelling page's server with a test client: its calls, and all requests that it refuses."""

import json
import sqlite3
import subprocess
import sys
import time
import warnings

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("starlette", reason="the extra 'label' is not installed")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from starlette.testclient import TestClient

from rl_rewards.core.errors import ConfigError
from rl_rewards.label import main
from rl_rewards.labelers import desk
from rl_rewards.labelers.desk import Desk
from rl_rewards.labelers.instructions import ASK, Instructions, instructions_in
from rl_rewards.labelers.page import server
from rl_rewards.labelers.page.run_state import MOST_POINTS, RunState
from rl_rewards.labelers.page.security import MAX_BODY
from rl_rewards.labelers.page.server import create_app, only_server
from rl_rewards.labelers.progress import progress
from rl_rewards.labelers.records import DONE, NewQuery
from tests.labelers.made_up import RUN, ask, ask_texts, clip, opened, text_clip

HOST, TOKEN = "127.0.0.1:8642", "t" * 32
OURS = {"origin": f"http://{HOST}"}


def client_of(store, run_dir, **options):
    app = create_app(Desk(store.database, **options), run_dir, port=8642, token=TOKEN, told=lambda run: Instructions())
    return TestClient(app, base_url=f"http://{HOST}", raise_server_exceptions=False)


@pytest.fixture
def store(tmp_path):
    store = opened(tmp_path)
    ask(store, 30, frames=True)
    return store


@pytest.fixture
def client(store, tmp_path):
    client = client_of(store, tmp_path)
    assert client.get(f"/?token={TOKEN}").status_code == 200
    return client


def call(client, name, status=200, **body):
    said = client.post(f"/api/{name}", json={"annotator": "ann", **body}, headers=OURS)
    assert said.status_code == status, said.text
    return said.json()


def say(client, state, scores=(1, 0), **more):
    number = state["question"]["number"]
    return call(
        client, "answer", question=number, scores=scores, **{"token": f"token-{number}-{time.time_ns()}", **more}
    )


def test_a_pair_is_shown_and_answered(client, store):
    state = call(client, "state")
    assert state["status"] == "ask" and state["words"] == ASK and state["question"]["kind"] == "pair"
    for shown in state["question"]["clips"]:
        picture = client.get(shown["media"])
        assert picture.headers["content-type"] == "image/png" and "immutable" in picture.headers["cache-control"]
    after = say(client, state, shown_at=1.7e9, replays=2)
    assert after["saved"] is True and after["question"]["number"] != state["question"]["number"]
    assert after["progress"]["labels"] == 1
    back = call(client, "undo", token="undo-undo")
    assert back["undone"] and back["question"]["number"] == state["question"]["number"]
    assert back["progress"]["labels"] == 0
    assert call(client, "undo", token="undo-more")["undone"] is False
    say(client, back, None)
    assert store.absorb(RUN, 0, 0, 9)[0].scores is None


def test_a_picture_is_shown_and_answered_yes_or_no(tmp_path):
    store = opened(tmp_path)
    ask(store, 3, kind="yes_no", clips=1, frames=True, steps=1)
    app = create_app(
        Desk(store.database),
        tmp_path,
        port=8642,
        token=TOKEN,
        told=lambda run: Instructions(ask_done="Is the case behind it?"),
    )
    client = TestClient(app, base_url=f"http://{HOST}")
    client.get(f"/?token={TOKEN}")
    state = call(client, "state")
    assert state["words"] == "Is the case behind it?" and state["question"]["kind"] == "yes_no"
    (shown,) = state["question"]["clips"]
    assert shown["frames"] == 1 and client.get(shown["media"]).headers["content-type"] == "image/png"
    number = state["question"]["number"]
    for scores in ([0.5], [5], [-1], [1, 0]):
        assert call(client, "answer", 400, question=number, scores=scores, token="a-good-token")["error"]
    assert progress(store.database).labels == 0
    for scores in ([1], [0], None):
        state = say(client, state, scores)
    assert state["status"] == "waiting" and state["progress"]["labels"] == 2 and state["progress"]["refused"] == 1
    assert [answer.scores for answer in store.absorb(RUN, 0, 0, 9)] == [(1.0,), (0.0,), None]


def test_a_second_person_and_the_unnamed_one_are_asked_for_names(store, tmp_path):
    client = client_of(store, tmp_path)
    client.get(f"/?token={TOKEN}")
    one = {"annotator": "person", "browser": "browser-1"}
    held = call(client, "state", **one)
    assert held["status"] == "ask", "who is alone needs no name"
    assert call(client, "state", annotator="person", browser="browser-2")["status"] == "name"
    after = call(client, "answer", question=held["question"]["number"], scores=[1, 0], token="kept-all-the-same", **one)
    assert after["saved"] is True and after["status"] == "name" and after["question"] is None
    assert call(client, "state", annotator="ann", browser="browser-1")["status"] == "ask"
    assert "browser must be" in call(client, "state", 400, annotator="ann", browser=5)["error"]


def test_who_labels_after_others_needs_a_name(store, client, tmp_path):
    say(client, call(client, "state"))
    later = client_of(store, tmp_path)
    later.get(f"/?token={TOKEN}")
    assert call(later, "state", annotator="person")["status"] == "name"


def test_time_and_consistency_are_those_of_each_person(tmp_path):
    store, clock = opened(tmp_path), Ticking()
    ask(store, 60)
    client = client_of(store, tmp_path, clock=clock, repeat_share=0.2)
    client.get(f"/?token={TOKEN}")
    state = call(client, "state")
    assert state["own"] == {"repeats": 0, "agreements": 0, "seconds_each": None}
    for _ in range(20):
        shown, clock.now = clock.now, clock.now + 4.0
        state = say(client, state, shown_at=shown)
    assert state["own"]["seconds_each"] == 4.0
    repeats = state["own"]["repeats"]
    assert repeats == state["progress"]["repeats"] > 0
    other = call(client, "state", annotator="bob")
    assert other["own"]["repeats"] == 0 and other["progress"]["repeats"] == repeats


class Ticking:
    now = 1.7e9

    def __call__(self):
        return self.now


def test_instructions_are_kept_in_the_run_folder(tmp_path):
    assert instructions_in(tmp_path) == Instructions()
    told = Instructions(task="Straße \u2192 home", legend="A dot.", strength=True, ask="Which?", features=("x", "y"))
    told.save(tmp_path)
    assert instructions_in(tmp_path) == told
    for text in ("[]", "{", '{"task": 5}', '{"tusk": "a"}'):
        (tmp_path / "labelling.json").write_text(text)
        with pytest.raises(ConfigError, match=r"labelling.json does not hold a run's instructions"):
            instructions_in(tmp_path)


def test_the_question_of_a_yes_or_no_is_the_stated_one_by_default(tmp_path):
    store = opened(tmp_path)
    ask(store, 1, kind="yes_no", clips=1)
    client = client_of(store, tmp_path)
    client.get(f"/?token={TOKEN}")
    assert call(client, "state")["words"] == DONE == "Is the task done in this picture?"


def test_texts_come_as_texts_with_their_prompt(tmp_path):
    store = opened(tmp_path)
    ask_texts(store, 0, "A prompt", "one", "")
    ask_texts(store, 1, "Rate it", "three", round=1)
    own = [text_clip(77, "this", "a"), text_clip(78, "that", "b")]
    store.submit([NewQuery(RUN, 0, 2, 2, "pair", tuple(one.hash for one in own))], own)
    client = client_of(store, tmp_path, repeat_share=0.0)
    client.get(f"/?token={TOKEN}")
    state = call(client, "state")
    assert state["question"]["prompt"] == "A prompt"
    assert sorted(one["text"] for one in state["question"]["clips"]) == ["", "one"]
    state = say(client, state)
    assert state["question"]["prompt"] == "Rate it" and state["question"]["clips"] == [{"text": "three"}]
    state = say(client, state, [4])
    assert "prompt" not in state["question"], "responses to different prompts are shown with their own"
    assert sorted(one["prompt"] for one in state["question"]["clips"]) == ["that", "this"]


def test_looking_takes_no_question(client, store):
    assert call(client, "progress")["progress"]["leased"] == 0
    call(client, "state")
    assert call(client, "progress")["progress"]["leased"] == 1
    call(client, "release")
    assert progress(store.database).leased == 0


def test_it_says_why_there_is_nothing_to_label(tmp_path):
    store = opened(tmp_path)
    client = client_of(store, tmp_path)
    client.get(f"/?token={TOKEN}")
    assert call(client, "state")["status"] == "waiting"
    ask(store, 1)
    state = call(client, "state")
    assert state["question"]["clips"] == [None, None], "clips without pictures can be skipped"
    assert call(client, "state", annotator="bob")["status"] == "others"
    (tmp_path / "DONE").touch()
    assert say(client, state)["status"] == "over"
    store.set_budget(RUN, 0, 1)
    assert call(client, "state")["status"] == "budget"


def test_the_page_and_its_parts_need_nothing_from_elsewhere(client):
    for path, kind in (("/", "text/html"), ("/page.css", "text/css"), ("/page.js", "text/javascript")):
        part = client.get(path)
        assert part.status_code == 200 and part.headers["content-type"].startswith(kind)
        assert "default-src 'none'" in part.headers["content-security-policy"]
        assert "access-control-allow-origin" not in part.headers
        assert "https://" not in part.text and "style=" not in part.text


def test_the_cookie_is_given_for_the_token_alone(store, tmp_path):
    client = client_of(store, tmp_path)
    assert client.get("/").status_code == 401
    assert client.get("/?token=" + "x" * 32).status_code == 401
    given = client.get(f"/?token={TOKEN}").headers["set-cookie"]
    assert "SameSite=Strict" in given and "HttpOnly" in given
    other = client_of(store, tmp_path)
    media = call(client, "state")["question"]["clips"][0]["media"]
    assert other.get(media).status_code == 401
    assert other.post("/api/state", json={}, headers=OURS).status_code == 401
    assert other.get("/", headers={"cookie": 'rl_rewards_label_8642="\xff'.encode("latin-1")}).status_code == 401


@pytest.mark.parametrize(
    ("headers", "status", "words"),
    [
        ({"host": "evil.example"}, 403, "127.0.0.1 and localhost"),
        ({"host": "127.0.0.1:1"}, 403, "127.0.0.1 and localhost"),
        ({"origin": "http://evil.example"}, 403, "another page"),
        ({"origin": "null"}, 403, "another page"),
        ({"origin": "https://127.0.0.1:8642"}, 403, "another page"),
        ({"origin": None}, 403, "labelling page"),
        ({"sec-fetch-site": "cross-site"}, 403, "labelling page"),
        ({"content-type": "text/plain"}, 415, "application/json"),
        ({"content-type": "application/x-www-form-urlencoded"}, 415, "application/json"),
        ({"content-length": "-1"}, 400, "not a number"),
    ],
)
def test_requests_that_are_not_from_the_page_are_refused(client, headers, status, words):
    sent = {**OURS, "content-type": "application/json", **headers}
    said = client.post("/api/state", content=b"{}", headers={k: v for k, v in sent.items() if v is not None})
    assert said.status_code == status and words in said.json()["error"]
    assert said.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"[]", 400),
        (b"\xff\xfe", 400),
        (b'{"annotator": NaN}', 400),
        (b"[" * 9000, 400),
        (b"1" * 9000, 400),
        (b'{"annotator": 3}', 400),
        (b'{"annotator": "   "}', 400),
        (b'{"annotator": "a\\u0000b"}', 400),
        (b'{"annotator": "' + b"a" * 41 + b'"}', 400),
        (b'"' + b"a" * MAX_BODY + b'"', 413),
    ],
)
def test_malformed_and_huge_bodies_get_one_sentence(client, body, status):
    for name in ("state", "answer", "undo", "release"):
        said = client.post(f"/api/{name}", content=body, headers={**OURS, "content-type": "application/json"})
        assert said.status_code == status and said.json()["error"].endswith(".")
    chunks = client.post("/api/state", content=iter([body]), headers={**OURS, "content-type": "application/json"})
    assert chunks.status_code == status


def test_unknown_addresses_and_pictures(client):
    for path in ("/api/state/x", "/media/" + "0" * 64, "/media/..%2f..%2fetc", "/media/%27", "/page.py", "/docs"):
        assert client.get(path).status_code == 404 and client.get(path).json()["error"]
    assert client.get("/api/state").status_code == 405
    assert client.put("/api/state", json={}, headers=OURS).status_code == 405


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"question": 10**30}, 400),
        ({"question": -1}, 400),
        ({"question": True}, 400),
        ({"question": 29}, 409),
        ({"scores": [1]}, 400),
        ({"scores": [1, 1e9]}, 400),
        ({"scores": [True, False]}, 400),
        ({"scores": {"0": 1}}, 400),
        ({"token": "short"}, 400),
        ({"token": "'; DROP TABLE answers; --"}, 400),
        ({"shown_at": "now"}, 400),
        ({"shown_at": 10**400}, 400),
        ({"replays": -1}, 400),
        ({"annotator": "bob"}, 409),
    ],
)
def test_forged_answers_change_nothing(client, store, change, status):
    number = call(client, "state")["question"]["number"]
    body = {"question": number, "scores": [1, 0], "token": "a-good-token", **change}
    assert call(client, "answer", status, **body)["error"]
    assert progress(store.database).labels == 0


def test_what_is_not_in_the_store_is_never_called_saved(client, store):
    answer = {"question": call(client, "state")["question"]["number"], "token": "a-good-token"}
    store.database._connection.execute("PRAGMA busy_timeout = 50")
    with sqlite3.connect(store.path, isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        assert call(client, "answer", 503, scores=[1, 0], **answer)["error"].startswith("Not saved: the label store ")
        other.execute("ROLLBACK")
    other.close()
    assert call(client, "answer", scores=[1, 0], **answer)["saved"] is True
    assert "another answer" in call(client, "answer", 409, scores=[0, 1], **answer)["error"]
    store.path.rename(store.path.with_name("moved.sqlite"))
    for name in ("state", "progress"):
        said = call(client, name, 503)["error"]
        assert "Not saved: " in said and "deleted, renamed or replaced" in said and str(store.path) in said


def test_it_is_said_that_many_names_have_questions(client, monkeypatch):
    for module in (desk, server):
        monkeypatch.setattr(module, "MOST_LEASES", 2)
    states = [call(client, "state", annotator=name) for name in ("ann", "bob", "cy")]
    assert [state["status"] for state in states] == ["ask", "ask", "crowded"]
    assert "people are labelling now, which is the limit" in states[2]["words"]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=50),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4),
    max_leaves=8,
)
fields = ("annotator", "question", "scores", "token", "shown_at", "replays", "other")


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fuzzed")
    store = opened(folder)
    ask(store, 3)
    client = client_of(store, folder)
    client.get(f"/?token={TOKEN}")
    return client, store


@settings(max_examples=60)
@given(
    st.sampled_from(["state", "progress", "answer", "undo", "release"]),
    st.fixed_dictionaries({}, optional=dict.fromkeys(fields, json_values)) | json_values,
)
def test_no_json_makes_the_server_fail(fuzzed, name, body):
    client, store = fuzzed
    said = client.post(f"/api/{name}", content=json.dumps(body), headers={**OURS, "content-type": "application/json"})
    assert said.status_code in (200, 400, 409, 413)
    assert said.status_code == 200 or set(said.json()) == {"error"}
    assert progress(store.database).labels == 0


@settings(max_examples=60)
@given(st.binary(max_size=200))
def test_no_bytes_make_the_server_fail(fuzzed, body):
    client, _ = fuzzed
    said = client.post("/api/answer", content=body, headers={**OURS, "content-type": "application/json"})
    assert said.status_code == 400 and set(said.json()) == {"error"}


def test_answering_stays_fast_with_thousands_of_labels(tmp_path):
    store = opened(tmp_path)
    pair = [clip(number) for number in (0, 1)]
    names = tuple(part.hash for part in pair)
    store.submit([NewQuery(RUN, 0, query_id, 0, "pair", names) for query_id in range(3_010)], pair)
    store.set_budget(RUN, 0, 6_000)
    store.record(RUN, 0, "ann", "human", dict.fromkeys(range(3_000), (1.0, 0.0)))
    client = client_of(store, tmp_path)
    client.get(f"/?token={TOKEN}")
    state, seconds = call(client, "state"), []
    for _ in range(8):
        began = time.perf_counter()
        state = say(client, state)
        seconds.append(time.perf_counter() - began)
    print(f"answering with 3,000 labels: {1000 * sorted(seconds)[4]:.1f} ms")
    assert min(seconds) < 1.0, "the limit is loose, because the machine may be busy"


def test_a_second_server_on_one_store_is_refused(store, tmp_path, capsys):
    with only_server(store.path):
        with pytest.raises(ConfigError, match="already has a labelling page"), only_server(tmp_path / "labels.sqlite"):
            pass
        with pytest.raises(SystemExit) as left:
            main([str(tmp_path), "--port", "0"])
        assert left.value.code == 2 and "already has a labelling page" in capsys.readouterr().err
    with only_server(tmp_path / "labels.sqlite"):
        pass


def test_a_store_of_two_names_is_served_once(store, tmp_path):
    link = tmp_path / "link.sqlite"
    link.symlink_to(store.path)
    with only_server(store.path), pytest.raises(ConfigError, match="already has a labelling page"), only_server(link):
        pass


@pytest.fixture
def nothing_is_served(monkeypatch):
    def run(self, sockets):
        raise AssertionError("a server was opened")

    monkeypatch.setattr("uvicorn.Server.run", run)


@pytest.mark.usefixtures("nothing_is_served")
def test_where_nothing_was_asked_nothing_is_served_and_no_file_made(tmp_path, capsys):
    for done in (False, True):
        if done:
            opened(tmp_path).close()  # the run could have asked, and is over
            (tmp_path / "DONE").touch()
        before = sorted(path.name for path in tmp_path.iterdir())
        with pytest.raises(SystemExit) as left:
            main([str(tmp_path), "--port", "0"])
        said = capsys.readouterr().err
        assert left.value.code == 2 and said.count("\n") == 1 and "has asked nothing: " in said
        assert sorted(path.name for path in tmp_path.iterdir()) == before


@pytest.mark.usefixtures("nothing_is_served")
@pytest.mark.parametrize("content", [b"", b"short", ("t" * 40).encode("utf-16"), b"\xef\xbb\xbf" + b"t" * 40])
def test_a_token_that_is_none_is_refused_in_one_sentence(store, tmp_path, capsys, content):
    (tmp_path / "label_token").write_bytes(content)
    with pytest.raises(SystemExit) as left:
        main([str(tmp_path), "--port", "0"])
    said = capsys.readouterr().err
    assert left.value.code == 2 and "label_token holds no token" in said and said.count("\n") == 1


def test_the_door_refuses_in_one_sentence(tmp_path, capsys):
    for arguments, words in (
        ([str(tmp_path / "none")], "is not a folder"),
        ([str(tmp_path), "--port", "70000"], "must be 0 to 65535"),
        ([str(tmp_path), "--store", str(tmp_path / "no.sqlite"), "--export", str(tmp_path / "x")], "does not exist"),
    ):
        with pytest.raises(SystemExit) as left:
            main(arguments)
        said = capsys.readouterr().err
        assert left.value.code == 2 and words in said and said.count("\n") == 1


def test_the_door_carries_labels_out_and_in(store, tmp_path, capsys):
    (tmp_path / "other").mkdir()
    main([str(tmp_path), "--export", str(tmp_path / "labels.jsonl")])
    main([str(tmp_path / "other"), "--import", str(tmp_path / "labels.jsonl")])
    assert "rows added" in capsys.readouterr().out
    assert progress(opened(tmp_path / "other").database).open == 30


def test_the_door_needs_its_extra(tmp_path):
    code = f"import sys; sys.modules['uvicorn'] = None\nfrom rl_rewards.label import main; main([{str(tmp_path)!r}])"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert said.returncode == 2 and "pip install 'rl_rewards[label]'" in said.stderr


def test_curves_follow_a_file_that_grows_and_is_cut(tmp_path):
    path, run = tmp_path / "metrics.jsonl", RunState(tmp_path)
    assert run.progress()["accuracy"] == []
    rows = [{"round": i, "env_steps": 10 * i, "reward/heldout_accuracy": [0.5, 0.7]} for i in range(3)]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    path.write_text(text + '{"round": 3, "env_st')
    assert run.progress()["accuracy"] == [(0, 0.6), (10, 0.6), (20, 0.6)]
    path.write_text(text + '{"env_steps": 30, "reward/heldout_accuracy": 0.8}\n{"env_steps": 40}\nnull\n[1]\n')
    assert run.progress()["accuracy"][-1] == (30, 0.8)
    assert run.progress()["env_steps"] == 40 and run.progress()["success"] == []
    path.write_text(text[: len(text) // 3])
    assert run.progress()["accuracy"] == [(0, 0.6)]
    path.write_text("".join(json.dumps({**rows[1], "env_steps": i}) + "\n" for i in range(1000)))
    assert len(run.progress()["accuracy"]) <= MOST_POINTS and run.progress()["accuracy"][-1][0] == 999
