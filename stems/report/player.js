// Plays all stems by one clock: each stem is a buffer that starts at the same moment and runs through a gain of its own.
"use strict";

const player = {
  context: new AudioContext(),
  stems: [],          // { name, buffer, gain, muted, soloed }
  sources: [],        // while it plays
  startedAt: 0,       // time of the context at which second 0 of the song would have begun
  position: 0,        // second of the song, while it does not play
  duration: 0,        // seconds

  async load() {
    this.output = this.context.createGain();
    this.output.connect(this.context.destination);
    const rows = [...document.querySelectorAll("[data-stem]")];
    this.stems = await Promise.all(rows.map(async (row) => {
      const text = document.getElementById(row.dataset.audio).textContent.trim();
      const content = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
      const buffer = await this.context.decodeAudioData(content.buffer);
      const gain = this.context.createGain();
      gain.connect(this.output);
      return { name: row.dataset.stem, row, buffer, gain, muted: false, soloed: false };
    }));
    this.duration = Number(document.querySelector("[data-duration]").dataset.duration);
  },

  get playing() { return this.sources.length > 0; },

  get now() {
    return this.playing ? Math.min(this.context.currentTime - this.startedAt, this.duration) : this.position;
  },

  async play() {
    await this.context.resume();
    if (this.playing) return;
    if (this.position >= this.duration) this.position = 0;
    const soon = this.context.currentTime + 0.03;  // the same moment for all, which must not have passed
    this.startedAt = soon - this.position;
    this.sources = this.stems.map((stem) => {
      const source = this.context.createBufferSource();
      source.buffer = stem.buffer;
      source.connect(stem.gain);
      source.start(soon, this.position);
      return source;
    });
    show();
  },

  pause() {
    this.position = Math.max(0, this.now);
    this.sources.forEach((source) => source.stop());
    this.sources = [];
    show();
  },

  seek(seconds) {
    const wasPlaying = this.playing;
    if (wasPlaying) this.pause();
    this.position = Math.min(Math.max(seconds, 0), this.duration);
    if (wasPlaying && this.position < this.duration) this.play();
    show();
  },

  isHeard(stem) {
    return this.stems.some((other) => other.soloed) ? stem.soloed : !stem.muted;
  },

  balance() {
    for (const stem of this.stems) {
      const gain = stem.gain.gain, level = this.isHeard(stem) ? 1 : 0;
      if (this.playing) gain.setTargetAtTime(level, this.context.currentTime, 0.01);  // a jump would click
      else gain.setValueAtTime(level, this.context.currentTime);
    }
    show();
  },
};

const clock = (seconds) => `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;

function show() {
  document.body.classList.toggle("playing", player.playing);
  document.querySelector(".play").setAttribute("aria-label", player.playing ? "Pause" : "Play");
  for (const stem of player.stems) {
    stem.row.classList.toggle("silenced", !player.isHeard(stem));
    stem.row.querySelector(".mute").setAttribute("aria-pressed", stem.muted);
    stem.row.querySelector(".solo").setAttribute("aria-pressed", stem.soloed);
  }
  showTime();
}

function showTime() {
  const now = Math.max(0, player.now);
  document.documentElement.style.setProperty("--position", player.duration ? now / player.duration : 0);
  document.querySelector(".now").textContent = clock(now);
}

function follow() {
  if (player.playing) {
    if (player.now >= player.duration) player.pause();
    showTime();
  }
  requestAnimationFrame(follow);
}

function toggle(stem, what) {
  stem[what] = !stem[what];
  player.balance();
}

const playOrPause = () => (player.playing ? player.pause() : player.play());

player.ready = player.load().then(() => {
  const button = document.querySelector(".play");
  button.disabled = false;
  button.addEventListener("click", playOrPause);
  for (const stem of player.stems) {
    stem.row.querySelector(".mute").addEventListener("click", () => toggle(stem, "muted"));
    stem.row.querySelector(".solo").addEventListener("click", () => toggle(stem, "soloed"));
  }
  for (const lane of document.querySelectorAll(".lane"))
    lane.addEventListener("click", (event) => {
      const box = lane.getBoundingClientRect();
      player.seek((event.clientX - box.left) / box.width * player.duration);
    });
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const stem = player.stems[Number(event.key) - 1];
    if (event.key === " ") playOrPause();
    else if (event.key === "ArrowLeft") player.seek(player.now - 5);
    else if (event.key === "ArrowRight") player.seek(player.now + 5);
    else if (stem) toggle(stem, "soloed");
    else return;
    event.preventDefault();  // else the space bar also presses the button last clicked
  });
  show();
  requestAnimationFrame(follow);
});
player.ready.catch(() => { document.querySelector(".clock").textContent = "This browser cannot play the stems."; });
