"use strict";
// Playing clips: one clock drives all of them, so that they stay in step at every speed and after scrubbing.

const at = (id) => document.getElementById(id);
const PAUSE_SECONDS = 0.7;   // at the end of the loop
const SPEEDS = [0.25, 0.5, 1, 2];
const SPEED = "rl_rewards.speed";

let playing = { began: 0, from: 0, paused: false, speed: 1, replays: 0 };  // from: seconds of the clips at began

const clipSeconds = () => Math.max(0, ...clips.map(({ sheet }) => sheet ? sheet.frames / sheet.frames_per_second : 0));
const frameSeconds = () => 1 / Math.max(1, ...clips.map(({ sheet }) => sheet ? sheet.frames_per_second : 1));

// The seconds since the clips began, within the loop.
function clipTime(now) {
  const seconds = playing.from + (playing.paused ? 0 : playing.speed * Math.max(0, now - playing.began) / 1000);
  return seconds % (clipSeconds() + PAUSE_SECONDS);
}

function seek(seconds) {
  playing.from = Math.max(0, seconds);
  playing.began = performance.now();
}

function startPlaying() {
  playing = { began: performance.now(), from: 0, paused: false, speed: playing.speed, replays: 0 };
  at("position").max = Math.max(clipSeconds() - frameSeconds(), frameSeconds()).toFixed(3);
  at("position").step = frameSeconds().toFixed(4);
  showPaused();
}

function draw(now) {
  requestAnimationFrame(draw);
  if (!clips.length || !playing.began) return;
  const seconds = clipTime(now);
  for (const clip of clips) {
    if (!clip.sheet || !clip.picture.complete || !clip.picture.naturalWidth) continue;
    const { frames, columns, width, height, frames_per_second } = clip.sheet;
    const frame = Math.min(Math.floor(seconds * frames_per_second + 1e-6), frames - 1);
    if (frame === clip.frame) continue;
    clip.frame = frame;
    clip.context.drawImage(clip.picture, (frame % columns) * width, Math.floor(frame / columns) * height,
                           width, height, 0, 0, width, height);
    showPosition(Math.min(seconds, clipSeconds()));
  }
}

function showPosition(seconds) {
  at("position").value = seconds;
  at("position").setAttribute("aria-valuetext", `${seconds.toFixed(1)} of ${clipSeconds().toFixed(1)} seconds`);
}

const canPlay = () => question && !texts && question.kind !== "yes_no";

function replay() {
  if (!canPlay()) return;
  playing.replays += 1;
  playing.paused = false;
  seek(0);
  showPaused();
}

function togglePause() {
  if (!canPlay()) return;
  seek(clipTime(performance.now()));
  playing.paused = !playing.paused;
  showPaused();
}

// Stop at these seconds of the clips, as the slider and the keys for single frames do.
function scrub(seconds) {
  if (!canPlay()) return;
  playing.paused = true;
  seek(Math.min(Math.max(0, seconds), Math.max(0, clipSeconds() - frameSeconds())) + 1e-4);
  showPaused();
}

const step = (frames) => scrub(clipTime(performance.now()) + frames * frameSeconds());

function setSpeed(speed) {
  seek(clipTime(performance.now()));
  playing.speed = SPEEDS.includes(speed) ? speed : 1;
  at("speed").value = String(playing.speed);
  localStorage.setItem(SPEED, String(playing.speed));
}

function faster(by) {
  const place = SPEEDS.indexOf(playing.speed) + by;
  if (canPlay() && SPEEDS[place]) setSpeed(SPEEDS[place]);
}

const showPaused = () => at("pause").setAttribute("aria-pressed", String(playing.paused));

at("again").addEventListener("click", replay);
at("pause").addEventListener("click", togglePause);
at("position").addEventListener("input", () => scrub(Number(at("position").value)));
at("speed").addEventListener("change", () => setSpeed(Number(at("speed").value)));
