"use strict";
// What people read before their first question: the task, what is drawn, how to answer, and one worked example.

const SEEN = "rl_rewards.seen";
let introTold = null;        // the instructions that are shown now, as text

// The example's own little task, drawn here, so that it says nothing about the right answers to the real one.
const EXAMPLE = {
  task: "In this made-up task, a ball is to come to rest in the ring.",
  ends: [[0.78, 0.5], [0.55, 0.62], [0.3, 0.12]],  // in the ring, beside it, far from it
  texts: { prompt: "How many days does a week have?", responses: ["Seven.", "Weeks are long.", "A week has eight days."] },
};

const EXAMPLES = {
  pair: { shown: [2, 0], marked: 1, why: "The ball on the right comes to rest in the ring, so the right clip is better: press →, or click it." },
  ranking: { shown: [2, 0, 1], marked: 1, why: "The ball of clip 2 is in the ring, that of clip 3 is next to it, and that of clip 1 is far away: press 2, 3, 1, and Enter." },
  correction: { shown: [2, 0, 1], marked: 1, why: "As it was, the ball rolls away. Instead 1 brings it into the ring, which is best: press 2, or click it." },
  description: { shown: [1], marked: -1, why: "The ball stops to the left of the ring and below it. If “x” is how far right it is, press the button “x higher”." },
  rating: { shown: [1], marked: -1, why: "The ball comes close to the ring, but not into it. That is neither bad nor good: press 3." },
  yes_no: { shown: [0], marked: -1, why: "The ball is in the ring, so the task is done in this picture: press y." },
};
const TEXT_EXAMPLES = {
  pair: { shown: [1, 0], marked: 1, why: "B answers the question, and A does not. So B is better: press →." },
  ranking: { shown: [1, 0, 2], marked: 1, why: "Text 2 is right, text 3 is wrong but answers the question, and text 1 does not answer it: press 2, 3, 1, and Enter." },
  rating: { shown: [2], marked: -1, why: "It answers the question, but wrongly: press 2." },
};

const HOW = {
  pair: "Choose the better one, by its button or with the left and right arrow keys. The up key means that both are equally good, and the down key skips a question that you cannot answer.",
  ranking: "Put them into order, best first, with the number keys or by clicking. Enter saves the order, and the down key skips a question that you cannot answer.",
  correction: "The first clip shows what was done, and the others what could be done instead. Choose the best one by its button, its number key or a click. The up key means that all are equally good, and the down key skips a question that you cannot answer.",
  description: "Choose the change that would make the clip better, by its button or its number key. The up key means that nothing of this matters, and the down key skips a question that you cannot answer.",
  rating: "Answer by a button or with the keys 1 (bad) to 5 (good). The down key skips a question that you cannot answer.",
  yes_no: "Answer by a button or with the keys y and n. The down key skips a question that you cannot answer.",
};
const STRENGTH = " With Shift, an arrow key or a click means that it is only slightly better.";

// Show the instructions unless this browser has shown the same ones before; return whether they are shown.
function introduce(told, next, words, anyway) {
  const kind = next.kind, key = JSON.stringify([told, kind, texts, words]);
  if (!anyway && localStorage.getItem(SEEN) === key) return false;
  introTold = key;
  const strong = told.strength && kind === "pair";
  at("intro-task").textContent = told.task || `You will be asked: ${words}`;
  at("intro-legend").textContent = texts ? "" : told.legend;
  at("intro-legend").hidden = texts || !told.legend;
  at("intro-how").textContent = HOW[kind] + (strong ? STRENGTH : "") + " The key z takes your last answer back." +
    (kind === "pair" ? " Some pairs are shown twice, to see how much your answers can be relied on." : "");
  const example = (texts ? TEXT_EXAMPLES : EXAMPLES)[kind];
  at("example-task").textContent = texts ? EXAMPLE.texts.prompt : EXAMPLE.task;
  at("example").className = "clips " + at("clips").className.replace("clips", "");
  at("example").replaceChildren(...example.shown.map((which, i) => exampleFigure(which, nameOf(kind, i), kind, i === example.marked)));
  at("example-why").textContent = example.why;
  at("intro").hidden = false;
  at("work").hidden = true;
  at("task").hidden = true;
  at("intro-title").focus();
  return true;
}

function closeIntro() {
  at("intro").hidden = true;
  at("example").replaceChildren();
}

const introduced = () => at("intro").hidden;

function begin() {
  if (introduced()) return;
  localStorage.setItem(SEEN, introTold);
  closeIntro();
  at("work").hidden = !question;
  at("task").hidden = !told.task;
  shownAt = Date.now() / 1000;  // the time of reading is not the time of answering
  startPlaying();
  at("words").focus();
}

function exampleFigure(which, name, kind, marked) {
  const figure = document.createElement("figure"), caption = document.createElement("figcaption");
  figure.className = marked ? "clip chosen" : "clip";
  caption.textContent = !marked ? name : kind === "pair" ? `${name}: better` : `${name}: best`;
  if (texts) {
    figure.append(caption, makeText(EXAMPLE.texts.responses[which], name));
    return figure;
  }
  const canvas = Object.assign(document.createElement("canvas"), { width: 200, height: 150 });
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", `${name}: the ball ${["comes to rest in the ring", "stops beside the ring", "rolls away from the ring"][which]}`);
  figure.append(canvas, caption);
  const still = kind === "yes_no" || matchMedia("(prefers-reduced-motion: reduce)").matches;
  const roll = (now) => {
    drawExample(canvas.getContext("2d"), EXAMPLE.ends[which], still ? 1 : Math.min(1, (now / 1000 % 3) / 2.2));
    if (!still && !at("intro").hidden) requestAnimationFrame(roll);
  };
  requestAnimationFrame(roll);
  return figure;
}

function drawExample(context, [x, y], share) {
  const eased = 1 - (1 - share) ** 2;
  context.fillStyle = "#fff";
  context.fillRect(0, 0, 200, 150);
  context.lineWidth = 4;
  context.strokeStyle = "#3f8f55";
  context.beginPath();
  context.arc(156, 75, 22, 0, 2 * Math.PI);
  context.stroke();
  context.fillStyle = "#B34D00";
  context.beginPath();
  context.arc(200 * (0.1 + eased * (x - 0.1)), 150 * (0.5 + eased * (y - 0.5)), 11, 0, 2 * Math.PI);
  context.fill();
}

at("begin").addEventListener("click", begin);
