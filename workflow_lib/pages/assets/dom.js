// Elements made from names, attributes and texts; a text is only ever a text node.
"use strict";
const byId = (id) => document.getElementById(id);
const element = (tag, attributes = {}, ...children) => {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined && value !== false) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return made;
};
const drawn = (tag, attributes) => {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
};
// A redraw replaces the element that has the focus: the one with the same data-focus gets it back.
const keepingFocus = (draw) => {
  const key = document.activeElement?.dataset?.focus;
  draw();
  if (key === undefined || document.activeElement?.dataset?.focus === key) return;
  document.querySelector(`[data-focus="${CSS.escape(key)}"]`)?.focus({ preventScroll: true });
};
const isTyping = (target) => target instanceof Element && Boolean(target.closest("input:not([type=checkbox]), select, textarea"));
const hasModifier = (event) => event.ctrlKey || event.metaKey || event.altKey;
const usd = (value) => {
  if (value === null) return "unknown";
  const decimals = value === 0 || value >= 0.1 ? 2 : Math.min(6, 2 - Math.floor(Math.log10(value)));
  const [whole, cents] = fixed(value, decimals).split(".");
  return `$${whole}.${cents.replace(/0+$/, "").padEnd(2, "0")}`;
};
