// The songs, those that wait among them, and how new ones get in.
import { api } from "./api.js";
import { byId, element } from "./element.js";
import { clock } from "./view.js";

const SAID = { waiting: "waits", hearing: "is being heard", cancelled: "cancelled", failed: "" };
const SOON_MS = 400, LATER_MS = 3000;

export class Queue extends EventTarget {
  constructor() {
    super();
    Object.assign(this, { songs: [], sending: [], chosen: null });
    const drop = byId("drop");
    byId("files").addEventListener("change", (event) => {
      this.add([...event.target.files]);
      event.target.value = "";
    });
    for (const kind of ["dragover", "dragenter"])
      addEventListener(kind, (event) => {
        event.preventDefault();
        drop.classList.add("over");
      });
    addEventListener("dragleave", (event) => { if (!event.relatedTarget) drop.classList.remove("over"); });
    addEventListener("drop", async (event) => {
      event.preventDefault();
      drop.classList.remove("over");
      this.add(await filesOf(event.dataTransfer));
    });
    this.poll();
  }

  async add(files) {
    const songs = files.map((file) => ({ name: file.name, file, share: 0, error: "" }));
    this.sending.push(...songs);
    this.show();
    for (const song of songs) {  // one after the other, as they will be heard
      try {
        await api.add(song.file, (share) => {
          song.share = share;
          this.show();
        });
        this.sending = this.sending.filter((each) => each !== song);
      } catch (error) {
        song.error = error.message;
      }
      await this.refresh();
    }
  }

  async poll() {
    await this.refresh();
    const busy = this.songs.some((song) => song.state === "waiting" || song.state === "hearing" || song.exporting !== null);
    setTimeout(() => this.poll(), busy ? SOON_MS : LATER_MS);
  }

  async refresh() {
    try {
      this.songs = await api.songs();
      this.failed = false;
    } catch (error) {
      if (!this.failed) this.dispatchEvent(new CustomEvent("failure", { detail: error }));
      this.failed = true;
    }
    this.show();
    this.dispatchEvent(new Event("change"));
  }

  show() {
    const rows = [...this.sending.map((song) => this.sent(song)), ...[...this.songs].reverse().map((song) => this.row(song))];
    const kept = new Map([...byId("songs").children].map((row) => [row.dataset.key, row]));
    const next = rows.map(({ key, shown, make }) => {
      const old = kept.get(key);
      if (old?.dataset.shown === shown) return old;
      const row = make();
      Object.assign(row.dataset, { key, shown });
      if (old?.contains(document.activeElement)) this.focusOn = [key, document.activeElement.className];
      return row;
    });
    const list = byId("songs");
    if (next.length !== list.children.length || next.some((row, place) => list.children[place] !== row)) list.replaceChildren(...next);
    if (this.focusOn) {
      const [key, name] = this.focusOn;
      [...list.children].find((row) => row.dataset.key === key)?.querySelector(`.${name.split(" ")[0]}`)?.focus();
      this.focusOn = null;
    }
  }

  sent(song) {
    const make = () => element("li", { class: song.error ? "failed" : "" },
      element("div", { class: "pick" }, element("b", {}, song.name), element("small", {}, song.error || "is being sent"), ...(song.error ? [] : [bar(song.share, song.name)])),
      element("button", { class: "drop-song", "aria-label": `Dismiss ${song.name}`, onclick: () => {
        this.sending = this.sending.filter((each) => each !== song);
        this.show();
      } }, "×"));
    return { key: `sending ${song.name}`, shown: `${song.error} ${song.share.toFixed(2)}`, make };
  }

  row(song) {
    const busy = song.state === "waiting" || song.state === "hearing";
    const said = song.state === "heard" ? clock(song.seconds, 0) : SAID[song.state] || song.error;
    const shown = JSON.stringify([song.name, song.state, said, song.progress?.toFixed(2), this.chosen === song.id]);
    const label = busy ? `Cancel ${song.name}` : `Remove ${song.name}`;
    const make = () => element("li", { class: `${song.state}${this.chosen === song.id ? " chosen" : ""}` },
      element("button", { class: "pick", ...(this.chosen === song.id ? { "aria-current": "true" } : {}), onclick: () => this.pick(song) },
        element("b", {}, song.name), element("small", {}, song.state === "cancelled" ? "cancelled: press to hear it" : said),
        ...(song.state === "hearing" ? [bar(song.progress, song.name)] : [])),
      element("button", { class: "drop-song", "aria-label": label, title: label, onclick: () => this.drop(song, busy) }, "×"));
    return { key: song.id, shown, make };
  }

  async pick(song) {
    if (song.state === "heard") {
      this.chosen = song.id;
      this.show();
      this.dispatchEvent(new CustomEvent("picked", { detail: song.id }));
    } else if (song.state === "cancelled" || song.state === "failed") {
      await api.hear(song.id);
      await this.refresh();
    }
  }

  async drop(song, busy) {
    if (busy) await api.cancel(song.id);
    else {
      if (song.state === "heard" && !confirm(`Remove ${song.name} from the studio, with its hints? Its file stays where it came from.`)) return;
      await api.remove(song.id);
      this.dispatchEvent(new CustomEvent("removed", { detail: song.id }));
    }
    await this.refresh();
  }
}

function bar(share, name) {
  const made = element("progress", { max: "1", "aria-label": `Progress of ${name}` });
  made.value = share ?? 0;
  return made;
}

// The files that were dropped, and those in folders that were, in order of their names.
async function filesOf(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.length) return [...transfer.files];
  const found = [];
  const walk = async (entry) => {
    if (entry.isFile) {
      if (!entry.name.startsWith(".")) found.push(await new Promise((resolve, reject) => entry.file(resolve, reject)));
      return;
    }
    const reader = entry.createReader();
    for (;;) {
      const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
      if (!some.length) return;
      for (const each of some.sort((one, other) => one.name.localeCompare(other.name))) await walk(each);
    }
  };
  for (const entry of entries) await walk(entry);
  const isSound = (file) => /^(audio|video)\//.test(file.type) || /\.(wav|flac|aiff?|ogg|opus|mp3|m4a|wma)$/i.test(file.name);
  return entries.some((entry) => entry.isDirectory) ? found.filter(isSound) : found;
}
