// What all pictures over time have in common: wheel and pinch, canvases, lines of beats and the ticks of a ruler.
import { element } from "./element.js";
import { clock } from "./view.js";

export const DRAGGED_PIXELS = 4;  // before a press is a drag
const BEAT_PIXELS = 12;      // between lines of the grid, at least
const TICK_PIXELS = 70;      // likewise of the ruler
const FINE_SECONDS = [0.05, 0.1, 0.25, 0.5];
const COARSE_SECONDS = [300, 600];

// Ctrl zooms, as a pinch on a trackpad is told; sideways it moves. Without either it is left to the page, unless `zooms`.
export function turnWheel(event, lane, view, zooms) {
  const sideways = event.shiftKey ? event.deltaY || event.deltaX : event.deltaX;
  if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) view.move(sideways / lane.clientWidth * view.seconds);
  else if (zooms || event.ctrlKey || event.metaKey)
    view.zoom(Math.exp(event.deltaY * (event.ctrlKey ? 0.01 : 0.002)), view.secondAt(event, lane));
  else return;
  event.preventDefault();
}

// One of two fingers moves: `touches` has where both were, by id.
export function pinch(touches, event, lane, view) {
  const [one, other] = [...touches.values()], before = Math.abs(one - other);
  const rest = [...touches].find(([id]) => id !== event.pointerId)[1], after = Math.abs(event.clientX - rest);
  if (before > 10 && after > 10) view.zoom(before / after, view.secondAt(event, lane));
}

// The canvas of a lane, empty, as fine as the screen.
export function prepared(lane) {
  const canvas = lane.querySelector("canvas");
  const width = Math.round(lane.clientWidth * devicePixelRatio), height = Math.round(lane.clientHeight * devicePixelRatio);
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  const context = canvas.getContext("2d");
  context.clearRect(0, 0, width, height);
  return [canvas, context];
}

// The loudest of what each column shows of some peaks, of which the first column begins at `from` and has `step`; `height` tells how high one is.
export function drawPeaks(canvas, context, peaks, from, step, height) {
  const middle = canvas.height / 2;
  context.beginPath();
  for (let x = 0; x < canvas.width; x++) {
    let peak = 0;
    const last = Math.max(Math.floor(from + (x + 1) * step), Math.floor(from + x * step) + 1);
    for (let each = Math.floor(from + x * step); each < last; each++) peak = Math.max(peak, peaks[each] ?? 0);
    const half = height(peak, middle);
    context.rect(x, middle - half, 1, 2 * half);
  }
  context.fill();
}

// Lines of a tempo in bpm from the second of a first beat on; none where no tempo is known.
export function drawBeats(canvas, context, view, tempo, first) {
  if (!tempo) return;
  const beat = 60 / tempo;
  let step = beat;
  while (step / view.seconds * canvas.width < BEAT_PIXELS * devicePixelRatio) step *= step === beat ? 4 : 2;
  context.fillStyle = getComputedStyle(document.documentElement).getPropertyValue("--line");
  for (let number = Math.ceil((view.begin - first) / step); first + number * step < view.end; number++)
    context.fillRect(Math.round(view.share(first + number * step) * canvas.width), 0, devicePixelRatio, canvas.height);
}

// What a ruler shows: times, and the span that is looped, if any.
export function drawRuler(ruler, view, seconds, loop) {
  const steps = [...FINE_SECONDS, ...seconds, ...COARSE_SECONDS], widest = ruler.clientWidth / TICK_PIXELS;
  const step = steps.find((each) => view.seconds / each <= widest) ?? steps.at(-1), ticks = [];
  for (let second = Math.ceil(view.begin / step) * step; second < view.end; second += step) {
    const share = view.share(second);
    if (share < 0.02 || share > 0.98) continue;
    const tick = element("span", {}, clock(second, step < 0.1 ? 2 : step < 1 ? (step === 0.25 ? 2 : 1) : 0));
    tick.style.left = `${100 * share}%`;
    ticks.push(tick);
  }
  if (loop) {
    const bar = element("i", { class: "looped" });
    Object.assign(bar.style, { left: `${100 * view.share(loop.begin)}%`, width: `${100 * (loop.end - loop.begin) / view.seconds}%` });
    ticks.push(bar);
  }
  ruler.replaceChildren(...ticks);
}
