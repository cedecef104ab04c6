// What the reader has chosen to see. It stands in the address, so that Back, a reload and a copied link bring it back.
"use strict";
const viewOf = (defaults) => {
  const state = { ...defaults };
  // what is no part of a shared view, but should survive Back: kept with the entry of the history
  const kept = { shown: 0, picked: [] };
  let typing = false;
  const isView = (hash) => hash.includes("=");
  const read = (text) => {
    Object.assign(state, defaults);
    const given = new URLSearchParams(text);
    for (const key of Object.keys(defaults)) if (given.has(key)) state[key] = given.get(key);
    return given;
  };
  const asText = () => String(new URLSearchParams(Object.entries(state).filter(([key, value]) => value !== defaults[key])));
  const save = (how) => {
    const text = asText();
    const address = text ? `#${text}` : isView(location.hash) ? "#leaderboard" : location.hash;
    try { history[how]({ ...kept, view: text }, "", address || null); } catch { /* some browsers refuse this for files */ }
  };
  return {
    state,
    kept,
    isView,
    read,
    asText,
    isDefault: () => !asText(),
    // letters typed one after the other are one step of the history
    write: ({ typed = false } = {}) => {
      save(typed && typing ? "replaceState" : "pushState");
      typing = typed;
    },
    keep: () => save("replaceState"),
    // Takes over what the present entry of the history shows. One without a view, which a link to a section
    // has made, goes on with the view that there is.
    restore: () => {
      typing = false;
      const { shown = 0, picked = [], view } = history.state ?? {};
      if (view === undefined && !isView(location.hash)) {
        try { history.replaceState({ ...kept, view: asText() }, ""); } catch { /* as above */ }
        return;
      }
      read(view ?? location.hash.slice(1));
      Object.assign(kept, { shown, picked });
    },
  };
};
