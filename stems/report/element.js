// Elements, made without HTML texts: names of songs and stems are never read as such.

export function element(kind, values = {}, ...children) {
  const made = document.createElement(kind);
  for (const [name, value] of Object.entries(values)) {
    if (name === "class") made.className = value;
    else if (name === "colour") made.style.setProperty("--colour", value);
    else if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name in made && typeof value === "boolean") made[name] = value;
    else made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

export const byId = (id) => document.getElementById(id);
