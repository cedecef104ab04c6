// Two texts marked for comparison.
"use strict";
const trayOf = (view, onChange) => {
  const { docs } = cohort;
  const picked = () => view.kept.picked;
  const draw = () => {
    byId("tray").hidden = !picked().length;
    byId("tray-text").textContent = picked().length === 1 ? "One text marked. Mark another to compare." : "Two texts marked.";
    const link = byId("tray-link");
    link.hidden = picked().length < 2;
    if (picked().length === 2) {
      const [a, b] = picked().map((number) => docs.gen_id[number]);
      link.href = `compare.html#${new URLSearchParams({ a, b, ...(view.isDefault() ? {} : { view: view.asText() }) })}`;
    }
    for (const box of document.querySelectorAll("[data-pick]")) box.checked = picked().includes(Number(box.dataset.pick));
  };
  const change = (numbers) => {
    view.kept.picked = numbers;
    view.keep();
    draw();
    onChange?.();
  };
  byId("tray-clear").addEventListener("click", () => change([]));
  document.addEventListener("change", (event) => {
    if (event.target.dataset.pick) toggle(Number(event.target.dataset.pick));
  });
  const toggle = (number) =>
    change(picked().includes(number) ? picked().filter((one) => one !== number) : [...picked(), number].slice(-2));
  return { draw, toggle, has: (number) => picked().includes(number) };
};
