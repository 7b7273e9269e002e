// The mixer in the audio thread.
import { Mixer } from "./mixer.js";

const REPORT_SECONDS = 0.04;

class Sounding extends AudioWorkletProcessor {
  constructor() {
    super();
    this.mixer = new Mixer(sampleRate);
    this.told = 0;
    this.port.onmessage = (event) => this.mixer.accept(event.data);
  }

  process(inputs, [[left, right]]) {
    this.mixer.render(left, right);
    if (currentTime - this.told >= REPORT_SECONDS) {
      this.told = currentTime;
      this.port.postMessage(this.mixer.report());
    }
    return true;
  }
}

registerProcessor("mixer", Sounding);
