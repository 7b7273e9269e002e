// Plays all stems by one clock: each is a buffer that starts at the same moment and runs through a gain of its own.
import { factor, isHeard } from "./levels.js";

const SOON_SECONDS = 0.03;  // the same moment for all, which must not have passed
const SMOOTHING_SECONDS = 0.01;  // of gains, which would click if they jumped

class Player extends EventTarget {
  constructor(song) {
    super();
    Object.assign(this, { context: new AudioContext(), duration: song.duration, position: 0, loop: null, isOriginal: false });
    this.stems = [];     // { name, row, buffer, gain, mute, solo, db }
    this.original = null;  // { buffer, gain } where the stems do not add up to the song
    this.sources = [];   // while it plays
    this.output = this.context.createGain();
    this.output.connect(this.context.destination);
  }

  async load() {
    const rows = [...document.querySelectorAll("[data-stem]")];
    const stems = await Promise.all(rows.map(async (row) => (
      { name: row.dataset.stem, row, mute: false, solo: false, db: 0, ...await this.decode(row.dataset.audio) })));
    if (document.getElementById(`audio-${rows.length}`)) this.original = await this.decode(`audio-${rows.length}`);
    this.stems = stems;  // once all is there
    this.balance();
  }

  async decode(id) {
    const script = document.getElementById(id), content = Uint8Array.from(atob(script.textContent.trim()), (letter) => letter.charCodeAt(0));
    script.remove();  // which has it a second time
    const buffer = await this.context.decodeAudioData(content.buffer), gain = this.context.createGain();
    gain.connect(this.output);
    return { buffer, gain };
  }

  get playing() { return this.sources.length > 0; }

  // Second of the song; `startedAt` is the time of the context at which its second 0 would have begun.
  get now() {
    if (!this.playing) return this.position;
    const second = Math.max(this.context.currentTime - this.startedAt, 0);
    if (!this.repeats || second < this.loop.end) return Math.min(second, this.duration);
    return this.loop.begin + (second - this.loop.begin) % (this.loop.end - this.loop.begin);
  }

  async play() {
    await this.context.resume();
    if (this.playing) return;
    if (this.position >= this.duration) this.position = this.loop?.begin ?? 0;
    const soon = this.context.currentTime + SOON_SECONDS;
    this.startedAt = soon - this.position;
    this.repeats = this.loop !== null && this.position < this.loop.end;
    this.sources = [...this.stems, ...(this.original ? [this.original] : [])].map(({ buffer, gain }) => {
      const source = this.context.createBufferSource();
      source.buffer = buffer;
      if (this.repeats) Object.assign(source, { loop: true, loopStart: this.loop.begin, loopEnd: this.loop.end });
      source.connect(gain);
      source.start(soon, this.position);
      return source;
    });
    this.tell();
  }

  pause() {
    this.position = this.now;
    this.sources.forEach((source) => source.stop());
    this.sources = [];
    this.tell();
  }

  seek(seconds) {
    const wasPlaying = this.playing;
    if (wasPlaying) this.pause();
    this.position = Math.min(Math.max(seconds, 0), this.duration);
    if (wasPlaying && this.position < this.duration) this.play();
    this.tell();
  }

  // { begin, end } in seconds, which it repeats from now on, or null.
  setLoop(loop) {
    const now = this.now;
    this.loop = null;  // so that it stops where it is
    if (this.playing) {
      this.position = now;
      this.sources.forEach((source) => source.stop());
      this.sources = [];
      this.loop = loop;
      this.position = loop && (now < loop.begin || now >= loop.end) ? loop.begin : now;
      this.play();
    } else {
      this.loop = loop;
      if (loop && (now < loop.begin || now >= loop.end)) this.position = loop.begin;
    }
    this.tell();
  }

  hearOriginal(wanted) {
    this.isOriginal = wanted;
    this.balance();
  }

  set(stem, values) {
    Object.assign(stem, values);
    this.balance();
  }

  isSilent(stem) { return !this.isOriginal && !isHeard(stem, this.stems); }

  // The stems as they are add up to the song, unless this came along.
  balance() {
    for (const stem of this.stems)
      this.turn(stem.gain.gain, this.isOriginal ? Number(!this.original) : isHeard(stem, this.stems) ? factor(stem.db) : 0);
    if (this.original) this.turn(this.original.gain.gain, Number(this.isOriginal));
    this.tell();
  }

  turn(gain, level) {
    if (this.playing) gain.setTargetAtTime(level, this.context.currentTime, SMOOTHING_SECONDS);
    else gain.setValueAtTime(level, this.context.currentTime);
  }

  tell() { this.dispatchEvent(new Event("change")); }
}
