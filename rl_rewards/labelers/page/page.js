"use strict";
// The labelling page. Texts are shown as texts, never as HTML. The page says "Saved" only after the server has confirmed
// an answer, and keeps the answer in this browser until then. playing.js, intro.js and progress.js belong to it.

const LOOK_AGAIN = 2000;     // milliseconds between requests when there is no question or no server
const KEPT = "rl_rewards.unsaved", NAME = "rl_rewards.name", BROWSER = "rl_rewards.browser";

let question = null;         // what the server asked: number, kind, clips, and the prompt that texts answer
let clips = [];              // for each clip: its figure, canvas context, picture, sheet, and the frame drawn last
let texts = false;           // whether the clips are texts
let order = [];              // for a ranking: indices of the clips, best first
let told = { task: "", legend: "", strength: false };  // what the run tells people
let shownAt = 0;
let busy = "", wanted = null, timer = 0;  // busy: "", "looking" or "sending"
let who = "", browser = "";

history.replaceState(null, "", "/");  // the cookie has the token; remove it from the address and bookmarks

// Requests to the server.

async function call(name, body) {
  const response = await fetch("/api/" + name, {
    method: "POST", headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ annotator: who, browser, ...body }),
  });
  const said = await response.json();
  if (!response.ok) throw Object.assign(new Error(said.error), { status: response.status });
  return said;
}

// Not crypto.randomUUID, which browsers offer only on encrypted pages and on this machine.
const newToken = () => Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
const kept = () => JSON.parse(localStorage.getItem(KEPT) || "null");

// Send one request at a time: an unsaved answer, or ``action`` (an undo), or else a request for the state.
async function go(action) {
  if (busy) { wanted = action || wanted || true; return; }
  clearTimeout(timer);
  const unsaved = kept();
  busy = unsaved || action ? "sending" : "looking";
  lock();
  let again = null;
  try {
    if (unsaved) {
      saying("Saving …", false);
      const state = await call("answer", unsaved);
      localStorage.removeItem(KEPT);
      saying(unsaved.scores === null ? "Skipped" : "Saved", true);
      show(state);
      again = action;
    } else if (action) {
      const state = await call("undo", action);
      saying(state.undone ? "Taken back" : "Nothing to take back", state.undone);
      show(state, state.undone);
    } else if (question) {
      show(await call("progress", {}));  // this call does not renew the lease
    } else {
      show(await call("state", {}));
    }
    notice("");
  } catch (error) {
    again = failed(error, action);
  }
  busy = "";
  lock();
  again = again || wanted;
  wanted = null;
  if (again) go(again === true ? undefined : again);
}

// Return what to do at once, if anything; otherwise a timer tries again.
function failed(error, action) {
  const unsaved = kept();
  if (error.status === 400 || error.status === 409) {
    localStorage.removeItem(KEPT);
    saying(unsaved ? "Not saved" : "", false);
    show409(error.message);
    if (unsaved || action) { question = null; return true; }
  } else {
    const gone = error.status === undefined, over = ["budget", "over"].includes(document.body.dataset.status);
    const what = !gone ? error.message : over && !unsaved
      ? "The run has ended, and its console and report say what it learned. All answers are saved; you can close this page."
      : "The server is not running; start it again with python -m rl_rewards.label.";
    saying(unsaved ? "Not saved yet" : "", false);
    notice(what + (unsaved ? " Your answer is kept in this browser and sent as soon as possible." : ""));
  }
  timer = setTimeout(() => go(action), LOOK_AGAIN);
  return null;
}

let held409 = "";            // the last conflict message, shown until the next answer
function show409(words) { held409 = words; notice(words); }

function notice(words) {
  words = words || held409;
  at("notice").textContent = words;
  at("notice").hidden = !words;
}

function saying(words, good) {
  at("saved").textContent = words;
  at("saved").className = good ? "yes" : "";
}

// Showing a state.

function show(state, again) {
  document.body.dataset.status = state.status;
  const next = state.question;
  if (next || state.status !== "ask") told = state.told;  // a look at the progress says nothing about the question
  at("task").textContent = told.task;
  at("task").hidden = !told.task || !introduced();
  at("help").hidden = state.status !== "ask";
  if (state.status !== "ask") closeIntro();
  at("work").hidden = state.status !== "ask" || !introduced();
  at("name").toggleAttribute("required", state.status === "name");
  if (state.status !== "ask") {
    const asksName = state.status === "name" && at("words").textContent !== state.words;
    question = null;
    clips = [];
    at("words").textContent = state.words;
    if (asksName) at("name").focus();
  }
  else if (next && (again || !question || question.number !== next.number)) ask(next, state.words);
  showProgress(state.progress, state.own, state.status);
  showRun(state.run, state.status);
  timer = setTimeout(() => go(), question ? 3 * LOOK_AGAIN : LOOK_AGAIN);
}

