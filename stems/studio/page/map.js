// The embeddings of a song in a plane: dots are loud cells, diamonds where clusters start, discs where they rest.
import { byId } from "./element.js";

const drawing = (kind, values = {}, ...children) => {
  const made = document.createElementNS("http://www.w3.org/2000/svg", kind);
  for (const [name, value] of Object.entries(values))
    if (name === "colour") made.style.setProperty("--colour", value);
    else made.setAttribute(name, value);
  made.append(...children);
  return made;
};

export function drawMap(map, stems) {
  const { reach } = map, parts = [];
  stems.forEach(({ colour }, index) => {
    const path = map.dots.filter((_, dot) => map.owners[dot] === index).map(([x, y]) => `M${x},${-y}h0`).join("");
    parts.push(drawing("path", { class: "cells", d: path, colour }));
  });
  stems.forEach(({ name, colour }, index) => {
    const [[x, y], [u, v]] = [map.centroids[index], map.anchors[index]];
    parts.push(drawing("g", { colour }, drawing("title", {}, name),
      drawing("path", { class: "pull", d: `M${u},${-v}L${x},${-y}` }),
      drawing("path", { class: "anchor", d: `M${u},${-v - 0.032}l.032,.032l-.032,.032l-.032,-.032Z` }),
      drawing("circle", { class: "centroid", cx: x, cy: -y, r: 0.03 })));
  });
  const label = `The embeddings of the song, in the colours of ${stems.map(({ name }) => name).join(", ")}`;
  byId("map").replaceChildren(drawing("svg", { viewBox: `${-reach} ${-reach} ${2 * reach} ${2 * reach}`, role: "img", "aria-label": label }, ...parts));
}
