// A session's page: its log and its curves as they come, and its past.

import { Charts } from "./charts.js";

const $ = (selector, root = document) => root.querySelector(selector);
const LINES_MAX = 5000;
const AGAIN_MS = 2000;
const HIDDEN_MS = 15000;

const root = $("[data-session]");
const here = root.dataset.session;
const at = root.dataset.at;
const charts = new Charts($("[data-charts]"), fetchRows);
const link = $("[data-link]");

async function fetchRows(from, to) {
  const query = new URLSearchParams(at ? { at } : {});
  if (from !== undefined) query.set("from", from);
  if (to !== undefined) query.set("to", to);
  const reply = await fetch(`${here}/series?${query}`);
  return reply.ok ? (await reply.json()).series : [];
}

// ------------------------------------------------------------------------------------------- log

const lines = $("[data-log]");
const filter = $("[data-log-filter]");

function put(rows) {
  const isAtEnd = filter.follow.checked;
  const fragment = document.createDocumentFragment();
  for (const [time, source, rank, text] of rows) {
    const line = document.createElement("div");
    line.className = source;
    line.title = new Date(time / 1000).toLocaleString();
    if (rank) {
      know(rank);
      const mark = document.createElement("b");
      mark.textContent = `${rank} `;
      line.append(mark);
    }
    line.append(text || " ");
    fragment.append(line);
  }
  lines.append(fragment);
  while (lines.childElementCount > LINES_MAX) lines.firstElementChild.remove();
  if (isAtEnd) lines.scrollTop = lines.scrollHeight;
}

// Processes of one node may have ranks of their own: they can be chosen once they have spoken.
const known = new Set();

function know(rank) {
  const choice = filter.rank;
  if (known.has(rank) || choice.type !== "select-one") return;
  known.add(rank);
  choice.hidden = false;
  const options = [...choice.options];
  if (options.some((one) => one.value === String(rank))) return;
  const option = new Option(choice.dataset.rank.replace("#", rank), rank);
  choice.add(option, options.find((one) => Number(one.value) > rank) ?? null);
}

lines.addEventListener("wheel", (event) => {
  if (event.deltaY < 0) filter.follow.checked = false;
}, { passive: true });

let typed = 0;
filter.addEventListener("input", (event) => {
  if (event.target.name === "follow") {
    if (filter.follow.checked) lines.scrollTop = lines.scrollHeight;
    return;
  }
  clearTimeout(typed);
  typed = setTimeout(anew, 400);
});
filter.addEventListener("submit", (event) => {
  event.preventDefault();
  anew();
});

function anew() {
  mark = "";
  isOver = false;
  lines.replaceChildren();
  open();
}

// ------------------------------------------------------------------------------------------ live

let source = null;
let mark = "";
let isOver = false;
let again = 0;

function open() {
  close();
  const query = new URLSearchParams({
    after: mark, grep: filter.grep.value, rank: filter.rank.value, at,
  });
  source = new EventSource(`${here}/live?${query}`);
  source.addEventListener("open", () => say("on"));
  source.addEventListener("log", (event) => {
    mark = event.lastEventId;
    put(JSON.parse(event.data));
  });
  source.addEventListener("points", (event) => {
    const told = JSON.parse(event.data);
    if (told.anew) charts.set(told.series);
    else charts.add(told.series);
  });
  source.addEventListener("state", (event) => {
    for (const [id, html] of Object.entries(JSON.parse(event.data))) replace($(`#${id}`), html);
  });
  source.addEventListener("refused", (event) => {
    put([[Date.now() * 1000, "platform", 0, JSON.parse(event.data).sentence]]);
  });
  source.addEventListener("end", () => {
    isOver = true;
    close();
    say("done");
  });
  source.addEventListener("error", () => {
    say("off");
    // A service on its way up answers what browsers take for an end.
    if (source?.readyState === EventSource.CLOSED) again = setTimeout(open, AGAIN_MS);
  });
}

function close() {
  clearTimeout(again);
  source?.close();
  source = null;
}

function say(how) {
  link.className = `link ${how}`;
  link.textContent = link.dataset[how];
}

// Parts of the page come as the server has rendered them; what was unfolded stays so.
function replace(element, html) {
  if (!element || element.dataset.html === html) return;
  const isOpen = [...element.querySelectorAll("details")].map((one) => one.open);
  element.innerHTML = html;
  element.dataset.html = html;
  element.querySelectorAll("details").forEach((one, i) => { one.open = isOpen[i] ?? false; });
}

// Browsers keep few connections to one server: a page that nobody sees gives its own back.
let hidden = 0;
document.addEventListener("visibilitychange", () => {
  clearTimeout(hidden);
  if (isOver) return;
  if (document.hidden) hidden = setTimeout(close, HIDDEN_MS);
  else if (!source) open();
});
addEventListener("pagehide", close);
addEventListener("pageshow", (event) => {
  if (event.persisted && !isOver) open();
});

// ------------------------------------------------------------------------------------------ past

const slider = $("[data-slider]");
const events = [...document.querySelectorAll("[data-events] li")];

function chosen() {
  return events[Number(slider.value)];
}

slider?.addEventListener("input", () => {
  const event = chosen();
  const time = new Date(event.dataset.time).toLocaleString();
  $("output", slider.form).textContent = `${event.textContent}, ${time}`;
  slider.setAttribute("aria-valuetext", event.textContent);
});
slider?.addEventListener("change", () => {
  location.href = `${here}?at=${chosen().dataset.sequence}`;
});

if (at) charts.load();
open();
