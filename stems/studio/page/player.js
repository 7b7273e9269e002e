// Brings blocks of the song from the server to the mixer, a few seconds ahead of what sounds.
import { api } from "./api.js";

const AHEAD = 12;    // blocks, of 0.74 s each
const AT_ONCE = 3;   // requests

export class Player extends EventTarget {
  constructor() {
    super();
    this.song = null;        // what the server tells of it
    this.separation = null;  // that shall sound
    this.playing = false;
    this.loop = null;        // { begin, end } in seconds
    this.meters = [];
    this.sent = new Map();   // numbers of the blocks that the mixer has, by key of the separation
    this.asked = new Map();  // AbortControllers, by key and number
    this.at = 0;             // second that was told last, when
    this.toldAt = 0;
  }

  async open(song, separation, gains) {
    this.close();
    this.song = song;
    const context = this.context = new AudioContext({ sampleRate: song.sample_rate, latencyHint: "interactive" });
    await context.audioWorklet.addModule("page/worklet.js");
    if (context !== this.context) return;  // another song was opened meanwhile
    this.node = new AudioWorkletNode(context, "mixer", { numberOfInputs: 0, outputChannelCount: [2] });
    this.node.port.onmessage = (event) => this.hear(event.data);
    this.output = this.context.createGain();
    this.node.connect(this.output).connect(this.context.destination);
    const { block_samples: size, lead } = separation;
    this.tell({ type: "open", song: { samples: song.samples, channels: song.channels, size, lead } });
    this.choose(separation, gains);
    if (this.playing) this.tell({ type: "play" });  // as was asked before there was something to tell it to
  }

  close() {
    if (this.node) this.node.port.onmessage = null;
    for (const request of this.asked.values()) request.abort();
    this.asked.clear();
    this.sent.clear();
    this.context?.close();
    Object.assign(this, { context: null, node: null, song: null, separation: null, playing: false, loop: null, at: 0, meters: [] });
  }

  get duration() { return this.song.samples / this.song.sample_rate; }

  get now() {
    const since = this.playing && !this.stalled ? this.context.currentTime - this.toldAt : 0;
    return Math.min(this.at + Math.min(since, 0.2), this.song ? this.duration : 0);
  }

  // Another separation, which sounds from the moment at which its blocks are there.
  choose(separation, gains) {
    this.separation = separation;
    if (!this.sent.has(separation.key)) this.sent.set(separation.key, new Set());
    this.tell({ type: "choose", key: separation.key, gains });
    this.fill();
  }

  mix(gains) { this.tell({ type: "mix", key: this.separation.key, gains }); }

  async play() {
    if (!this.song) return;
    if (this.now >= this.duration - 0.01) this.seek(this.loop?.begin ?? 0);
    this.playing = true;
    this.tell({ type: "play" });
    this.dispatchEvent(new Event("change"));
    await this.context.resume();
  }

  pause() {
    this.playing = false;
    this.tell({ type: "pause" });
    this.dispatchEvent(new Event("change"));
  }

  seek(seconds) {
    if (!this.song) return;
    this.at = Math.min(Math.max(seconds, 0), this.duration);
    this.toldAt = this.context.currentTime;
    this.sought = performance.now();
    this.tell({ type: "seek", position: Math.min(Math.round(this.at * this.song.sample_rate), this.song.samples) });
    this.fill();
    this.dispatchEvent(new Event("change"));
  }

  setLoop(loop) {
    this.loop = loop;
    const samples = loop && { begin: Math.round(loop.begin * this.song.sample_rate), end: Math.round(loop.end * this.song.sample_rate) };
    this.tell({ type: "loop", loop: samples });
    if (loop && (this.now < loop.begin || this.now > loop.end)) this.seek(loop.begin);
    this.fill();
    this.dispatchEvent(new Event("change"));
  }

  tell(message, transfer = []) { this.node?.port.postMessage(message, transfer); }

  hear(report) {
    if (!this.song) return;
    this.meters = report.meters;
    this.stalled = report.stalled;
    this.sounding = report.sounding;
    if (!(performance.now() - this.sought < 80)) {  // what was told before a seek is not where it is
      this.at = report.position / this.song.sample_rate;
      this.toldAt = this.context.currentTime;
    }
    if (this.playing && !report.playing && this.at >= this.duration - 0.01) {
      this.playing = false;
      this.dispatchEvent(new Event("change"));
    }
    for (const key of this.sent.keys())
      if (key !== this.separation.key && key !== report.sounding && report.sounding === this.separation.key) {
        this.tell({ type: "forget", key });
        this.sent.delete(key);
      }
    this.fill();
  }

  // The blocks that sound next, in order.
  wanted() {
    const { block_samples: size, lead, blocks } = this.separation, rate = this.song.sample_rate;
    const block = (second) => Math.min(Math.floor((Math.round(second * rate) + lead) / size), blocks - 1);
    const found = new Set([block(this.now)]);
    let next = block(this.now);
    while (found.size < AHEAD) {
      next = this.loop && this.now < this.loop.end && next >= block(this.loop.end) ? block(this.loop.begin) : next + 1;
      if (next >= blocks || found.has(next)) break;
      found.add(next);
    }
    return found;
  }

  fill() {
    if (!this.separation || !this.song) return;
    const { key } = this.separation, wanted = this.wanted(), sent = this.sent.get(key);
    const needless = [...sent].filter((number) => !wanted.has(number));
    if (needless.length > 2) {
      this.tell({ type: "drop", key, numbers: needless });
      needless.forEach((number) => sent.delete(number));
    }
    for (const [name, request] of this.asked)
      if (!name.startsWith(key) || !wanted.has(Number(name.split(" ")[1]))) {
        request.abort();
        this.asked.delete(name);
      }
    for (const number of wanted)
      if (!sent.has(number) && !this.asked.has(`${key} ${number}`) && this.asked.size < AT_ONCE) this.fetch(key, number);
  }

  async fetch(key, number) {
    const name = `${key} ${number}`, request = new AbortController(), song = this.song;
    this.asked.set(name, request);
    try {
      const samples = await api.block(song.id, key, number, request.signal);
      if (this.song !== song || !this.sent.has(key)) return;
      this.sent.get(key).add(number);
      this.tell({ type: "block", key, number, samples }, [samples.buffer]);
    } catch (error) {
      if (error.name !== "AbortError") {
        this.dispatchEvent(new CustomEvent("failure", { detail: error }));
        await new Promise((resolve) => setTimeout(resolve, 1000));
      }
    } finally {
      if (this.asked.get(name) === request) this.asked.delete(name);
      if (this.song === song) this.fill();
    }
  }
}
