// Sessions side by side: their curves on one axis. Of many, the first that are chosen across the
// axes have a colour each; or all that are chosen are drawn, alike.

import { Charts } from "./charts.js";

const root = document.querySelector("[data-compare]");
const which = document.querySelector("[data-lines-of]");
const most = Number(root?.dataset.most ?? 0);
const PAUSE_MS = 150;

let lines = root?.dataset.of.split(" ") ?? [];
let everything; // the curves of all, in few points each: asked for once

async function ask(query, from, to) {
  if (from !== undefined) query.set("from", from);
  if (to !== undefined) query.set("to", to);
  const reply = await fetch(`/compare/series?${query}`);
  return reply.ok ? (await reply.json()).series : [];
}

async function fetchRows(from, to) {
  if (!most) return ask(new URLSearchParams(location.search), from, to);
  if (which.value !== "all") return ask(new URLSearchParams(lines.map((name) => ["s", name])), from, to);
  const all = () => ask(new URLSearchParams(location.search), from, to);
  const found = await (from === undefined ? (everything ??= all()) : all());
  const wanted = new Set(lines);
  return found.filter((row) => wanted.has(row.of));
}

const charts = root && new Charts(root, fetchRows, lines);
let due = 0;
let asked = 0;

// The last choice counts, whichever answer comes first.
async function show(chosen) {
  const mine = ++asked;
  lines = which.value === "all" ? chosen : chosen.slice(0, most);
  const rows = lines.length ? await fetchRows() : [];
  if (mine !== asked) return;
  charts.order = lines;
  charts.areAlike = which.value === "all";
  charts.each((chart) => chart.unzoom());
  charts.set(rows);
}

if (root && !most) charts.load();
if (most) {
  let chosen = lines;
  which.value = new URLSearchParams(location.search).get("lines") ?? "";
  if (which.selectedIndex < 0) which.value = "";
  const soon = () => {
    clearTimeout(due);
    due = setTimeout(() => show(chosen), PAUSE_MS);
  };
  document.addEventListener("chosen", (event) => {
    chosen = event.detail;
    soon();
  });
  which.addEventListener("change", () => {
    const here = new URL(location.href);
    here.searchParams.set("lines", which.value);
    history.replaceState(null, "", here);
    soon();
  });
  soon();
}
