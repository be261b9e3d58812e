"use strict";
// How far the labelling is, and how the reward model and the policy learn from it.

const HUGE_SECONDS = 86_400;

function inTime(seconds) {
  if (seconds < 50) return "less than a minute";
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) return minutes === 1 ? "about a minute" : `about ${minutes} minutes`;
  return `about ${(minutes / 60).toFixed(1)} hours`;
}

function showProgress(done, own, status) {
  const limit = done.budget, labels = done.labels === 1 ? "label" : "labels";
  const open = status === "budget" ? "" : `, ${done.open} open`;
  at("count").textContent = (limit === null ? `${done.labels} ${labels}` : `${done.labels} of ${limit} labels`) + " given" + open;
  at("bar").hidden = limit === null;
  if (limit !== null) { at("bar").max = Math.max(limit, 1); at("bar").value = done.labels; }
  const left = limit === null ? done.open : limit - done.labels;
  const seconds = own.seconds_each === null ? null : left * own.seconds_each;
  const known = seconds !== null && left > 0 && seconds < HUGE_SECONDS && status !== "budget" && status !== "over";
  at("time").textContent = known ? `Time left at your pace: ${inTime(seconds)}.` : "";
  at("repeats").textContent = (done.refused ? `${done.refused} skipped. ` : "") + repeats(done, own);
}

function repeats(done, own) {
  const others = { repeats: done.repeats - own.repeats, agreements: done.agreements - own.agreements };
  const words = [];
  if (own.repeats) words.push(`Of the pairs that were shown to you twice, you answered ${own.agreements} of ${own.repeats} the same way.`);
  if (others.repeats > 0) words.push(`The others answered ${others.agreements} of ${others.repeats} the same way.`);
  return words.join(" ");
}

function showRun(run, status) {
  const rounds = run.rounds === 1 ? "1 round" : `${run.rounds} rounds`;
  const finished = status === "over" ? "The policy trained for" : "The policy has trained for";
  at("training").textContent = run.rounds > 0 ? `${finished} ${rounds}, ${run.env_steps.toLocaleString("en")} environment steps.` : "";
  const percent = (points) => Math.round(100 * newest(points));
  showCurve("model", run.accuracy, [0, 1], 0.5, (points) =>
    `The reward model agrees with ${percent(points)}% of the held-out labels (50% is chance).`);
  const success = run.success.length > 0, values = run.return.map(([, value]) => value);
  const span = success ? [0, 1] : [Math.min(...values), Math.max(...values)];
  showCurve("policy", success ? run.success : run.return, span, null, (points) => success
    ? `The policy succeeds in ${percent(points)}% of its episodes.`
    : `The policy's return is ${newest(points).toPrecision(3)}, by the environment's own reward (from ${span[0].toPrecision(3)} to ${span[1].toPrecision(3)} so far).`);
}

const newest = (points) => points[points.length - 1][1];

function showCurve(id, points, [low, high], dashed, inWords) {
  at(id).hidden = !points.length;
  if (!points.length) return;
  const words = inWords(points), svg = at(id).querySelector("svg"), caption = at(id).querySelector("figcaption");
  caption.textContent = words;
  svg.setAttribute("aria-label", words);
  const last = points[points.length - 1], first = points[0][0];
  const x = (steps) => 4 + 192 * (last[0] > first ? (steps - first) / (last[0] - first) : 1);
  const y = (value) => 56 - 52 * (high > low ? (value - low) / (high - low) : 0.5);
  const shape = (name, attributes) => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    return made;
  };
  const line = points.map(([s, v]) => `${x(s).toFixed(1)},${y(v).toFixed(1)}`).join(" ");
  svg.replaceChildren(
    ...(dashed === null ? [] : [shape("line", { x1: 0, x2: 200, y1: y(dashed), y2: y(dashed), stroke: "#9aa2aa", "stroke-dasharray": "3 3" })]),
    shape("polyline", { points: line, fill: "none", stroke: "#B34D00", "stroke-width": 2 }),
    shape("circle", { cx: x(last[0]), cy: y(last[1]), r: 3, fill: "#B34D00" }));
}
