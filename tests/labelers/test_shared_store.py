"""A label store behind a server: the same answers in the same rounds as from a file, whatever the connection does."""

import json
import subprocess
import sys
import threading
import time
from dataclasses import asdict

import numpy as np
import pytest

pytest.importorskip("uvicorn", reason="the extra 'label' is not installed")

from rl_rewards.core.errors import ConfigError
from rl_rewards.label import main
from rl_rewards.labelers import remote, wire
from rl_rewards.labelers.desk import Desk
from rl_rewards.labelers.human import NAME_FILE
from rl_rewards.labelers.instructions import Instructions
from rl_rewards.labelers.page.security import MAX_BODY, Origins
from rl_rewards.labelers.progress import progress
from rl_rewards.labelers.records import NewQuery
from rl_rewards.labelers.remote import TOKEN_VARIABLE, RemoteStore, check_address, find_token
from rl_rewards.labelers.run_store import RunStore
from scripts.annotators import Annotator
from tests.finished import cut_back
from tests.labelers.made_up import RUN, ask, clip, opened, text_clip
from tests.labelers.shared_server import TOKEN, SharedServer
from tests.labelers.test_in_runs import ASKS
from tests.runs import digest_of, rows, run_here


@pytest.fixture
def server(tmp_path):
    (tmp_path / "shared").mkdir()
    server = SharedServer(tmp_path / "shared")
    yield server
    server.stop()


def through(store: RunStore, desk: Desk) -> list:
    """Return everything that a run sees of a store while it asks, is answered, resumes and asks something else."""
    seen: list = []
    store.describe(RUN, Instructions(task="Stay.", features=("x",)))
    store.set_budget(RUN, 0, 5)
    ask(store, 4, frames=True)
    ask(store, 2, seed=1)
    seen += [store.open(RUN, 0, 0), sorted(store.unanswered(RUN, 0)), store.asked(RUN, 0), store.open(RUN, 1, 0)]
    for scores in ((1.0, 0.0), None, (0.25, 0.75)):
        leased = desk.lease("ann")
        shown = scores and [scores[place] for place in leased.shown]
        desk.answer("ann", leased.number, shown, token=f"token-{leased.number}")
    seen += [store.absorb(RUN, 0, 0, 2), store.absorb(RUN, 0, 1, 2), store.absorb(RUN, 0, 0, 2)]
    seen += [store.record(RUN, 1, "teacher 0", "scripted", {0: (0.1, 0.9), 1: None}), store.recorded(RUN, 0, 1)]
    ask(store, 1, first=2, offset=500_000)  # other clips: it supersedes an answer that was absorbed
    ask(store, 9, first=10, round=3)
    seen += [store.open(RUN, 0, 2), store.open(RUN, 0, 3), store.absorb(RUN, 0, 1, 2), store.absorb(RUN, 1, 3, 9)]
    return [*seen, store.asked(RUN, 0)]


def test_a_server_gives_what_the_file_gives(tmp_path, server):
    file = opened(tmp_path)
    expected = through(file, Desk(file.database, repeat_share=0.0))
    assert through(RemoteStore(server.address, TOKEN), Desk(server.store.database, repeat_share=0.0)) == expected
    assert server.store.told(RUN) == Instructions(task="Stay.", features=("x",))


@pytest.mark.parametrize("made", [clip(1, frames=True), clip(2), text_clip(3, "Ä prompt", "\u202e")])
def test_clips_arrive_as_they_were(tmp_path, server, made):
    for store in (opened(tmp_path), RemoteStore(server.address, TOKEN)):
        store.submit([], [made])
    held = []
    for database in (opened(tmp_path).database, server.store.database):
        with database.reading() as connection:
            both = [connection.execute(f"SELECT * FROM {table}").fetchall() for table in ("clips", "details")]
        held.append([tuple(row) for found in both for row in found])
    assert held[0] == held[1] and held[0]


def test_many_clips_are_sent_in_parts(server, monkeypatch):
    monkeypatch.setattr(remote, "BATCH", 5_000)
    store = RemoteStore(server.address, TOKEN)
    sent, post = [], store._post
    monkeypatch.setattr(store, "_post", lambda name, given: (sent.append(len(json.dumps(given))), post(name, given))[1])
    ask(store, 20)
    assert len(sent) > 5 and max(sent) < 6_000
    assert progress(server.store.database).open == 20


