// The page: what was chosen, and what keys do.
import { api } from "./api.js";
import { byId } from "./element.js";
import { Exporting } from "./exporting.js";
import { Lanes } from "./lanes.js";
import { drawMap } from "./map.js";
import { Mixing } from "./mixing.js";
import { Player } from "./player.js";
import { Queue } from "./queue.js";
import { Bands, View, clock } from "./view.js";
import { Wishes } from "./wishes.js";

const player = new Player(), view = new View(), wishes = new Wishes(), queue = new Queue();
const lanes = new Lanes(player, view), mixing = new Mixing(player), exporting = new Exporting(mixing);
let song = null, hearsBefore = false;
let opening = 0;  // counts what was asked for, since a song may be open later than one that was chosen after it
export const studio = globalThis.studio = { player, view, wishes, queue, lanes, mixing, exporting };

function say(text) { byId("message").textContent = text; }

for (const part of [player, wishes, queue, lanes, mixing])
  part.addEventListener("failure", (event) => say(event.detail.message));

// Tempo and key; what nobody said is an estimate, and marked as one.
function musical({ tempo_bpm: told, estimate }) {
  const bpm = told ? `${told} bpm` : "";
  const guessed = [told ? "" : estimate.tempo_bpm && `${estimate.tempo_bpm} bpm`, estimate.key].filter(Boolean).join(", ");
  return [bpm, guessed && `${guessed} (estimated)`];
}

const gainsOf = (separation) => mixing.gains(separation.stems.map((stem) => stem.name));

queue.addEventListener("picked", async (event) => {
  const turn = opening += 1;
  try {
    say("");
    const found = await api.describe(event.detail);
    if (turn !== opening) return;
    song = found;
    hearsBefore = false;
    byId("empty").hidden = true;
    byId("song").hidden = false;
    byId("title").textContent = found.name;
    byId("facts").textContent = [found.artist, found.facts, ...musical(found)].filter(Boolean).join(" · ");
    document.title = `${found.name}, stems studio`;
    say(found.note);
    byId("stems").replaceChildren();
    mixing.open(found);
    lanes.open(found, new Bands(found.edges));
    await player.open(found, found.separation, gainsOf(found.separation));
    if (turn !== opening) return;
    byId("length").textContent = `/ ${clock(player.duration)}`;
    exporting.open(found);
    wishes.open(found);
    view.open(player.duration);
    choose(found);
  } catch (error) {
    if (error.status === 404) queue.refresh();
    if (turn === opening) say(error.message);
  }
});

queue.addEventListener("removed", (event) => {
  if (event.detail === queue.chosen) opening += 1;
  if (event.detail !== song?.id) return;
  player.close();
  song = null;
  byId("song").hidden = true;
  byId("empty").hidden = false;
});

queue.addEventListener("change", () => exporting.told(queue.songs));

// A separation is heard and shown.
function choose({ separation, wishes: { hints } }) {
  player.choose(separation, gainsOf(separation));
  mixing.show(separation.stems, (lane, stem) => lanes.prepare(lane, stem));
  lanes.hints = hints.map((hint) => ({ ...hint, colour: separation.stems.find((stem) => stem.name === hint.stem)?.colour ?? "#888888" }));
  lanes.choose(separation);
  lanes.draw();
  api.map(song.id, separation.key).then((map) => {
    if (player.separation?.key === separation.key) drawMap(map, separation.stems);
  }, () => {});
  showTime();
}

wishes.addEventListener("change", () => {
  hearBefore(false);
  say("");
  lanes.select(null);
  choose(wishes.now);
});
wishes.addEventListener("closed", () => lanes.select(null));
wishes.addEventListener("new", () => newHint());
lanes.addEventListener("selected", () => wishes.ask(lanes.selection));

function newHint() {
  if (!song) return;
  wishes.ask(lanes.selection ?? { begin: player.now, end: Math.min(player.now + 2, player.duration), low: null, high: null, stem: null });
}

function hearBefore(wanted) {
  const other = wanted && wishes.before ? wishes.before : wishes.now;
  hearsBefore = wanted && Boolean(wishes.before);
  byId("before").setAttribute("aria-pressed", String(hearsBefore));
  return other;
}

