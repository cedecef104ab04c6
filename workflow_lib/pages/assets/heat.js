// The heat map: means per judge and evaluation template, for rows of the reader's choice.
"use strict";
const heatOf = ({ view, selection, apply }) => {
  const { columns, FACTORS, levelName, levels, modelName, show, top } = cohort;
  const { state } = view;
  const ROWS = {
    "essay_template,model": "Essay template × writer",
    "draft_template,essay_template": "Draft × essay template",
    "draft_template,draft_model": "Draft template × draft model",
    "draft_template,essay_template,model": "Draft × essay template × writer",
    model: "Writer",
    combo: "Combo",
  };
  const [usual] = Object.keys(ROWS);
  const table = byId("heat");
  const drawLegend = (lowest, highest) => {
    const steps = element("span", { class: "strip" });
    for (let at = 0; at <= 10; at++) {
      const one = element("i", {});
      one.style.setProperty("--v", String(at / 10));
      steps.append(one);
    }
    byId("legend").replaceChildren(show(lowest), steps, show(highest));
  };
  const drawHead = (keys, used) => {
    const upper = element("tr", {}, element("td", { colspan: String(keys.length) }));
    let last = null;
    for (const column of used) {
      const judge = columns[column][0];
      if (last && last.judge === judge) last.cell.colSpan += 1;
      else {
        last = { judge, cell: element("th", { scope: "colgroup", class: "judge" }, modelName(levels.judge[judge])) };
        last.cell.colSpan = 1;
        upper.append(last.cell);
      }
    }
    const lower = element("tr", {}, keys.map((key) => element("th", { scope: "col", class: "key" }, FACTORS[key])));
    for (const column of used) lower.append(element("th", { scope: "col" }, levels.evaluation_template[columns[column][1]]));
    table.tHead.replaceChildren(upper, lower);
  };
  const cellOf = (stats, value, column, group, keys) => {
    if (stats.mean === null) return element("td", { class: "none", title: "no score" }, "–");
    const [judge, template] = columns[column];
    const tip = `${levels.judge[judge]}, ${levels.evaluation_template[template]}: mean ${show(stats.mean)} of 9 over ${stats.n} scores`;
    const choose = () => apply({
      ...Object.fromEntries(keys.map((key, i) => [key, levels[key][group.levels[i]] ?? ""])),
      judge: levels.judge[judge],
      evaluation_template: levels.evaluation_template[template],
      group: "essay",
    }, { leadTo: "leaderboard" });
    const button = element("button", { type: "button", title: tip, onclick: choose }, show(stats.mean), element("small", {}, String(stats.n)));
    const cell = element("td", { class: value > 0.74 ? "high" : value > 0.42 ? "middle" : "low" }, button);
    cell.style.setProperty("--v", Math.max(0, Math.min(1, value)).toFixed(3));
    return cell;
  };
  const draw = ({ found, allowed }) => {
    const keys = (state.rows || usual).split(",");
    const groups = selection.grouped(found, keys);
    groups.sort((a, b) => keys.map((_, i) => a.levels[i] - b.levels[i]).find((difference) => difference) ?? 0);
    const used = columns.map((_, column) => column).filter((column) => allowed[column]);
    const cells = groups.map((group) => used.map((column) => meanOf(group.perColumn.get(column) ?? [])));
    const means = cells.flat().map((stats) => stats.mean).filter((mean) => mean !== null);
    const lowest = state.full || !means.length ? 0 : Math.floor(Math.min(...means) * 2) / 2;
    const highest = state.full || !means.length ? top : Math.max(Math.ceil(Math.max(...means) * 2) / 2, lowest + 0.5);
    drawLegend(lowest, highest);
    drawHead(keys, used);
    table.tBodies[0].replaceChildren(...groups.map((group, line) => {
      const row = element("tr", {});
      keys.forEach((key, i) => {
        const name = levelName(key, group.levels[i]);
        const repeats = i < keys.length - 1 && line > 0 && keys.slice(0, i + 1).every((_, j) => groups[line - 1].levels[j] === group.levels[j]);
        row.append(element("th", { scope: "row", class: repeats ? "again" : null }, key.endsWith("model") ? modelName(name) : name));
      });
      used.forEach((column, i) => {
        const stats = cells[line][i];
        row.append(cellOf(stats, (stats.mean - lowest) / (highest - lowest), column, group, keys));
      });
      return row;
    }));
  };
  return { draw, ROWS, usual };
};