class Losing:
    """An application whose responses are lost after it has done its work, every other time."""

    def __init__(self, app) -> None:
        self._app, self._calls, self.lost = app, 0, 0

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        self._calls += 1
        if self._calls % 2:
            return await self._app(scope, receive, send)

        async def nothing(message):
            del message

        await self._app(scope, receive, nothing)
        self.lost += 1
        raise ConnectionAbortedError("lost")  # uvicorn answers 500, as a proxy would


def test_lost_responses_change_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(remote, "PAUSES", (0.001, 0.01))
    (tmp_path / "shared").mkdir()
    losing = []
    server = SharedServer(tmp_path / "shared", lambda app: losing.append(Losing(app)) or losing[0])
    try:
        file = opened(tmp_path)
        expected = through(file, Desk(file.database, repeat_share=0.0))
        store = RemoteStore(server.address, TOKEN)
        monkeypatch.setattr(store, "open", lambda *asked: store._call("open", **dict(zip(ASKED, asked, strict=True))))
        seen = through(store, Desk(server.store.database, repeat_share=0.0))
        assert losing[0].lost > 10
        new = expected.index(2, 4)  # a repeated call had stored the answers: the number of new ones is not known
        assert seen[:new] + seen[new + 1 :] == expected[:new] + expected[new + 1 :] and seen[new] in (0, 2)
        counts = [asdict(progress(one.database)) for one in (file, server.store)]
        assert counts[0] == counts[1]
    finally:
        server.stop()


ASKED = ("run", "seed", "round")


def test_a_server_that_is_away_is_waited_for_and_said_once(server, monkeypatch, capsys):
    monkeypatch.setattr(remote, "PAUSES", (0.01, 0.05))
    store = RemoteStore(server.address, TOKEN)
    ask(store, 1)
    server.stop()
    assert store.open(RUN, 0, 0) == 1, "a run that waits for people goes on waiting"
    later = threading.Timer(0.3, server.start)
    later.start()
    ask(store, 1, first=1)
    later.join()
    said = capsys.readouterr().out
    assert said.count("cannot be used now") == 1 and said.count("can be used again") == 1
    assert store.open(RUN, 0, 0) == 2 and TOKEN not in said


def test_what_cannot_work_is_one_sentence(tmp_path, server, monkeypatch):
    with pytest.raises(ConfigError, match="refuses this token") as refused:
        RemoteStore(server.address, "x" * 32)
    assert "x" * 32 not in str(refused.value)
    with monkeypatch.context() as patch:
        patch.setattr(remote, "PROTOCOL", 2)
        with pytest.raises(ConfigError, match="speaks version 1 of the label store's protocol, not 2"):
            RemoteStore(server.address, TOKEN)
    monkeypatch.delenv(TOKEN_VARIABLE, raising=False)
    with pytest.raises(ConfigError, match=f"set the environment variable {TOKEN_VARIABLE}"):
        find_token(None)
    (tmp_path / "token").write_text("short")
    with pytest.raises(ConfigError, match="token holds no token"):
        find_token(str(tmp_path / "token"))
    for address in (
        "http://host:1/?token=secretsecret",
        "http://secretsecret@host",
        "http://h/x",
        "http://h:x",
        "http://",
    ):
        with pytest.raises(ConfigError, match="must be http://HOST:PORT") as wrong:
            check_address(address)
        assert "secret" not in str(wrong.value)


def posted(server, name, body=b"", **headers):
    import http.client

    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10.0)
    sent = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json", **headers}
    connection.request("POST", f"/store/{name}", body, {key: value for key, value in sent.items() if value is not None})
    response = connection.getresponse()
    said = json.loads(response.read())
    connection.close()
    return response.status, said


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Authorization": None}, 401),
        ({"Authorization": f"Basic {TOKEN}"}, 401),
        ({"Authorization": None, "Cookie": "rl_rewards_label_{port}=" + TOKEN}, 401),
        ({"Origin": "http://evil.example"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Host": "evil.example"}, 403),
        ({"Content-Type": "text/plain"}, 415),
        ({"Content-Length": str(2**40)}, 413),
    ],
)
def test_calls_of_trainers_need_the_token_and_our_host(server, headers, status):
    sent = {key: value and value.replace("{port}", str(server.port)) for key, value in headers.items()}
    assert posted(server, "hello", b'{"protocol": 1}', **sent)[0] == status


