// What is written of a song, and where.
import { api } from "./api.js";
import { byId, element } from "./element.js";

export class Exporting {
  constructor(mixing) {
    this.mixing = mixing;
    byId("export").addEventListener("click", () => this.show());
    byId("export-close").addEventListener("click", () => {
      if (this.busy) api.cancel(this.song.id);
      else byId("export-dialog").close();
    });
    byId("export-preset").addEventListener("change", () => this.explain());
    byId("export-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.write();
    });
  }

  open(song) {
    this.song = song;
    const { tempo_bpm: told, estimate } = song;
    byId("export-tempo").value = told ?? estimate.tempo_bpm ?? "";
    byId("export-tempo-about").textContent = told ? "bpm, as the song's file says" : estimate.tempo_bpm ? "bpm, estimated" : "bpm";
  }

  async show() {
    if (!this.song) return;
    this.choices ??= await api.choices();
    if (!byId("export-preset").children.length) {
      byId("export-preset").append(...this.choices.presets.map(({ name }) => element("option", { value: name }, name === "mix" ? "mix of the faders" : name)));
      byId("export-preset").value = "stems";
      byId("export-daw").append(...this.choices.daw.map(({ name, opened_by: by }) => element("label", {}, element("input", { type: "checkbox", value: name }), ` ${name} (${by})`)));
      byId("export-out").textContent = this.choices.out;
    }
    this.say("");
    this.explain();
    byId("export-dialog").showModal();
  }

  explain() {
    const chosen = this.choices.presets.find(({ name }) => name === byId("export-preset").value);
    byId("export-about").textContent = chosen?.about ?? "";
    byId("export-daw").disabled = chosen?.name === "mix";
  }

  say(text, failed = false) {
    byId("export-message").textContent = text;
    byId("export-message").classList.toggle("failed", failed);
  }

  told(songs) {
    const share = songs.find((song) => song.id === this.song?.id)?.exporting;
    if (share !== null && share !== undefined) byId("export-progress").value = share;
  }

  async write() {
    const daw = byId("export-daw").disabled ? [] : [...byId("export-daw").querySelectorAll(":checked")].map((box) => box.value);
    const tempo = byId("export-tempo").valueAsNumber;
    const order = {
      tempo_bpm: Number.isNaN(tempo) ? null : tempo,
      preset: byId("export-preset").value, format: byId("export-format").value, bit_depth: byId("export-depth").value, daw,
      faders: this.mixing.faders, master: { db: this.mixing.master },
    };
    this.busy = true;
    this.say("");
    byId("export-go").disabled = true;
    byId("export-progress").value = 0;
    byId("export-progress").hidden = false;
    byId("export-close").textContent = "Cancel";
    try {
      const { written, note } = await api.export(this.song.id, order);
      this.say(["Written:", ...written, ...(note ? [note] : [])].join("\n"));
    } catch (error) {
      this.say(error.message, true);
    } finally {
      this.busy = false;
      byId("export-go").disabled = false;
      byId("export-progress").hidden = true;
      byId("export-close").textContent = "Close";
    }
  }
}