function ask(next, words) {
  question = next;
  order = [];
  const kind = next.kind;
  texts = next.clips.every((clip) => clip && "text" in clip);
  at("words").textContent = {
    pair: words,
    ranking: `Rank the ${texts ? "texts" : "clips"}, best first: press keys 1 to ${next.clips.length}, ` +
      (texts ? "or click or drag their names." : "click, or drag."),
    rating: "How good is this, from 1 (bad) to 5 (good)?",
  }[kind] ?? words;
  at("clips").className = "clips " + ({ pair: "", ranking: "many", correction: "many" }[kind] ?? "one") + (texts ? " texts" : "");
  at("prompt").textContent = next.prompt ?? "";
  at("prompt").hidden = !next.prompt;
  at("prompt").scrollTop = 0;
  clips = next.clips.map((shown, i) => makeClip(shown, nameOf(kind, i), i));
  at("clips").replaceChildren(...clips.map((clip) => clip.figure));
  at("playing").hidden = kind === "yes_no" || texts;  // a single picture does not play
  at("choices").className = "choices " + kind;
  at("choices").replaceChildren(...choices(kind));
  if (kind === "ranking") showOrder();
  const here = question;
  Promise.allSettled(clips.map((clip) => clip.ready)).then(() => {
    if (question !== here) return;
    shownAt = Date.now() / 1000;
    startPlaying();
  });
  introduce(told, next, words, false);
  at("task").hidden = !told.task || !introduced();
  lock();
}

// Texts have letters, because they are not left and right on a small screen.
function nameOf(kind, i) {
  if (kind === "pair") return (texts ? ["A", "B"] : ["Left", "Right"])[i];
  if (kind === "ranking") return `${texts ? "Text" : "Clip"} ${i + 1}`;
  if (kind === "correction") return i === 0 ? "As it was" : `Instead ${i}`;
  return texts ? "Response" : kind === "yes_no" ? "Picture" : "Clip";
}

function makeText(words, name) {
  const made = document.createElement("div");
  Object.assign(made, { className: "text", tabIndex: 0, dir: "auto", textContent: words });
  made.setAttribute("role", "group");
  made.setAttribute("aria-label", name);
  return made;
}

function makeClip(shown, name, place) {
  const figure = document.createElement("figure"), caption = document.createElement("figcaption");
  figure.className = "clip";
  caption.textContent = name;
  const sheet = texts ? null : shown;
  const clip = { figure, caption, name, sheet, frame: -1, ready: Promise.resolve() };
  if (texts) {
    figure.append(caption);
    if (shown.prompt) figure.append(makeText(shown.prompt, `${name}: the prompt`));
    figure.append(makeText(shown.text, name));
    if (shown.prompt) figure.firstChild.nextSibling.classList.add("asked");
  } else if (sheet) {
    const canvas = Object.assign(document.createElement("canvas"), { width: sheet.width, height: sheet.height });
    canvas.setAttribute("role", "img");
    const seconds = (sheet.frames / sheet.frames_per_second).toFixed(1);
    canvas.setAttribute("aria-label", question.kind === "yes_no" ? "The picture" : `${name}: a clip of ${seconds} seconds`);
    clip.context = canvas.getContext("2d");
    clip.picture = new Image();
    clip.picture.src = sheet.media;
    clip.ready = clip.picture.decode();
    clip.ready.catch(() => { caption.textContent = name + ": the picture cannot be loaded; skip this question"; });
    figure.append(canvas, caption);
  } else {
    const none = Object.assign(document.createElement("p"), { className: "none", textContent: "no picture" });
    figure.append(none, caption);
  }
  if (question.kind === "ranking") makeRankable(clip, place);
  if (question.kind === "correction") {
    figure.classList.add("choosable");
    figure.title = "Click to choose this clip";
    figure.addEventListener("click", () => pick(place));
  }
  if (question.kind === "pair" && !texts) {  // the buttons do the same for keyboards and screen readers
    figure.classList.add("choosable");
    figure.title = "Click to choose this clip";
    figure.addEventListener("click", (event) => choose(place, event.shiftKey));
  }
  return clip;
}

