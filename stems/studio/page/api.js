// What the server is asked for. All addresses are below that of the page, which has the token in it.

export class Refused extends Error {}

async function ask(path, options = {}) {
  let response;
  try {
    response = await fetch(path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refused("The studio does not answer: see whether it still runs.");
  }
  if (response.ok) return response;
  const answer = await response.json().catch(() => ({}));
  const refused = new Refused(answer.error ?? "The studio refuses this: open the address that it has printed last.");
  refused.status = response.status;
  throw refused;
}

const send = (method, path, data) => ask(path, { method, body: JSON.stringify(data) });
const json = async (response) => (await response).json();
const song = (id) => `songs/${id}`;
const made = (id, key) => `${song(id)}/separations/${key}`;

export const api = {
  songs: () => json(ask("songs")),
  choices: () => json(ask("choices")),
  describe: (id) => json(ask(song(id))),
  remove: (id) => ask(song(id), { method: "DELETE" }),
  hear: (id) => ask(`${song(id)}/hear`, { method: "POST" }),
  cancel: (id) => ask(`${song(id)}/cancel`, { method: "POST" }),
  wish: (id, hints, sensitivity) => json(send("PUT", `${song(id)}/wishes`, { hints, sensitivity })),
  keepMixer: (id, mixer) => send("PUT", `${song(id)}/mixer`, mixer),
  export: (id, order) => json(send("POST", `${song(id)}/export`, order)),
  map: (id, key) => json(ask(`${made(id, key)}/map`)),
  peaks: async (id, key, first, last, signal) =>
    new Uint8Array(await (await ask(`${made(id, key)}/peaks/${first}-${last}`, { signal })).arrayBuffer()),
  block: async (id, key, number, signal) =>
    new Float32Array(await (await ask(`${made(id, key)}/blocks/${number}`, { signal })).arrayBuffer()),
  picture: async (id, key, begin, end, columns, signal) => {
    const query = new URLSearchParams({ begin: begin.toFixed(4), end: end.toFixed(4), columns });
    return createImageBitmap(await (await ask(`${made(id, key)}/picture?${query}`, { signal })).blob());
  },
  // With what was sent so far, which fetch does not tell.
  add: (file, progress) => new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", `songs?${new URLSearchParams({ name: file.name })}`);
    request.responseType = "json";
    request.upload.onprogress = (event) => progress(event.loaded / (event.total || 1));
    request.onload = () => (request.status === 201
      ? resolve(request.response) : reject(new Refused(request.response?.error ?? `${file.name} was refused.`)));
    request.onerror = () => reject(new Refused(`${file.name} could not be sent.`));
    request.send(file);
  }),
};
