// Hints and sensitivities of a song, what was wished before, and what comes of them.
import { api } from "./api.js";
import { byId, element } from "./element.js";
import { clock, secondsOf } from "./view.js";

const NAMES_ONLY = /^[^/\\:*?"<>|=\s][^/\\:*?"<>|=]*$/;

export class Wishes extends EventTarget {
  constructor() {
    super();
    Object.assign(this, { past: [], place: -1, editing: null });
    byId("undo").addEventListener("click", () => this.go(-1));
    byId("redo").addEventListener("click", () => this.go(1));
    byId("new-hint").addEventListener("click", () => this.dispatchEvent(new Event("new")));
    byId("hint-cancel").addEventListener("click", () => this.close());
    byId("hint-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.keepHint();
    });
    byId("hint-own").addEventListener("input", () => {
      if (byId("hint-own").value.trim()) for (const choice of byId("hint-stems").querySelectorAll("input")) choice.checked = false;
    });
    byId("copy").addEventListener("click", async () => {
      await navigator.clipboard?.writeText(byId("command").textContent);
      byId("copy").textContent = "Copied";
      setTimeout(() => { byId("copy").textContent = "Copy"; }, 1500);
    });
  }

  open(song) {
    this.song = song;
    this.past = [song];  // each with wishes, separation and command
    this.place = 0;
    this.close();
    this.show();
  }

  get now() { return this.past[this.place]; }
  get before() { return this.past[this.place - 1]; }

  async wish(hints, sensitivity) {
    const { song } = this;
    const found = await api.wish(song.id, hints, sensitivity);
    if (song !== this.song) return;
    this.past = [...this.past.slice(0, this.place + 1), found];
    this.place += 1;
    this.show();
    this.dispatchEvent(new Event("change"));
  }

  // Back to what was wished before, or on again; it is kept as if it were wished anew.
  async go(step) {
    const there = this.past[this.place + step], { song } = this;
    if (!there || this.going) return;
    this.going = true;
    try {
      this.past[this.place + step] = await api.wish(song.id, there.wishes.hints.map((hint) => hint.text), written(there.wishes.sensitivity));
      if (song !== this.song) return;
      this.place += step;
      this.show();
      this.dispatchEvent(new Event("change"));
    } catch (error) {
      this.dispatchEvent(new CustomEvent("failure", { detail: error }));
    } finally {
      this.going = false;
    }
  }

  show() {
    const { wishes, separation, command } = this.now;
    byId("undo").disabled = this.place === 0;
    byId("redo").disabled = this.place === this.past.length - 1;
    byId("before").disabled = this.place === 0;
    byId("command").textContent = command;
    byId("no-hints").hidden = wishes.hints.length > 0;
    byId("hints").replaceChildren(...wishes.hints.map((hint, index) => element("li", { class: "hint-item", colour: this.colour(hint.stem) },
      element("i"), element("span", {}, hint.text),
      element("button", { class: "tool", "aria-label": `Edit ${hint.text}`, onclick: () => this.edit(hint, index) }, "Edit"),
      element("button", { class: "tool", "aria-label": `Remove ${hint.text}`, onclick: () => this.removeHint(index) }, "Remove"))));
    const names = separation.stems.map((stem) => stem.name);
    byId("sensitivities").replaceChildren(this.slider("song", null, wishes.sensitivity), ...names.map((name) => this.slider(name, name, wishes.sensitivity)));
  }

  colour(name) { return this.now.separation.stems.find((stem) => stem.name === name)?.colour ?? "#888888"; }

  slider(label, stem, sensitivity) {
    const value = stem === null ? sensitivity.song : sensitivity.stems[stem] ?? sensitivity.song;
    const own = stem !== null && stem in sensitivity.stems, shown = element("output", {}, value.toFixed(2));
    const range = element("input", { type: "range", min: "-1", max: "1", step: "0.05", "aria-label": `Sensitivity of ${stem ?? "the song"}` });
    const say = () => {
      shown.textContent = (10 ** Number(range.value)).toFixed(2);
      range.setAttribute("aria-valuetext", shown.textContent);
    };
    range.value = Math.log10(value);
    range.setAttribute("aria-valuetext", value.toFixed(2));
    range.addEventListener("input", say);
    range.addEventListener("change", () => this.sense(stem, Number((10 ** Number(range.value)).toFixed(3)), range.ariaLabel));
    const reset = element("button", { class: "tool reset", "aria-label": `Reset the sensitivity of ${stem ?? "the song"}`, disabled: stem === null ? value === 1 : !own, onclick: () => this.sense(stem, null) }, "↺");
    return element("div", { class: "sensitivity", ...(stem === null ? {} : { colour: this.colour(stem) }) }, element("span", {}, label), range, shown, reset);
  }

  async sense(stem, value, label = null) {
    const sensitivity = structuredClone(this.now.wishes.sensitivity);
    if (stem === null) sensitivity.song = value ?? 1;
    else if (value === null) delete sensitivity.stems[stem];
    else sensitivity.stems[stem] = value;
    await this.attempt(this.now.wishes.hints.map((hint) => hint.text), written(sensitivity));
    if (label) byId("sensitivities").querySelector(`[aria-label="${CSS.escape(label)}"]`)?.focus();
  }

  removeHint(index) {
    const hints = this.now.wishes.hints.filter((_, place) => place !== index);
    return this.attempt(hints.map((hint) => hint.text), kept(this.now.wishes.sensitivity, hints, this.song.known));
  }

  async attempt(hints, sensitivity) {
    try {
      await this.wish(hints, sensitivity);
    } catch (error) {
      this.dispatchEvent(new CustomEvent("failure", { detail: error }));
    }
  }

  edit(hint, index) { this.ask({ begin: hint.start, end: hint.end, low: hint.low, high: hint.high, stem: hint.stem }, index); }

  // Shows the form of a hint: what is selected, and whose it is.
  ask(selection, editing = null) {
    this.editing = editing;
    const known = this.now.separation.stems.map((stem) => stem.name);
    byId("hint-stems").replaceChildren(...this.now.separation.stems.map(({ name, colour }) => element("label", { class: "choice", colour },
      element("input", { type: "radio", name: "stem", value: name, checked: name === selection.stem }), element("i"), name)));
    for (const choice of byId("hint-stems").querySelectorAll("input")) choice.addEventListener("change", () => { byId("hint-own").value = ""; });
    byId("hint-own").value = known.includes(selection.stem) ? "" : selection.stem ?? "";
    byId("hint-start").value = clock(selection.begin, 2);
    byId("hint-end").value = clock(selection.end, 2);
    byId("hint-low").value = selection.low === null ? "" : selection.low.toFixed(0);
    byId("hint-high").value = selection.high === null ? "" : selection.high.toFixed(0);
    byId("hint-keep").textContent = editing === null ? "Add the hint" : "Change the hint";
    byId("hint-message").textContent = "";
    this.returnTo = document.activeElement;
    byId("hint-form").hidden = false;
    (byId("hint-stems").querySelector(":checked") ?? byId("hint-stems").querySelector("input")).focus();
  }

  close() {
    if (byId("hint-form").hidden) return;
    byId("hint-form").hidden = true;
    this.returnTo?.focus?.();
    this.dispatchEvent(new Event("closed"));
  }

  async keepHint() {
    const say = (text, field) => {
      byId("hint-message").textContent = text;
      field?.focus();
    };
    const own = byId("hint-own").value.trim().toLowerCase();
    const stem = own || byId("hint-stems").querySelector(":checked")?.value;
    if (!stem) return say("Choose a stem, or name one of your own.", byId("hint-own"));
    if (!NAMES_ONLY.test(stem)) return say("This name cannot be part of a file's name.", byId("hint-own"));
    const [start, end] = [secondsOf(byId("hint-start").value), secondsOf(byId("hint-end").value)];
    if (!(start < end)) return say("Write times such as 0:31 and 0:35.5, the earlier first.", byId("hint-start"));
    const [low, high] = [byId("hint-low").value.trim(), byId("hint-high").value.trim()];
    if (Boolean(low) !== Boolean(high)) return say("A band has two ends: give both in Hz, or none.", byId(low ? "hint-high" : "hint-low"));
    const text = `${stem}=${start.toFixed(3)}-${end.toFixed(3)}${low ? `@${low}-${high}Hz` : ""}`;
    const hints = this.now.wishes.hints.map((hint) => hint.text);
    if (this.editing === null) hints.push(text);
    else hints[this.editing] = text;
    try {
      byId("hint-keep").disabled = true;
      await this.wish(hints, written(this.now.wishes.sensitivity));
      this.close();
    } catch (error) {
      say(error.message);
    } finally {
      byId("hint-keep").disabled = false;
    }
  }
}

// Sensitivities as the command line takes them.
function written({ song, stems }) {
  return [String(song), ...Object.entries(stems).map(([name, value]) => `${name}=${value}`)].join(",");
}

// Without those of stems that go with their last hint.
function kept({ song, stems }, hints, known) {
  const left = Object.entries(stems).filter(([name]) => known.includes(name) || hints.some((hint) => hint.stem === name));
  return written({ song, stems: Object.fromEntries(left) });
}
