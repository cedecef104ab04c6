// A number with so many decimals as the tables have it: an exact tie goes to the even digit.
const fixed = (value, decimals) => {
  const scaled = value * 10 ** decimals;
  const isTie = Number.isInteger(value * 2 ** (decimals + 1)) && Math.abs(scaled % 1) === 0.5;
  return (isTie ? 2 * Math.round(scaled / 2) / 10 ** decimals : value).toFixed(decimals);
};

// Runs before anything is drawn, so that a chosen look does not flash in late.
(() => {
  const root = document.documentElement;
  let chosen = null;
  try { chosen = localStorage.getItem("daydream-theme"); } catch { /* storage is off: the system's look it is */ }
  if (chosen === "light" || chosen === "dark") root.dataset.theme = chosen;
  root.classList.add("js");
  // the files of the store are beside the pages only as long as nobody has taken the pages elsewhere
  const isBesideStore = /\/(cohorts\/[^/]+\/reports|7_cross_experiment)\/html\/([^/]+\/)?[^/]*$/.test(location.pathname);
  document.addEventListener("DOMContentLoaded", () => {
    for (const link of isBesideStore ? document.querySelectorAll("a[data-stored]:not(.way-up[hidden] *)") : []) link.href = link.dataset.stored;
  });
  document.addEventListener("click", (event) => {
    if (!(event.target instanceof Element) || !event.target.closest("[data-theme-toggle]")) return;
    const dark = getComputedStyle(root).colorScheme === "dark" ||
      (!root.dataset.theme && matchMedia("(prefers-color-scheme: dark)").matches);
    root.dataset.theme = dark ? "light" : "dark";
    try { localStorage.setItem("daydream-theme", root.dataset.theme); } catch { /* not kept, then */ }
  });
})();
