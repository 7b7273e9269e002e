// What sounds: blocks of stems, mixed by gains. It runs in the audio thread and knows nothing of the page.

const FADE_SECONDS = 0.01;       // from one separation to another
const SMOOTHING_SECONDS = 0.004; // in which a gain comes nearer to what it shall be by a factor of e
const NEAR = 1e-4;               // where a gain has arrived

// A bank is one separation of the song: its blocks by number, and the gains of its stems and of the song behind them.
class Bank {
  constructor(sources) {
    this.blocks = new Map();
    this.wanted = new Float64Array(2 * sources);  // left and right of each source
    this.gains = null;                            // what they are now; at first they are what is wanted
  }
}

export class Mixer {
  constructor(rate) {
    this.rate = rate;
    this.fade = Math.round(FADE_SECONDS * rate);
    this.song = null;
    this.banks = new Map();
    this.active = null;      // key of the bank that shall sound
    this.sounding = null;    // key of the one that does
    this.faded = this.fade;  // samples since the sounding one began to replace another
    this.leaving = null;     // key of that other one
    this.position = 0;       // sample of the song
    this.jump = null;        // sample to go on from, once it is quiet
    this.playing = false;
    this.level = 0;          // of all, which falls to 0 before a pause or a jump
    this.loop = null;        // { begin, end } in samples
    this.stalled = false;    // it waits for a block
    this.meters = new Float32Array(0);
  }

  accept(message) {
    const bank = this.banks.get(message.key);
    switch (message.type) {
      case "open":  // a song: { samples, channels, size, lead }
        this.song = message.song;
        this.banks.clear();
        Object.assign(this, { active: null, sounding: null, leaving: null, position: 0, jump: null, loop: null });
        Object.assign(this, { playing: false, level: 0, faded: this.fade });
        break;
      case "choose":
        if (!bank) this.banks.set(message.key, new Bank(message.gains.length / 2));
        this.banks.get(message.key).wanted.set(message.gains);
        this.active = message.key;
        break;
      case "mix":
        bank?.wanted.set(message.gains);
        break;
      case "block":
        bank?.blocks.set(message.number, message.samples);
        break;
      case "drop":
        for (const number of message.numbers) bank?.blocks.delete(number);
        break;
      case "forget":
        if (message.key !== this.active && message.key !== this.sounding) this.banks.delete(message.key);
        break;
      case "play":
        this.playing = true;
        break;
      case "pause":
        this.playing = false;
        break;
      case "seek":
        this.jump = null;  // an earlier one would come after it
        if (this.level < NEAR) this.position = message.position;
        else this.jump = message.position;
        break;
      case "loop":
        this.loop = message.loop;
        break;
    }
  }

  // Fills two arrays with what sounds next.
  render(left, right) {
    left.fill(0);
    right.fill(0);
    this.stalled = false;
    if (!this.song) return;
    let done = 0;
    while (done < left.length) {
      if (this.jump !== null && this.level < NEAR) {
        this.position = this.jump;
        this.jump = null;
      }
      if (!this.playing && this.level < NEAR) return;
      if (this.loop && this.position === this.loop.end) this.position = this.loop.begin;
      if (this.position >= this.song.samples) {
        this.level = 0;
        if (this.jump !== null) continue;
        this.playing = false;
        return;
      }
      const number = Math.floor((this.position + this.song.lead) / this.song.size);
      this.choose(number);
      if (this.sounding === null || !this.banks.get(this.sounding)?.blocks.has(number)) {
        this.stalled = true;
        this.level = 0;
        if (this.jump === null) return;
        continue;
      }
      const end = Math.min((number + 1) * this.song.size - this.song.lead, this.song.samples);
      let count = Math.min(left.length - done, end - this.position);
      if (this.loop && this.position < this.loop.end) count = Math.min(count, this.loop.end - this.position);
      if (this.faded < this.fade) count = Math.min(count, this.fade - this.faded);
      this.mix(number, left.subarray(done, done + count), right.subarray(done, done + count));
      this.position += count;
      done += count;
    }
  }

  // Begins to go over to the active bank where it has what comes next.
  choose(number) {
    if (this.sounding === this.active || !this.banks.get(this.active)?.blocks.has(number)) return;
    const was = this.banks.get(this.sounding);
    this.leaving = this.level < NEAR || !was?.blocks.has(number) ? null : this.sounding;
    this.faded = this.leaving === null ? this.fade : 0;
    this.sounding = this.active;
    const bank = this.banks.get(this.sounding);
    bank.gains = null;
    if (this.meters.length !== bank.wanted.length) this.meters = new Float32Array(bank.wanted.length);
  }

  mix(number, left, right) {
    const count = left.length;
    const aim = this.playing && this.jump === null ? 1 : 0;
    const levels = [this.level, this.level = approach(this.level, aim, count / this.rate)];
    const weights = [this.faded / this.fade, Math.min(1, (this.faded + count) / this.fade)];
    this.add(this.sounding, number, left, right, levels, weights, true);
    if (this.leaving !== null) {
      this.add(this.leaving, number, left, right, levels, weights.map((weight) => 1 - weight), false);
      this.faded += count;
      if (this.faded >= this.fade) this.leaving = null;
    }
  }

  add(key, number, left, right, levels, weights, metered) {
    const bank = this.banks.get(key), samples = bank?.blocks.get(number);
    if (!samples) return;
    bank.gains ??= bank.wanted.slice();
    const { channels, lead, size } = this.song;
    const sources = bank.wanted.length / 2, length = samples.length / sources / channels;
    const offset = this.position - Math.max(0, number * size - lead), count = left.length;
    for (let source = 0; source < sources; source++) {
      for (let side = 0; side < 2; side++) {
        const place = 2 * source + side, before = bank.gains[place];
        const after = bank.gains[place] = approach(before, bank.wanted[place], count / this.rate);
        if (before === 0 && after === 0) continue;
        const from = before * levels[0] * weights[0], step = (after * levels[1] * weights[1] - from) / count;
        const plane = (source * channels + Math.min(side, channels - 1)) * length + offset;
        const out = side ? right : left;
        let peak = 0;
        for (let n = 0; n < count; n++) {
          const sample = samples[plane + n] * (from + step * n);
          out[n] += sample;
          if (sample > peak) peak = sample;
          else if (-sample > peak) peak = -sample;
        }
        if (metered && peak > this.meters[place]) this.meters[place] = peak;
      }
    }
  }

  // Where it is, and how loud each source was since it was asked last.
  report() {
    const meters = Array.from(this.meters);
    this.meters.fill(0);
    const { position, playing, stalled, sounding, jump } = this;
    return { position: jump ?? position, playing, stalled, sounding, meters };
  }
}

function approach(value, wanted, seconds) {
  const next = wanted + (value - wanted) * Math.exp(-seconds / SMOOTHING_SECONDS);
  return Math.abs(next - wanted) < NEAR ? wanted : next;
}
