// What a session uses over time, and what it has cost; asked for again while it runs and is seen.

import { Charts } from "./charts.js";

const AGAIN_MS = 10000;
const $ = (selector) => document.querySelector(selector);
const session = $("[data-session]");
const part = $("[data-used-part]");
const charts = new Charts($("[data-used]"), async () => (await told()).series);

async function told() {
  const at = session.dataset.at;
  const reply = await fetch(`${session.dataset.session}/usage${at ? `?at=${at}` : ""}`);
  return reply.ok ? reply.json() : { series: [], axis: "", spent: "" };
}

async function look() {
  const isLive = !session.dataset.at && $("#actions form[action$='/stop']");
  if (!document.hidden) show(await told());
  if (isLive) setTimeout(look, AGAIN_MS);
}

function show({ series, axis, spent }) {
  if (!series.length) return;
  part.hidden = false;
  if (charts.axis !== axis) charts.each((chart) => chart.rename());
  charts.axis = axis;
  charts.set(series);
  $("[data-spent-part]").hidden = !spent;
  $("[data-spent]").textContent = spent;
}

look();
