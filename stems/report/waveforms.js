// The pictures over time: waveforms drawn as finely as they are shown, and images that are stretched to what is shown.
import { byId } from "./element.js";
import { DRAGGED_PIXELS, drawBeats, drawPeaks, drawRuler, pinch, prepared, turnWheel } from "./timeline.js";

const PEAK_SAMPLES = 256;  // for each of which the loudest is kept

class Waveforms {
  constructor(player, view, song) {
    Object.assign(this, { player, view, song, peaks: new Map(), region: null });
    this.ruler = document.querySelector(".ticks");
    this.lanes = [...document.querySelectorAll(".lane")];
    this.lanes.forEach((lane) => this.listen(lane));
    this.listen(this.ruler);
    view.addEventListener("change", () => this.draw());
    new ResizeObserver(() => this.draw()).observe(document.querySelector("main"));
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
  }

  // What was decoded takes the place of the drawing that the page came with.
  open(stems) {
    for (const { row, buffer } of stems) this.peaks.set(row.querySelector(".lane"), peaksOf(buffer));
    this.loudest = Math.max(1e-6, ...[...this.peaks.values()].map((peaks) => peaks.reduce((most, peak) => Math.max(most, peak), 0)));
    this.rate = stems[0].buffer.sampleRate / PEAK_SAMPLES;
    document.body.classList.add("decoded");
    this.draw();
  }

  // A press seeks, a drag loops, two fingers zoom.
  listen(lane) {
    const touches = new Map();
    let pressed = null;
    lane.addEventListener("pointerdown", (event) => {
      touches.set(event.pointerId, event.clientX);
      if (event.button !== 0) return;
      pressed = { x: event.clientX, second: this.view.secondAt(event, lane), dragged: false };
      lane.setPointerCapture(event.pointerId);
    });
    lane.addEventListener("pointermove", (event) => {
      if (!touches.has(event.pointerId)) return;
      if (touches.size === 2) pinch(touches, event, lane, this.view);
      else if (pressed && (pressed.dragged || Math.abs(event.clientX - pressed.x) >= DRAGGED_PIXELS)) {
        const second = this.view.secondAt(event, lane);
        pressed.dragged = true;
        this.select({ begin: Math.min(second, pressed.second), end: Math.max(second, pressed.second) });
      }
      touches.set(event.pointerId, event.clientX);
    });
    for (const kind of ["pointerup", "pointercancel"])
      lane.addEventListener(kind, (event) => {
        touches.delete(event.pointerId);
        if (kind === "pointerup" && pressed?.dragged) this.player.setLoop(this.region);
        else if (kind === "pointerup" && pressed) this.player.seek(pressed.second);
        pressed = null;
      });
    lane.addEventListener("wheel", (event) => turnWheel(event, lane, this.view, lane === this.ruler), { passive: false });
  }

  // The region that is looped next.
  select(region) {
    this.region = region;
    this.show();
  }

  draw() {
    const { begin, seconds, duration } = this.view, style = document.documentElement.style;
    style.setProperty("--zoom", duration / seconds);
    style.setProperty("--begin", begin / duration);
    for (const lane of this.peaks.keys()) this.drawWaveform(lane);
    this.show();
  }

  drawWaveform(lane) {
    const [canvas, context] = prepared(lane), peaks = this.peaks.get(lane);
    drawBeats(canvas, context, this.view, this.song.tempo_bpm, this.song.first_beat);
    context.fillStyle = getComputedStyle(lane).getPropertyValue("--line-colour");
    const from = this.view.begin * this.rate, step = this.view.seconds * this.rate / canvas.width;
    drawPeaks(canvas, context, peaks, from, step, (peak, middle) => peak / this.loudest * 0.94 * middle);
  }

  // Moves the line that shows where it is; of each picture alone, since a whole page is slow to style anew.
  follow() {
    const share = this.view.share(this.player.now).toFixed(5);
    if (share === this.share) return;
    this.share = share;
    for (const lane of this.lanes) lane.style.setProperty("--position", share);
  }

  // What is looped, over all pictures.
  show() {
    const style = document.documentElement.style, { region } = this;
    document.body.classList.toggle("looping", Boolean(region));
    this.follow();
    if (region) {
      style.setProperty("--loop-begin", this.view.share(region.begin));
      style.setProperty("--loop-length", (region.end - region.begin) / this.view.seconds);
    }
    drawRuler(this.ruler, this.view, this.song.ruler, region);
  }
}

// The loudest of each few samples over all channels.
function peaksOf(buffer) {
  const peaks = new Float32Array(Math.ceil(buffer.length / PEAK_SAMPLES));
  for (let channel = 0; channel < buffer.numberOfChannels; channel++) {
    const samples = buffer.getChannelData(channel);
    for (let n = 0; n < samples.length; n++) {
      const size = Math.abs(samples[n]), place = Math.floor(n / PEAK_SAMPLES);
      if (size > peaks[place]) peaks[place] = size;
    }
  }
  return peaks;
}
