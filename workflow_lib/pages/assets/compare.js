// Two documents of the cohort in frames. Only what the list has can be shown, whatever the address says.
(() => {
  const documents = JSON.parse(document.getElementById("data").textContent);
  const place = new Map(documents.map(([genId], index) => [genId, index]));
  const asked = new URLSearchParams(location.hash.slice(1) || location.search);
  const chosen = {
    a: place.get(asked.get("a")) ?? 0,
    b: place.get(asked.get("b")) ?? -1,
  };
  if (chosen.b < 0) chosen.b = documents.findIndex((_, index) => index !== chosen.a);
  if (chosen.b < 0) chosen.b = 0;
  const show = (side) => {
    const item = documents[chosen[side]];
    if (!item) return;
    // replace(): choosing another text must not fill the history of the browser
    const frame = document.getElementById(`frame-${side}`);
    frame.src = `${item[1]}/${item[0]}.html`;
    document.getElementById(`choose-${side}`).value = String(chosen[side]);
  };
  const remember = () => {
    const ids = new URLSearchParams({ a: documents[chosen.a][0], b: documents[chosen.b][0] });
    try { history.replaceState(null, "", `#${ids}`); } catch { /* some browsers refuse this for files */ }
  };
  for (const side of ["a", "b"]) {
    const select = document.getElementById(`choose-${side}`);
    for (const [index, [genId, , title, mean]] of documents.entries()) {
      const label = `${index + 1}. ${mean === null ? "–" : fixed(mean, 2)}  ${title}  (${genId})`;
      select.append(new Option(label, String(index)));
    }
    select.addEventListener("change", () => {
      chosen[side] = Number(select.value);
      show(side);
      remember();
    });
    show(side);
  }
})();
