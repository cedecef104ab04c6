// Reading: which texts are shown, and turning pages with the keyboard.
(() => {
  const texts = document.getElementById("texts");
  const buttons = [...document.querySelectorAll("[data-view]")];
  const show = (view) => {
    texts.dataset.shown = view;
    for (const button of buttons) button.setAttribute("aria-pressed", String(button.dataset.view === view));
  };
  if (buttons.length) {
    for (const button of buttons) button.addEventListener("click", () => show(button.dataset.view));
    show("both");
  }
  const follow = (selector) => document.querySelector(selector)?.click();
  const keys = {
    ArrowLeft: () => follow('[rel="prev"]'),
    ArrowRight: () => follow('[rel="next"]'),
    u: () => follow(".kicker a"),
    e: () => buttons.length && show("essay"),
    b: () => buttons.length && show("both"),
    d: () => buttons.length && show("draft"),
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return;
    if (event.target instanceof Element && event.target.closest("input, select, textarea, pre")) return;
    if (Object.hasOwn(keys, event.key)) keys[event.key]();
  });
})();