def test_malformed_calls_change_nothing(server):
    good = wire.clip_to_json(clip(1, frames=True))
    huge = {**good, "obs": wire._array_to_text(np.zeros(0)).replace("KDAs", "KDFl")}
    clips = [None, 5, {}, {**good, "hash": "0" * 64}, {**good, "obs": "?"}, {**good, "media": "AAAA"}, huge]
    clips += [{**good, "sheet": None}, {**good, "sheet": {**good["sheet"], "frames": 0}}, {**good, "details": []}]
    query = asdict(NewQuery(RUN, 0, 0, 0, "pair", ("0" * 64, "1" * 64)))
    calls = [("submit", {"queries": [], "clips": [one]}) for one in clips]
    changes = ({}, {"kind": "x"}, {"clips": "ab"}, {"seed": -1}, {"round": 1.5}, {"query_id": 2**63}, {"run": "a\n"})
    calls += [("submit", {"queries": [{**query, **change}], "clips": []}) for change in changes]
    whose = {"run": RUN, "seed": 0}
    calls += [("record", {**whose, "labeler": "a", "source": source, "answers": []}) for source in ("x", None)]
    calls += [
        ("record", {**whose, "labeler": "a", "source": "judge", "answers": answers})
        for answers in (1, [[0]], [[9, []]])
    ]
    calls += [("describe", {"run": RUN, "told": told}) for told in (None, "[]", "[" * 9000, '{"task": 5}')]
    calls += [("absorb", {**whose, "round": 0}), ("open", {"run": 1, "seed": 0, "round": 0}), ("set_budget", whose)]
    for name, given in calls:
        status, said = posted(server, name, json.dumps({"protocol": 1, **given}).encode())
        assert status == 400 and said["error"], (name, given)
    assert posted(server, "submit", b'"' + b"x" * MAX_BODY + b'"')[0] == 400, "longer than those of the page"
    assert posted(server, "drop", b'{"protocol": 1}')[0] == 404
    assert server.store.runs() == []


def test_the_server_answers_to_its_own_names():
    here = Origins(8642)
    assert here.of("127.0.0.1:8642") == "http://127.0.0.1:8642" and here.of("192.0.2.7:8642") is None
    open_to_all = Origins(8642, ["http://lab:8642", "https://label.example.org"], by_number=True)
    assert open_to_all.of("LAB:8642") == "http://lab:8642"
    assert open_to_all.of("label.example.org") == "https://label.example.org"
    assert open_to_all.of("192.0.2.7:8642") == "http://192.0.2.7:8642"
    assert open_to_all.of("[fd00::2]:8642") == "http://[fd00::2]:8642"
    for host in ("evil.example:8642", "192.0.2.7", "192.0.2.7:1", "a@192.0.2.7:8642", "192.0.2.7:8642/", ""):
        assert open_to_all.of(host) is None, host


class Person(threading.Thread):
    """Answers all questions on the page of ``server`` by their numbers, through restarts, until told to stop."""

    def __init__(self, server: SharedServer, words: set | None = None) -> None:
        super().__init__()
        self._server, self.words, self.stopping = server, words if words is not None else set(), threading.Event()
        self.start()

    def run(self) -> None:
        import http.client

        person = Annotator(f"{self._server.address}/?token={TOKEN}", "ann")
        while not self.stopping.is_set():
            try:
                status, state = person.call("state")
                if status == 200 and state["question"]:
                    number = state["question"]["number"]
                    self.words.add((state["words"], state["told"]["task"]))
                    person.call("answer", question=number, scores=[1, 0], token=f"answer-{number}")
                    continue
            except (OSError, http.client.HTTPException):
                pass
            time.sleep(0.01)

    def stop(self) -> None:
        self.stopping.set()
        self.join()


HUMAN = (*ASKS, "labeler=human")


