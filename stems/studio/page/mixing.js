// The channels of the stems: mute, solo, fader, pan and meter, and the gains that they make.
import { api } from "./api.js";
import { byId, element } from "./element.js";
import { LOWEST_DB, factor, isHeard, saidLevel } from "./levels.js";

const KEPT_AFTER_MS = 400;

export class Mixing extends EventTarget {
  constructor(player) {
    super();
    Object.assign(this, { player, faders: {}, master: 0, original: false, stems: [], shown: [] });
    byId("master").addEventListener("input", () => this.set(() => { this.master = Number(byId("master").value); }));
    this.meter();
  }

  open(song) {
    this.song = song;
    this.faders = structuredClone(song.mixer.faders ?? {});
    this.master = song.mixer.master?.db ?? 0;
    this.original = false;
    byId("master").value = this.master;
  }

  of(stem) { return this.faders[stem] ??= { db: 0, pan: 0, mute: false, solo: false }; }

  // Channels for the stems of a separation; those that stay are left alone, with what has the focus.
  show(stems, prepareLane) {
    this.stems = stems.map((stem) => stem.name);
    const kept = new Map([...byId("stems").children].map((row) => [row.dataset.stem, row]));
    const rows = stems.map((stem) => kept.get(stem.name) ?? this.row(stem, prepareLane));
    byId("stems").replaceChildren(...rows);
    this.apply();
  }

  row(stem, prepareLane) {
    const { name, colour } = stem, fader = this.of(name);
    const button = (what) => element("button", {
      class: `switch ${what}`, "aria-pressed": String(fader[what]), "aria-label": `${what === "mute" ? "Mute" : "Solo"} ${name}`,
      title: `${what === "mute" ? "Mute" : "Solo"} ${name}`, onclick: () => this.toggle(name, what),
    }, what[0].toUpperCase());
    const slider = (what, label, low, high, step) => {
      const made = element("input", { type: "range", min: low, max: high, step, class: what, "aria-label": `${label} of ${name}`, title: `${label} of ${name}; double-click resets it` });
      made.value = fader[what];
      made.addEventListener("input", () => this.set(() => { this.of(name)[what] = Number(made.value); }));
      made.addEventListener("dblclick", () => this.set(() => { this.of(name)[what] = made.value = 0; }));
      return made;
    };
    const pan = slider("pan", "Pan", -1, 1, 0.05);
    pan.disabled = this.song.channels === 1;
    const lane = element("div", {
      class: "lane", tabindex: "0", role: "slider", "data-of": name, "aria-label": `Waveform of ${name}, position`, "aria-valuemin": "0",
    });
    const channel = element("div", { class: "channel" },
      element("div", { class: "name" }, element("i"), element("b", { title: name }, name)), button("mute"), button("solo"),
      element("div", { class: "mix" }, slider("db", "Level", LOWEST_DB, 12, 0.5), pan),
      element("div", { class: "meter", "aria-hidden": "true" }, element("i")));
    prepareLane(lane, name);
    return element("div", { class: "row stem", "data-stem": name, colour }, channel, lane);
  }

  toggle(name, what) { this.set(() => { this.of(name)[what] = !this.of(name)[what]; }); }

  set(change) {
    change();
    this.apply();
    clearTimeout(this.keeping);
    const { song } = this, kept = { faders: this.faders, master: { db: this.master } };
    this.keeping = setTimeout(() => api.keepMixer(song.id, kept).catch((error) => this.dispatchEvent(new CustomEvent("failure", { detail: error }))), KEPT_AFTER_MS);
  }

  isHeard(name) { return isHeard(this.of(name), this.stems.map((stem) => this.of(stem))); }

  // Left and right of each of some stems, then of the song as it came.
  gains(stems) {
    const master = factor(this.master), found = [];
    for (const name of stems) {
      const { db, pan } = this.of(name), level = this.isHeard(name) && !this.original ? factor(db) * master : 0;
      found.push(level * Math.min(1, 1 - pan), level * Math.min(1, 1 + pan));
    }
    return [...found, this.original ? master : 0, this.original ? master : 0];
  }

  apply() {
    if (this.player.separation) this.player.mix(this.gains(this.player.separation.stems.map((stem) => stem.name)));
    for (const row of byId("stems").children) {
      const name = row.dataset.stem, fader = this.of(name);
      row.classList.toggle("silenced", this.original || !this.isHeard(name));
      row.querySelector(".mute").setAttribute("aria-pressed", String(fader.mute));
      row.querySelector(".solo").setAttribute("aria-pressed", String(fader.solo));
      row.querySelector(".db").setAttribute("aria-valuetext", saidLevel(fader.db));
      row.querySelector(".pan").setAttribute("aria-valuetext", fader.pan === 0 ? "middle" : `${Math.round(Math.abs(fader.pan) * 100)} % ${fader.pan < 0 ? "left" : "right"}`);
    }
    byId("master").setAttribute("aria-valuetext", saidLevel(this.master));
    byId("original").setAttribute("aria-pressed", String(this.original));
  }

  // Meters fall slowly, so that they can be read.
  meter() {
    const { meters } = this.player, stems = this.player.separation?.stems ?? [];
    [...byId("stems").children].forEach((row) => {
      const index = stems.findIndex((stem) => stem.name === row.dataset.stem);
      const peak = this.player.playing && index >= 0 ? Math.max(meters[2 * index] ?? 0, meters[2 * index + 1] ?? 0) : 0;
      const share = peak > 0 ? Math.min(1, Math.max(0, 1 + Math.log10(peak) / 3)) : 0;  // 60 dB
      this.shown[index] = Math.max(share, (this.shown[index] ?? 0) - 0.02);
      row.querySelector(".meter i").style.transform = `scaleX(${this.shown[index].toFixed(3)})`;
    });
    requestAnimationFrame(() => this.meter());
  }
}
