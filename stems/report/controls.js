// What is pressed, moved and typed on the page, and what it shows of that.
import { byId } from "./element.js";
import { saidLevel } from "./levels.js";
import { View, clock } from "./view.js";

const SHORTEST_LOOP = 0.02;  // seconds

const song = JSON.parse(byId("song").textContent), view = new View();
const player = new Player(song), waveforms = new Waveforms(player, view, song);
view.open(song.duration);

const playOrPause = () => (player.playing ? player.pause() : player.play());
const toggle = (stem, what) => player.set(stem, { [what]: !stem[what] });

function setLoop(region) {
  waveforms.select(region);
  player.setLoop(region);
}

function toggleLoop() {
  const region = waveforms.region ?? { begin: view.begin, end: view.end };
  if (player.loop) setLoop(null);
  else if (region.end - region.begin > SHORTEST_LOOP) setLoop(region);
}

// One end of the loop to where it is; the other stays, or becomes that of the song.
function mark(which) {
  const { begin, end } = { begin: 0, end: player.duration, ...waveforms.region, [which]: player.now };
  if (end - begin > SHORTEST_LOOP) setLoop({ begin, end });
}

// Zooming keeps what is heard, where it is in sight.
const focus = () => (player.now >= view.begin && player.now <= view.end ? player.now : undefined);
const skip = (event, way) => player.seek(player.now + way * (event.shiftKey ? 0.1 : 5));

const actions = {
  original: () => player.hearOriginal(!player.isOriginal),
  loop: toggleLoop,
  "zoom-in": () => view.zoom(0.5, focus()),
  "zoom-out": () => view.zoom(2, focus()),
  "zoom-all": () => view.show(0, view.duration),
};

const keys = {
  " ": playOrPause,
  a: actions.original,
  l: actions.loop,
  i: () => mark("begin"),
  o: () => mark("end"),
  "+": actions["zoom-in"],
  "=": actions["zoom-in"],
  "-": actions["zoom-out"],
  0: actions["zoom-all"],
  ArrowLeft: (event) => skip(event, -1),
  ArrowRight: (event) => skip(event, 1),
  Home: () => player.seek(0),
  End: () => player.seek(player.duration),
  Escape: () => setLoop(null),
};

function press(event) {
  const { target, key } = event;
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (key === " " && target.matches("button")) return;  // which it presses
  if (target.matches("input") && /^(Arrow|Home|End|Page)/.test(key)) return;
  const digit = /^(Digit|Numpad)[1-9]$/.test(event.code) ? Number(event.code.at(-1)) : 0, stem = player.stems[digit - 1];
  const row = target.closest?.("[data-stem]"), there = player.stems.find((each) => each.row === row);
  const action = keys[key] ?? keys[key.toLowerCase()];
  if (stem) toggle(stem, event.shiftKey ? "mute" : "solo");
  else if (there && (key === "m" || key === "s")) toggle(there, key === "m" ? "mute" : "solo");
  else if (action) action(event);
  else return;
  event.preventDefault();
}

function show() {
  document.body.classList.toggle("playing", player.playing);
  document.querySelector(".play").setAttribute("aria-label", player.playing ? "Pause" : "Play");
  byId("original").setAttribute("aria-pressed", player.isOriginal);
  byId("loop").setAttribute("aria-pressed", Boolean(player.loop));
  for (const stem of player.stems) {
    stem.row.classList.toggle("silenced", player.isSilent(stem));
    stem.row.querySelector(".mute").setAttribute("aria-pressed", stem.mute);
    stem.row.querySelector(".solo").setAttribute("aria-pressed", stem.solo);
    stem.row.querySelector("output").textContent = saidLevel(stem.db);
    stem.row.querySelector(".db").setAttribute("aria-valuetext", saidLevel(stem.db));
  }
  showTime();
}

function showTime() {
  const shown = clock(Math.floor(player.now), 0), now = document.querySelector(".now");
  waveforms.follow();
  if (now.textContent === shown) return;
  now.textContent = shown;
  for (const { row } of player.stems) {
    const lane = row.querySelector(".lane");
    lane.setAttribute("aria-valuemax", player.duration.toFixed(1));
    lane.setAttribute("aria-valuenow", player.now.toFixed(1));
    lane.setAttribute("aria-valuetext", shown);
  }
}

function follow() {
  if (player.playing) {
    if (!player.repeats && player.now >= player.duration) player.pause();
    view.reach(player.now);
    showTime();
  }
  requestAnimationFrame(follow);
}

player.ready = player.load().then(() => {
  const play = document.querySelector(".play");
  play.disabled = false;
  play.addEventListener("click", playOrPause);
  for (const [id, action] of Object.entries(actions)) byId(id).addEventListener("click", action);
  for (const stem of player.stems) {
    const fader = stem.row.querySelector(".db");
    for (const what of ["mute", "solo"]) stem.row.querySelector(`.${what}`).addEventListener("click", () => toggle(stem, what));
    fader.addEventListener("input", () => player.set(stem, { db: Number(fader.value) }));
    fader.addEventListener("dblclick", () => player.set(stem, { db: Number(fader.value = 0) }));
  }
  waveforms.open(player.stems);
  player.addEventListener("change", show);
  document.addEventListener("keydown", press);
  show();
  requestAnimationFrame(follow);
});
player.ready.catch(() => { document.querySelector(".clock").textContent = "This browser cannot play the stems."; });
