// The bar of filters: a selector per factor, and a chip per choice that takes it back.
"use strict";
const filtersOf = ({ view, apply }) => {
  const { FACTORS, levelName, levels } = cohort;
  const { state } = view;
  const panel = byId("filters"), toggle = byId("filters-toggle"), chips = byId("chips"), search = byId("search");
  const fill = (select, options) => select.replaceChildren(...options.map(([key, name]) => new Option(name, key)));
  for (const [factor, name] of Object.entries(FACTORS)) {
    if (levels[factor].length < 2) continue;
    const select = element("select", { id: `filter-${factor}` });
    fill(select, [["", "all"], ...levels[factor].map((level, at) => [level, levelName(factor, at)])]);
    select.addEventListener("change", () => apply({ [factor]: select.value }));
    panel.append(element("label", { class: "select" }, element("span", {}, name), select));
  }
  const open = (isOpen) => {
    panel.hidden = !isOpen;
    toggle.setAttribute("aria-expanded", String(isOpen));
  };
  open(matchMedia("(min-width: 75rem) and (min-height: 45rem)").matches);
  toggle.addEventListener("click", () => open(panel.hidden));

  let waiting = 0;
  search.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => apply({ q: search.value }, { typed: true }), 120);
  });
  // what was typed last must not come back after it was cleared
  const clear = (changes) => {
    clearTimeout(waiting);
    const places = [...chips.querySelectorAll("button")];
    const at = places.indexOf(document.activeElement);
    apply(changes);
    const left = [...chips.querySelectorAll("button")];
    if (at >= 0) (left[Math.min(at, left.length - 1)] ?? search).focus({ preventScroll: true });
  };
  const chip = (name, value, changes, key) =>
    element("button", { type: "button", class: "chip removable", "data-chip": key, onclick: () => clear(changes) },
      element("span", { class: "away" }, "Remove the filter "), `${name}: `, element("b", {}, value), element("span", { "aria-hidden": "true" }, " ×"));
  const draw = () => {
    const set = Object.keys(FACTORS).filter((factor) => state[factor]);
    for (const factor of Object.keys(FACTORS)) {
      const select = byId(`filter-${factor}`);
      if (!select) continue;
      select.value = state[factor];
      select.classList.toggle("set", Boolean(state[factor]));
    }
    const made = set.map((factor) => chip(FACTORS[factor], levelName(factor, levels[factor].indexOf(state[factor])), { [factor]: "" }, factor));
    if (state.q) made.unshift(chip("Search", state.q, { q: "" }, "q"));
    if (made.length > 1) {
      const none = Object.fromEntries([["q", ""], ...set.map((factor) => [factor, ""])]);
      made.push(element("button", { type: "button", class: "quiet", id: "reset", onclick: () => clear(none) }, "Clear all"));
    }
    chips.replaceChildren(...made);
    chips.hidden = !made.length;
    toggle.textContent = set.length ? `Filters (${set.length})` : "Filters";
    if (document.activeElement !== search || search.value.trim() === "") search.value = state.q;
  };
  // what links lead to must not hide below the bar
  const measure = () => document.documentElement.style.setProperty("--bar", `${byId("tools").offsetHeight}px`);
  new ResizeObserver(measure).observe(byId("tools"));
  return { draw, fill, measure };
};