function hearOriginal() {
  mixing.original = !mixing.original;
  mixing.apply();
}

function toggleLoop() {
  if (player.loop) player.setLoop(null);
  else {
    const { begin, end } = lanes.selection ?? view;
    if (end - begin > 0.02) player.setLoop({ begin, end });
  }
}

function mark(which) {
  const selection = lanes.selection ?? { begin: player.now, end: player.duration, low: null, high: null, stem: null };
  const next = { ...selection, [which]: player.now };
  if (next.begin >= next.end) next[which === "begin" ? "end" : "begin"] = which === "begin" ? player.duration : 0;
  lanes.select(next);
}

function showTime() {
  if (!player.song) return;
  const now = player.now;
  byId("now").textContent = clock(now);
  for (const lane of byId("lanes").querySelectorAll(".lane")) {
    lane.setAttribute("aria-valuemax", player.duration.toFixed(1));
    lane.setAttribute("aria-valuenow", now.toFixed(1));
    lane.setAttribute("aria-valuetext", clock(now));
  }
}

player.addEventListener("change", () => {
  document.body.classList.toggle("playing", player.playing);
  byId("play").setAttribute("aria-label", player.playing ? "Pause" : "Play");
  byId("loop").setAttribute("aria-pressed", String(Boolean(player.loop)));
  if (player.song && lanes.song) lanes.drawRuler();
  showTime();
});
setInterval(() => { if (player.playing) showTime(); }, 100);

const playOrPause = () => (player.playing ? player.pause() : player.play());
const actions = {
  play: playOrPause,
  original: hearOriginal,
  before: () => { if (song) choose(hearBefore(!hearsBefore)); },
  loop: () => song && toggleLoop(),
  "zoom-in": () => view.zoom(0.5, focus()),
  "zoom-out": () => view.zoom(2, focus()),
  "zoom-all": () => view.show(0, view.duration),
};
for (const [id, action] of Object.entries(actions)) byId(id).addEventListener("click", action);

// Zooming keeps what is heard, where it is in sight.
function focus() { return player.song && player.now >= view.begin && player.now <= view.end ? player.now : undefined; }

const keys = {
  " ": playOrPause,
  a: actions.original,
  b: actions.before,
  l: actions.loop,
  i: () => song && mark("begin"),
  o: () => song && mark("end"),
  h: newHint,
  "+": actions["zoom-in"],
  "=": actions["zoom-in"],
  "-": actions["zoom-out"],
  0: actions["zoom-all"],
  ArrowLeft: (event) => player.seek(player.now - (event.shiftKey ? 0.1 : Math.min(5, view.seconds / 10))),
  ArrowRight: (event) => player.seek(player.now + (event.shiftKey ? 0.1 : Math.min(5, view.seconds / 10))),
  Home: () => player.seek(0),
  End: () => player.seek(player.duration),
  Escape: () => {
    if (!byId("hint-form").hidden) wishes.close();
    else lanes.select(null);
  },
};

document.addEventListener("keydown", (event) => {
  const { target, key } = event, types = target.matches("input:not([type=range]):not([type=radio]):not([type=checkbox]), select, textarea");
  if (byId("export-dialog").open) return;
  if ((event.ctrlKey || event.metaKey) && key.toLowerCase() === "z" && !types) {
    event.preventDefault();
    wishes.go(event.shiftKey ? 1 : -1);
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (key !== "Escape") {
    if (types) return;
    if (key === " " && target.matches("button, input, summary")) return;  // which it presses
    if (target.matches("input") && /^(Arrow|Home|End)/.test(key)) return;
  }
  const digit = event.code.startsWith("Digit") ? Number(event.code.slice(5)) : 0, stem = mixing.stems[digit - 1];
  const row = target.closest?.(".row[data-stem]");
  if (song && stem) mixing.toggle(stem, event.shiftKey ? "mute" : "solo");
  else if (row && (key === "m" || key === "s")) mixing.toggle(row.dataset.stem, key === "m" ? "mute" : "solo");
  else if (keys[key] ?? keys[key.toLowerCase()]) (keys[key] ?? keys[key.toLowerCase()])(event);
  else return;
  event.preventDefault();
});