// A clip is clicked and dragged anywhere; a text by its caption, so that its words can be selected.
function makeRankable({ figure, caption }, place) {
  const handle = texts ? caption : figure;
  handle.draggable = true;
  handle.tabIndex = 0;
  handle.setAttribute("role", "button");
  handle.addEventListener("click", () => rank(place));
  handle.addEventListener("keydown", (event) => {
    if (event.key === " " || (event.key === "Enter" && order.length < clips.length)) {
      event.preventDefault();
      event.stopPropagation();
      rank(place);
    }
  });
  handle.addEventListener("dragstart", (event) => event.dataTransfer.setData("text/plain", String(place)));
  figure.addEventListener("dragover", (event) => { event.preventDefault(); figure.classList.add("over"); });
  figure.addEventListener("dragleave", () => figure.classList.remove("over"));
  figure.addEventListener("drop", (event) => {
    event.preventDefault();
    figure.classList.remove("over");
    drop(Number(event.dataTransfer.getData("text/plain")), place);
  });
}

// The dragged clip takes the other clip's place; from then on the clips are shown in order, best first.
function drop(moved, onto) {
  if (!clips[moved] || moved === onto || busy === "sending") return;
  const lying = [...at("clips").children].map((figure) => clips.findIndex((clip) => clip.figure === figure));
  const to = lying.indexOf(onto);
  lying.splice(lying.indexOf(moved), 1);
  lying.splice(to, 0, moved);
  order = lying;
  at("clips").replaceChildren(...order.map((place) => clips[place].figure));
  showOrder();
}

function rank(place) {
  if (busy === "sending" || place >= clips.length) return;
  order = order.includes(place) ? order.filter((other) => other !== place) : [...order, place];
  showOrder();
}

function showOrder() {
  clips.forEach((clip, place) => {
    const rankOf = order.indexOf(place);
    clip.figure.classList.toggle("ranked", rankOf >= 0);
    clip.caption.textContent = rankOf < 0 ? clip.name : `${clip.name}: ${rankOf === 0 ? "best" : "place " + (rankOf + 1)}`;
    (texts ? clip.caption : clip.figure).setAttribute("aria-label", clip.caption.textContent);
  });
  lock();
}

function button(words, key, strong, action, shortcut) {
  const made = document.createElement("button");
  made.type = "button";
  made.className = strong ? "strong" : "";
  made.append(words);
  const hint = document.createElement("kbd");
  hint.textContent = key;
  if (key) made.append(" ", hint);
  made.setAttribute("aria-keyshortcuts", shortcut || key);
  made.addEventListener("click", action);
  return made;
}

function choices(kind) {
  const skip = button("Skip", "↓", false, () => answer(null), "ArrowDown");
  skip.classList.add("skip");
  if (kind === "pair" && told.strength) return [
    button(`${nameOf(kind, 0)} is much better`, "←", true, () => choose(0, false), "ArrowLeft"),
    button(`${nameOf(kind, 0)} is slightly better`, "⇧←", false, () => choose(0, true), "Shift+ArrowLeft"),
    button("Equal", "↑", false, () => answer([0.5, 0.5]), "ArrowUp"),
    button(`${nameOf(kind, 1)} is slightly better`, "⇧→", false, () => choose(1, true), "Shift+ArrowRight"),
    button(`${nameOf(kind, 1)} is much better`, "→", true, () => choose(1, false), "ArrowRight"), skip];
  if (kind === "pair") return [
    button(`${nameOf(kind, 0)} is better`, "←", true, () => answer([1, 0]), "ArrowLeft"),
    button(`${nameOf(kind, 1)} is better`, "→", true, () => answer([0, 1]), "ArrowRight"),
    button("Equal", "↑", false, () => answer([0.5, 0.5]), "ArrowUp"), skip];
  if (kind === "yes_no") return [
    button("No", "n", true, () => answer([0]), "n ArrowLeft"),
    button("Yes", "y", true, () => answer([1]), "y ArrowRight"), skip];
  if (kind in NOTHING) return [
    ...alternatives().map((words, i) => button(words, i < 9 ? String(i + 1) : "", i > 0, () => pick(i))),
    button(NOTHING[kind], "↑", false, () => pick(null), "ArrowUp"), skip];
  if (kind === "rating") return [
    ...[1, 2, 3, 4, 5].map((n) => button("", String(n), true, () => answer([n]))).map((made, i) => {
      made.replaceChildren(String(i + 1));
      return made;
    }), skip];
  const done = button("Save this order", "Enter", true, saveOrder);
  done.id = "save-order";
  return [done, skip];
}

// Corrections and descriptions: the first is what the policy did, the others are alternatives, of which one is chosen.

