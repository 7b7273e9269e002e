// The pictures over time: a spectrogram of the song, a waveform of each stem, the ruler. All show what the view says.
import { api } from "./api.js";
import { byId, element } from "./element.js";
import { DRAGGED_PIXELS, drawBeats, drawPeaks, drawRuler, pinch, prepared, turnWheel } from "./timeline.js";
import { clock, pitch } from "./view.js";

const PEAKS_AT_ONCE = 16;       // blocks
const SETTLED_MS = 120;         // without a change, before a new picture is asked for

export class Lanes extends EventTarget {
  constructor(player, view) {
    super();
    Object.assign(this, { player, view, selection: null, hints: [], waveforms: new Map() });
    this.whole = byId("spectrogram");
    this.prepare(this.whole, null);
    view.addEventListener("change", () => this.draw());
    new ResizeObserver(() => this.draw()).observe(byId("lanes"));
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
    this.prepareRuler();
    this.follow();
  }

  open(song, bands) {
    Object.assign(this, { song, bands, selection: null, picture: null });
    this.waveforms.clear();
    byId("axis").replaceChildren(...[100, 300, 600, 1200, 2500, 5000, 10000].filter((hz) => hz < song.sample_rate / 2).map((hz) => {
      const tick = element("span", {}, hz >= 1000 ? `${hz / 1000} kHz` : `${hz} Hz`);
      tick.style.bottom = `${100 * bands.share(hz)}%`;
      return tick;
    }));
  }

  // Another separation: its waveforms replace those that are shown as they arrive, first where the listener is.
  async choose(separation) {
    this.separation = separation;
    this.loading?.abort();
    const loading = this.loading = new AbortController();
    this.ask();
    const lanes = [...byId("stems").querySelectorAll(".lane")];
    for (const lane of lanes) this.waveforms.set(lane.dataset.of, this.waveforms.get(lane.dataset.of) ?? new Uint8Array(separation.blocks * this.song.peaks));
    const chunks = Math.ceil(separation.blocks / PEAKS_AT_ONCE), rate = this.song.sample_rate;
    const here = Math.floor((this.player.now * rate + separation.lead) / separation.block_samples / PEAKS_AT_ONCE);
    try {
      for (let turn = 0; turn < chunks; turn++) {
        const first = ((here + turn) % chunks) * PEAKS_AT_ONCE, last = Math.min(first + PEAKS_AT_ONCE, separation.blocks);
        const peaks = await api.peaks(this.song.id, separation.key, first, last, loading.signal);
        const length = (last - first) * this.song.peaks;
        separation.stems.forEach((stem, index) =>
          this.waveforms.get(stem.name)?.set(peaks.subarray(index * length, (index + 1) * length), first * this.song.peaks));
        this.drawWaveforms();
      }
      this.dispatchEvent(new Event("whole"));
    } catch (error) {
      if (error.name !== "AbortError") this.dispatchEvent(new CustomEvent("failure", { detail: error }));
    }
  }

  // A canvas in a lane, with what lies over it; presses seek, drags select.
  prepare(lane, stem) {
    if (!lane.firstChild) lane.append(element("canvas", { "aria-hidden": "true" }), element("div", { class: "over" }), element("div", { class: "playhead" }));
    let pressed = null;
    const touches = new Map();
    const drag = (event) => {
      if (touches.size > 1) return;
      const box = lane.getBoundingClientRect(), second = this.view.secondAt(event, lane);
      const share = 1 - Math.min(Math.max((event.clientY - box.top) / box.height, 0), 1);
      if (event.buttons === 0 || !pressed) return;
      if (!pressed.dragged && Math.hypot(event.clientX - pressed.x, event.clientY - pressed.y) < DRAGGED_PIXELS) return;
      pressed.dragged = true;
      const [begin, end] = [Math.min(pressed.second, second), Math.max(pressed.second, second)];
      const band = stem === null && Math.abs(share - pressed.share) > 0.02
        ? [this.bands.hzAt(Math.min(share, pressed.share)), this.bands.hzAt(Math.max(share, pressed.share))] : [null, null];
      this.select({ begin, end, low: band[0], high: band[1], stem });
    };
    lane.addEventListener("pointerdown", (event) => {
      touches.set(event.pointerId, event.clientX);
      if (event.button !== 0 || !this.song) return;
      const box = lane.getBoundingClientRect();
      pressed = { x: event.clientX, y: event.clientY, second: this.view.secondAt(event, lane), share: 1 - (event.clientY - box.top) / box.height };
      lane.setPointerCapture(event.pointerId);
    });
    lane.addEventListener("pointermove", (event) => {
      if (touches.has(event.pointerId)) {
        if (touches.size === 2) pinch(touches, event, lane, this.view);
        touches.set(event.pointerId, event.clientX);
      }
      this.read(event, lane, stem);
      drag(event);
    });
    const release = (event) => {
      touches.delete(event.pointerId);
      if (event.type === "pointerup" && pressed && this.song) {
        if (pressed.dragged) this.dispatchEvent(new Event("selected"));
        else {
          this.select(null);
          this.player.seek(pressed.second);
        }
      }
      pressed = null;
    };
    for (const kind of ["pointerup", "pointercancel"]) lane.addEventListener(kind, release);
    lane.addEventListener("pointerleave", () => { byId("readout").textContent = ""; });
    lane.addEventListener("wheel", (event) => turnWheel(event, lane, this.view, lane === this.whole), { passive: false });
  }

