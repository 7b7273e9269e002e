// What of the song is shown, between two seconds, and where a second or a frequency lies in it.

const SHORTEST_SECONDS = 0.25;

export class View extends EventTarget {
  constructor() {
    super();
    Object.assign(this, { duration: 1, begin: 0, end: 1 });
  }

  open(duration) {
    this.duration = duration;
    this.show(0, duration);
  }

  get seconds() { return this.end - this.begin; }

  show(begin, end) {
    const span = Math.min(Math.max(end - begin, Math.min(SHORTEST_SECONDS, this.duration)), this.duration);
    this.begin = Math.min(Math.max(begin, 0), this.duration - span);
    this.end = this.begin + span;
    this.dispatchEvent(new Event("change"));
  }

  // A factor below 1 shows less; the second `at` stays where it is.
  zoom(factor, at = (this.begin + this.end) / 2) {
    const span = Math.min(Math.max(this.seconds * factor, SHORTEST_SECONDS), this.duration);
    const begin = at - (at - this.begin) * (span / this.seconds);
    this.show(begin, begin + span);
  }

  move(seconds) { this.show(this.begin + seconds, this.end + seconds); }

  // Turns a page where a second is out of sight.
  reach(second) {
    if (second < this.begin || second > this.end) this.show(second - 0.05 * this.seconds, second + 0.95 * this.seconds);
  }

  share(second) { return (second - this.begin) / this.seconds; }

  secondAt(event, element) {
    const box = element.getBoundingClientRect();
    return this.begin + Math.min(Math.max((event.clientX - box.left) / box.width, 0), 1) * this.seconds;
  }
}

// The edges of bands in Hz, evenly spaced from bottom to top.
export class Bands {
  constructor(edges) { this.edges = edges; }

  hzAt(share) {
    const place = Math.min(Math.max(share, 0), 1) * (this.edges.length - 1), below = Math.min(Math.floor(place), this.edges.length - 2);
    return this.edges[below] + (place - below) * (this.edges[below + 1] - this.edges[below]);
  }

  share(hz) {
    const above = this.edges.findIndex((edge) => edge > hz);
    if (above < 0) return 1;
    if (above === 0) return 0;
    const [low, high] = [this.edges[above - 1], this.edges[above]];
    return (above - 1 + (hz - low) / (high - low)) / (this.edges.length - 1);
  }
}

export function clock(seconds, digits = 1) {
  const rounded = Math.max(0, Number(seconds.toFixed(digits))), minutes = Math.floor(rounded / 60);
  return `${minutes}:${(rounded - 60 * minutes).toFixed(digits).padStart(digits ? 3 + digits : 2, "0")}`;
}

export function secondsOf(text) {
  const parts = text.trim().replace(",", ".").split(":");
  const numbers = parts.map(Number);
  if (!text.trim() || numbers.length > 3 || numbers.some((number) => !(number >= 0))) return NaN;
  return numbers.reduce((total, number) => 60 * total + number, 0);
}

export function pitch(hz) { return hz >= 1000 ? `${(hz / 1000).toFixed(2)} kHz` : `${hz.toFixed(0)} Hz`; }
