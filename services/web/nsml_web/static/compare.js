// Sessions side by side: their curves on one axis.

import { Charts } from "./charts.js";

const root = document.querySelector("[data-compare]");

async function fetchRows(from, to) {
  const query = new URLSearchParams(location.search);
  if (from !== undefined) query.set("from", from);
  if (to !== undefined) query.set("to", to);
  const reply = await fetch(`/compare/series?${query}`);
  return reply.ok ? (await reply.json()).series : [];
}

const names = [...document.querySelectorAll("[data-of]")].map((one) => one.dataset.of);
if (root) new Charts(root, fetchRows, names).load();
