// Runs before anything is drawn, so that a chosen look does not flash in late.
(() => {
  const root = document.documentElement;
  let chosen = null;
  try { chosen = localStorage.getItem("daydream-theme"); } catch { /* storage is off: the system's look it is */ }
  if (chosen === "light" || chosen === "dark") root.dataset.theme = chosen;
  root.classList.add("js");
  if (window.top !== window) root.classList.add("framed");
  document.addEventListener("click", (event) => {
    if (!(event.target instanceof Element) || !event.target.closest("[data-theme-toggle]")) return;
    const dark = getComputedStyle(root).colorScheme === "dark" ||
      (!root.dataset.theme && matchMedia("(prefers-color-scheme: dark)").matches);
    root.dataset.theme = dark ? "light" : "dark";
    try { localStorage.setItem("daydream-theme", root.dataset.theme); } catch { /* not kept, then */ }
  });
})();