def test_a_run_through_a_server_that_restarts_resumes_with_the_same_labels(tmp_path, server, outer_patch, capsys):
    outer_patch.setenv(TOKEN_VARIABLE, TOKEN)
    outer_patch.setattr(remote, "PAUSES", (0.01, 0.05))
    run, person = tmp_path / "run", Person(server)
    again = (run, *HUMAN, f"labeler.store={server.address}", "checkpoint.every=3")
    restarts = threading.Thread(target=_restart_once, args=(server,))
    restarts.start()
    try:
        last = run_here(*again, evaluated=False)
    finally:
        person.stop()
        restarts.join()
    assert last["reward/labels"] == 24 and "cannot be used now" in capsys.readouterr().out
    told, bits = rows(run), digest_of(run)
    name = (run / NAME_FILE).read_text().strip()
    assert server.store.runs() == [(name, 0)]
    assert not (run / "labels.sqlite").exists()
    assert all(TOKEN not in file.read_text(errors="replace") for file in run.rglob("*") if file.is_file())
    before = asdict(progress(server.store.database))
    cut_back(run)
    run_here(*again, evaluated=False)  # nobody is there: the answers are in the store
    assert digest_of(run) == bits and rows(run) == told and asdict(progress(server.store.database)) == before


def _restart_once(server: SharedServer) -> None:
    while progress(server.store.database).labels < 10:
        time.sleep(0.005)
    server.stop()
    time.sleep(0.3)
    server.start()


def test_two_runs_ask_in_their_own_words_and_keep_their_answers(tmp_path, server, outer_patch):
    outer_patch.setenv(TOKEN_VARIABLE, TOKEN)
    words: set = set()
    stores = [RemoteStore(server.address, TOKEN) for _ in range(2)]
    for number, store in enumerate(stores):
        store.describe(f"run {number}", Instructions(ask=f"Which, {number}?", task=f"Task {number}."))
        own = [clip(10 * number + k) for k in range(2)]
        names = tuple(one.hash for one in own)
        store.submit([NewQuery(f"run {number}", 0, query, 0, "pair", names) for query in range(3)], own)
        store.set_budget(f"run {number}", 0, 2 + number)
    person = Person(server, words)
    try:
        while any(store.open(f"run {number}", 0, 0) for number, store in enumerate(stores)):
            time.sleep(0.01)
    finally:
        person.stop()
    assert words == {("Which, 0?", "Task 0."), ("Which, 1?", "Task 1.")}
    absorbed = [store.absorb(f"run {number}", 0, 0, 9) for number, store in enumerate(stores)]
    assert [len(answers) for answers in absorbed] == [2, 3], "each has its own budget"
    person = Annotator(f"{server.address}/?token={TOKEN}", "bob")
    assert "budgets of all runs are used up" in person.call("state")[1]["words"]


def test_the_door_of_a_shared_store(tmp_path, capsys):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.yaml").touch()
    for arguments, words in (
        ([str(tmp_path / "run")], "is the folder of a run"),
        ([str(tmp_path / "no" / "folder")], "does not exist"),
        ([str(tmp_path / "new"), "--ask", "Which?"], "each run brings its own questions"),
        ([str(tmp_path / "new"), "--address", "https://a/b"], "must be http://HOST or https://HOST"),
    ):
        with pytest.raises(SystemExit) as left:
            main([*arguments, "--shared", "--port", "0"])
        said = capsys.readouterr().err
        assert left.value.code == 2 and words in said and said.count("\n") == 1


def test_a_shared_store_is_served_to_other_machines_on_request_alone(tmp_path):
    command = [sys.executable, "-m", "rl_rewards.label", str(tmp_path / "new"), "--shared", "--port", "0"]
    process = subprocess.Popen([*command, "--host", "0.0.0.0"], stdout=subprocess.PIPE, text=True)
    try:
        said = [process.stdout.readline() for _ in range(3)]
        port = int(said[0].split("/?token=")[0].rpartition(":")[2])
        token = (tmp_path / "new" / "label_token").read_text()
        assert "labeler.store=http://" in said[1] and token not in said[1]
        assert said[2].startswith("Warning: ") and "nothing on it is encrypted" in said[2]
        assert RemoteStore(f"http://127.0.0.1:{port}", token).asked("run", 0) == {}
    finally:
        process.terminate()
        process.wait(20)
    assert (tmp_path / "new" / "labels.sqlite").stat().st_mode & 0o777 == 0o600