  prepareRuler() {
    const ruler = byId("ruler");
    let from = null;
    ruler.addEventListener("pointerdown", (event) => {
      if (event.button !== 0 || !this.song) return;
      from = this.view.secondAt(event, ruler);
      ruler.setPointerCapture(event.pointerId);
    });
    ruler.addEventListener("pointerup", (event) => {
      if (from === null) return;
      const to = this.view.secondAt(event, ruler), span = Math.abs(to - from);
      if (span / this.view.seconds * ruler.clientWidth < DRAGGED_PIXELS) this.player.seek(to);
      else this.player.setLoop({ begin: Math.min(from, to), end: Math.max(from, to) });
      from = null;
    });
    ruler.addEventListener("wheel", (event) => turnWheel(event, ruler, this.view, true), { passive: false });
  }

  read(event, lane, stem) {
    if (!this.song) return;
    const box = lane.getBoundingClientRect(), second = clock(this.view.secondAt(event, lane), 3);
    const hz = this.bands.hzAt(1 - (event.clientY - box.top) / box.height);
    byId("readout").textContent = stem === null ? `${second} · ${pitch(hz)}` : second;
  }

  select(selection) {
    this.selection = selection;
    this.drawOver();
  }

  draw() {
    if (!this.song) return;
    this.drawWaveforms();
    this.drawPicture();
    this.drawOver();
    this.drawRuler();
    clearTimeout(this.settling);
    this.settling = setTimeout(() => this.ask(), SETTLED_MS);
  }

  async ask() {
    if (!this.separation) return;
    const { begin, end } = this.view, { key } = this.separation;
    const columns = Math.max(1, Math.min(1600, Math.round(this.whole.clientWidth * Math.min(devicePixelRatio, 2))));
    this.asking?.abort();
    const asking = this.asking = new AbortController();
    try {
      const image = await api.picture(this.song.id, key, begin, end, columns, asking.signal);
      this.picture = { image, begin, end, key };
      this.drawPicture();
      this.dispatchEvent(new Event("pictured"));
    } catch (error) {
      if (error.name !== "AbortError") this.dispatchEvent(new CustomEvent("failure", { detail: error }));
    }
  }

  drawPicture() {
    const [canvas, context] = prepared(this.whole);
    if (!this.picture) return;
    const { image, begin, end } = this.picture;
    const left = this.view.share(begin) * canvas.width, right = this.view.share(end) * canvas.width;
    context.imageSmoothingQuality = "high";
    context.drawImage(image, left, 0, right - left, canvas.height);
  }

  drawWaveforms() {
    if (!this.separation) return;
    const { lead, block_samples: size } = this.separation, { sample_rate: rate, tempo_bpm: told, estimate } = this.song;
    const loudest = Math.max(1, ...[...this.waveforms.values()].map((peaks) => peaks.reduce((most, peak) => Math.max(most, peak), 0)));
    const place = (second) => (second * rate + lead) / size * this.song.peaks;
    for (const lane of byId("stems").querySelectorAll(".lane")) {
      const peaks = this.waveforms.get(lane.dataset.of), [canvas, context] = prepared(lane);
      drawBeats(canvas, context, this.view, told ?? estimate.tempo_bpm, told ? 0 : estimate.first_beat);
      if (!peaks) continue;
      context.fillStyle = getComputedStyle(lane).getPropertyValue("--line-colour");
      const from = place(this.view.begin), step = (place(this.view.end) - from) / canvas.width;
      drawPeaks(canvas, context, peaks, from, step, (peak, middle) =>
        Math.max((peak / loudest) ** 2 * 0.94 * middle, peak ? devicePixelRatio / 2 : 0));  // peaks are square roots
    }
  }

  drawOver() {
    const draw = (over, mark) => {
      const box = element("div", { class: mark.kind, ...(mark.colour ? { colour: mark.colour } : {}), ...(mark.title ? { title: mark.title } : {}) });
      const [low, high] = [mark.low === null ? 0 : this.bands.share(mark.low), mark.high === null ? 1 : this.bands.share(mark.high)];
      Object.assign(box.style, {
        left: `${100 * this.view.share(mark.begin)}%`, width: `${100 * (mark.end - mark.begin) / this.view.seconds}%`,
        bottom: `${100 * low}%`, height: `${100 * (high - low)}%`,
      });
      over.append(box);
    };
    for (const lane of byId("lanes").querySelectorAll(".lane")) {
      const over = lane.querySelector(".over"), stem = lane.dataset.of ?? null;
      over.replaceChildren();
      for (const hint of this.hints)
        if (stem === null || stem === hint.stem)
          draw(over, { kind: "told", colour: hint.colour, title: hint.text, begin: hint.start, end: hint.end, low: stem === null ? hint.low : null, high: stem === null ? hint.high : null });
      if (this.selection && (stem === null || stem === this.selection.stem))
        draw(over, { kind: "selection", ...this.selection, ...(stem === null ? {} : { low: null, high: null }) });
    }
  }

  drawRuler() { drawRuler(byId("ruler"), this.view, this.song.ruler, this.player.loop); }

  // Moves what shows where it is, at every frame of the screen.
  follow() {
    if (this.song && this.player.song) {
      const now = this.player.now;
      if (this.player.playing && !this.selection) this.view.reach(now);
      const share = this.view.share(now);
      for (const lane of byId("lanes").querySelectorAll(".lane")) {
        const head = lane.querySelector(".playhead");
        head.style.transform = `translateX(${share * lane.clientWidth}px)`;
        head.hidden = share < 0 || share > 1;
      }
    }
    requestAnimationFrame(() => this.follow());
  }
}