const NOTHING = { correction: "All are equally good", description: "It makes no difference" };

const alternatives = () => question.kind === "correction"
  ? clips.map((clip, i) => i === 0 ? "Leave it as it was" : clip.name) : ["Leave it as it is", ...question.changes];

// Choose one by its place; null means that all are equally good.
function pick(place) {
  const all = alternatives();
  if (place < all.length) answer(all.map((_, i) => place === null || i === place ? 1 : 0));
}

function saveOrder() {
  if (order.length === clips.length) answer(clips.map((_, place) => clips.length - 1 - order.indexOf(place)));
}

function lock() {
  const locked = busy === "sending" || kept() !== null;
  for (const made of document.querySelectorAll("#choices button, #undo")) made.disabled = locked;
  const done = at("save-order");
  if (done) done.disabled = locked || order.length < clips.length;
}

// Answers.

// Scores are probabilities that a clip is the better one; slightly counts only where the run asks for strength.
function choose(place, slightly) {
  const better = told.strength && slightly ? 0.75 : 1;
  answer(place === 0 ? [better, 1 - better] : [1 - better, better]);
}

function answer(scores) {
  if (busy === "sending" || !question || kept()) return;
  held409 = "";
  localStorage.setItem(KEPT, JSON.stringify({
    annotator: who, question: question.number, scores, token: newToken(), shown_at: shownAt || null, replays: playing.replays,
  }));
  const best = scores ? Math.max(...scores) : NaN;
  clips.forEach((clip, i) => clip.figure.classList.toggle("chosen", scores && scores[i] === best && (clips.length === 2 || question.kind === "correction")));
  go();
}

function undo() {
  if (busy === "sending") return;
  held409 = "";
  go({ token: newToken() });
}

const KEYS = {
  pair: { ArrowLeft: (event) => choose(0, event.shiftKey), ArrowRight: (event) => choose(1, event.shiftKey),
          ArrowUp: () => answer([0.5, 0.5]) },
  ranking: { Enter: saveOrder },
  rating: {},
  correction: { ArrowUp: () => pick(null) },
  description: { ArrowUp: () => pick(null) },
  yes_no: { n: () => answer([0]), y: () => answer([1]), ArrowLeft: () => answer([0]), ArrowRight: () => answer([1]) },
};

// True for a text that is too long for its box: there the arrow keys scroll instead of answering.
const scrolls = (element) => element.matches(".text, .prompt") && element.scrollHeight > element.clientHeight;

document.addEventListener("keydown", (event) => {
  if (event.repeat || event.ctrlKey || event.metaKey || event.altKey || event.target.matches("#name, #speed")) return;
  if (!introduced()) {
    if (event.key === "Enter" && event.target.tagName !== "BUTTON") { event.preventDefault(); begin(); }
    return;
  }
  if (event.target === at("position") && /^(Arrow|Home|End|Page)/.test(event.key)) return;  // these move the slider
  if (/^Arrow(Up|Down)$/.test(event.key) && scrolls(event.target)) return;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  let does = { z: undo, r: replay, p: togglePause, h: help, ",": () => step(-1), ".": () => step(1),
               "<": () => faster(-1), ">": () => faster(1) }[key];
  if (question) {
    if (key === "ArrowDown") does = () => answer(null);
    does = does || KEYS[question.kind][key];
    if (/^[1-9]$/.test(key) && question.kind === "ranking") does = () => rank(Number(key) - 1);
    if (/^[1-9]$/.test(key) && question.kind in NOTHING) does = () => pick(Number(key) - 1);
    if (/^[1-5]$/.test(key) && question.kind === "rating") does = () => answer([Number(key)]);
  }
  if (!does || (key === "Enter" && event.target.tagName === "BUTTON")) return;
  event.preventDefault();
  does(event);
});

function help() {
  if (question) introduce(told, question, at("words").textContent, true);
}

// Start.

who = at("name").value = localStorage.getItem(NAME) || "person";
browser = localStorage.getItem(BROWSER) || newToken();
localStorage.setItem(BROWSER, browser);
setSpeed(Number(localStorage.getItem(SPEED) || 1));
at("name").addEventListener("change", async () => {
  const name = at("name").value.trim() || "person";
  if (question) await call("release", {}).catch(() => {});  // end the old name's lease; if this fails, it expires
  localStorage.setItem(NAME, name);
  who = at("name").value = name;
  question = null;
  at("words").focus();
  go();
});
at("undo").addEventListener("click", undo);
at("help").addEventListener("click", help);
requestAnimationFrame(draw);
go();
