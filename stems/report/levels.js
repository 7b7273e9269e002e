// What faders say: factors of their levels, and which stems are heard.
export const LOWEST_DB = -60;  // where a fader is silent

export const factor = (db) => (db <= LOWEST_DB ? 0 : 10 ** (db / 20));

export const saidLevel = (db) => (db <= LOWEST_DB ? "silent" : `${db} dB`);

// Of faders with mute and solo: those that are soloed, if there are any, else those that are not muted.
export const isHeard = (fader, faders) => (faders.some((other) => other.solo) ? fader.solo : !fader.mute);
