// Sessions as lines across axes. The table beside them says the same, and holds the choice: from
// and to of each column, typed there or drawn with the mouse on an axis. Of many sessions the table
// has those that are chosen, in pages; the first of them have colours, here and on the charts.

const SPACE = "http://www.w3.org/2000/svg";
const HEIGHT = 318;
const TOP = 46;
const BOTTOM = 20;
const SIDE = 72;
const AXIS_MIN = 110;
const LOG_FROM = 100;
const SNAP = 6;
const WORDS_MOST = 16;
const PAGE = 50;

const root = document.querySelector("[data-parallel]");
const box = root?.querySelector("[data-lines]");
const table = root?.querySelector("table");
const which = root?.querySelector("[data-which]");
const order = root?.querySelector("[data-order]");
const pages = root?.querySelector("[data-pages]");
const most = Number(document.querySelector("[data-compare]")?.dataset.most ?? 0); // 0: not many
const bounds = new Map(); // of each axis that is narrowed: [from, to]
let told = { sessions: [], axes: [] };
let columns = [];
let page = 0;

function make(name, attributes, parent, text) {
  const element = document.createElementNS(SPACE, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text !== undefined) element.textContent = text;
  parent?.append(element);
  return element;
}

function short(value) {
  if (value === null || value === undefined) return "";
  return String(Number.isInteger(value) ? value : Number(value.toPrecision(6)));
}

// What an axis has of each session: numbers, or positions among the words that occur.
function column(axis) {
  const numbers = axis.numbers.given ?? axis.numbers[which.value];
  if (numbers) {
    const there = numbers.filter((value) => value !== null);
    const [low, high] = [Math.min(...there), Math.max(...there)];
    const isLog = low > 0 && high / low >= LOG_FROM;
    return { numbers, low, high, isLog, ticks: there.length ? [low, high].map(short) : [] };
  }
  const words = [...new Set(axis.texts)].sort();
  return {
    numbers: axis.texts.map((text) => words.indexOf(text)),
    low: 0, high: words.length - 1, isLog: false, words,
    ticks: words.map((word, i) => (words.length <= WORDS_MOST || !i || i === words.length - 1 ? word : "")),
  };
}

function scale({ low, high, isLog }) {
  const bend = isLog ? Math.log : (value) => value;
  const span = bend(high) - bend(low);
  const part = (value) => (span ? (bend(value) - bend(low)) / span : 0.5);
  const length = HEIGHT - TOP - BOTTOM;
  return {
    y: (value) => HEIGHT - BOTTOM - part(value) * length,
    value: (y) => {
      const near = Math.round((HEIGHT - BOTTOM - y) / SNAP) * SNAP; // the ends can be reached
      const at = Math.min(Math.max(near / length, 0), 1);
      const bent = bend(low) + at * span;
      return isLog ? Math.exp(bent) : bent;
    },
  };
}

function isChosen(at) {
  return [...bounds].every(([name, [from, to]]) => {
    const value = columns[told.axes.findIndex((one) => one.name === name)].numbers[at];
    return value !== null && value >= from && value <= to;
  });
}

// All sessions, by the order that is asked for; what has no value comes last.
function ordered() {
  const found = told.sessions.map((_, at) => at);
  const [direction, name] = split(order?.value ?? "");
  const at = told.axes.findIndex((one) => one.name === name);
  if (at < 0) return found;
  const sign = direction === "least" ? 1 : -1;
  const numbers = columns[at].numbers.map((value) => (value === null ? Infinity : sign * value));
  return found.sort((one, other) => (numbers[one] === numbers[other] ? one - other : numbers[one] - numbers[other]));
}

function split(text) {
  const at = text.indexOf(":");
  return [text.slice(0, at), text.slice(at + 1)];
}

// Which of the ten colours a session has: of many, the first that are chosen.
function colours() {
  const first = most ? ordered().filter(isChosen).slice(0, most) : told.sessions.map((_, at) => at);
  return new Map(first.map((at, i) => [at, i % 10]));
}

// ---------------------------------------------------------------------------------------- picture

function draw() {
  const axes = told.axes;
  const width = Math.max(box.clientWidth, axes.length * AXIS_MIN);
  const svg = make("svg", { width, height: HEIGHT, role: "img", "aria-label": root.dataset.says });
  const x = (at) => SIDE + (axes.length < 2 ? 0 : (at * (width - 2 * SIDE)) / (axes.length - 1));
  const coloured = colours();
  const scales = columns.map(scale);
  const plainFirst = told.sessions.map((_, at) => at).sort((one, other) => coloured.has(one) - coloured.has(other));
  plainFirst.forEach((at) => {
    const points = columns.map(({ numbers }, i) => (numbers[at] === null ? null : [x(i), scales[i].y(numbers[at])]));
    line(svg, points, at, coloured.get(at));
  });
  axes.forEach((axis, i) => drawAxis(svg, axis, columns[i], scales[i], x(i)));
  box.replaceChildren(svg);
  if (most) writeRows(coloured);
  for (const row of table.tBodies[0].rows) row.classList.toggle("left-out", !isChosen(Number(row.dataset.at)));
  const chosen = ordered().filter(isChosen).map((at) => told.sessions[at]);
  document.dispatchEvent(new CustomEvent("chosen", { detail: chosen }));
}

// A line breaks where a session has nothing.
function line(svg, points, at, colour) {
  let path = "";
  points.forEach((point, i) => {
    if (point) path += `${i && points[i - 1] ? "L" : "M"}${point.map((one) => one.toFixed(1))}`;
  });
  const classes = `line ${colour === undefined ? "plain" : `c${colour}`}${isChosen(at) ? "" : " left-out"}`;
  const drawn = make("path", { d: path, class: classes, "data-at": at }, svg);
  make("title", {}, drawn, told.sessions[at]);
  drawn.addEventListener("pointerenter", () => light(at));
  drawn.addEventListener("pointerleave", () => light(-1));
}

function drawAxis(svg, axis, { ticks, isLog, words }, { y, value }, x) {
  const group = make("g", { class: "axis" }, svg);
  make("line", { x1: x, x2: x, y1: TOP, y2: HEIGHT - BOTTOM }, group);
  const name = axis.name + (isLog ? " (log)" : "");
  const title = make("text", { x, y: 16, "text-anchor": "middle", class: "name" }, group, cut(name));
  make("title", {}, title, name);
  const places = words ? words.map((_, i) => y(i)) : [HEIGHT - BOTTOM, TOP];
  ticks.forEach((tick, i) => make("text", { x: x + 6, y: places[i] - 5 }, group, cut(tick)));
  const narrowed = bounds.get(axis.name);
  if (narrowed) {
    const [from, to] = narrowed.map((one) => Math.min(Math.max(y(one), TOP), HEIGHT - BOTTOM));
    make("rect", { x: x - 6, width: 12, y: Math.min(from, to), height: Math.max(Math.abs(from - to), 2), class: "narrowed" }, group);
  }
  const handle = make("rect", { x: x - 12, width: 24, y: TOP, height: HEIGHT - TOP - BOTTOM, class: "handle" }, group);
  handle.addEventListener("pointerdown", (event) => narrow(event, axis.name, value));
}

function cut(text) {
  return text.length > 18 ? `${text.slice(0, 17)}…` : text;
}

// Drawing along an axis chooses a stretch of it; a click lets go of it.
function narrow(event, name, value) {
  const top = box.firstElementChild.getBoundingClientRect().top;
  const from = value(event.clientY - top);
  const move = (moved) => set(name, [from, value(moved.clientY - top)].sort((a, b) => a - b));
  const up = (moved) => {
    removeEventListener("pointermove", move);
    if (Math.abs(moved.clientY - event.clientY) < 3) set(name, null);
  };
  addEventListener("pointermove", move);
  addEventListener("pointerup", up, { once: true });
}

function set(name, range) {
  if (range) bounds.set(name, range);
  else bounds.delete(name);
  for (const input of table.querySelectorAll("input")) {
    if (input.dataset.axis !== name) continue;
    input.value = range ? short(range[input.name === "to" ? 1 : 0]) : "";
  }
  page = 0;
  draw();
}

function light(at) {
  for (const one of box.querySelectorAll(".line")) one.classList.toggle("lit", one.dataset.at === String(at));
  for (const row of table.tBodies[0].rows) row.classList.toggle("lit", row.dataset.at === String(at));
}

// ------------------------------------------------------------------------------------------ table

function cell(row, kind, ...content) {
  const element = document.createElement(kind);
  if (kind === "th") element.scope = row.parentElement.tagName === "THEAD" ? "col" : "row";
  element.append(...content);
  row.append(element);
  return element;
}

function limit(axis, name) {
  const input = document.createElement("input");
  Object.assign(input, { type: "number", step: "any", name, placeholder: root.dataset[name] });
  input.dataset.axis = axis.name;
  input.setAttribute("aria-label", `${axis.name}: ${root.dataset[name]}`);
  input.addEventListener("input", () => {
    const [from, to] = ["from", "to"].map((each) => table.querySelector(`input[name=${each}][data-axis="${CSS.escape(axis.name)}"]`).value);
    if (!from && !to) bounds.delete(axis.name);
    else bounds.set(axis.name, [from ? Number(from) : -Infinity, to ? Number(to) : Infinity]);
    page = 0;
    draw();
  });
  return input;
}

function write() {
  columns = told.axes.map(column);
  const [titles, limits] = table.tHead.rows;
  for (const row of [titles, limits]) while (row.cells.length > 1) row.lastElementChild.remove();
  for (const axis of told.axes) {
    cell(titles, "th", axis.name);
    const isNumber = axis.numbers.given ?? axis.numbers[which.value];
    cell(limits, "td", ...(isNumber ? [limit(axis, "from"), " ", limit(axis, "to")] : []));
  }
  if (!most) writeRows(colours());
}

function writeRows(coloured) {
  const all = ordered().filter((at) => !most || isChosen(at));
  const shown = most ? all.slice(page * PAGE, (page + 1) * PAGE) : all;
  table.tBodies[0].replaceChildren();
  for (const at of shown) writeRow(at, coloured.get(at));
  if (!pages) return;
  pages.querySelector("span").textContent = `${all.length && page * PAGE + 1}–${page * PAGE + shown.length} / ${all.length}`;
  const [before, after] = pages.querySelectorAll("button");
  before.disabled = !page;
  after.disabled = (page + 1) * PAGE >= all.length;
}

function writeRow(at, colour) {
  const row = table.tBodies[0].insertRow();
  row.dataset.at = at;
  const link = document.createElement("a");
  link.href = `/sessions/${told.sessions[at]}`;
  link.textContent = told.sessions[at];
  const dot = document.createElement("i");
  dot.className = colour === undefined ? "dot plain" : `dot c${colour}`;
  cell(row, "th", dot, link);
  for (const axis of told.axes) {
    const numbers = axis.numbers[which.value];
    cell(row, "td", axis.kind === "metric" ? short(numbers[at]) : axis.texts[at]);
  }
  for (const event of ["pointerenter", "focusin"]) row.addEventListener(event, () => light(at));
  for (const event of ["pointerleave", "focusout"]) row.addEventListener(event, () => light(-1));
}

function offerOrders() {
  for (const axis of told.axes) {
    if (!axis.numbers.given && !axis.numbers[which.value]) continue;
    for (const direction of ["least", "greatest"]) order.add(new Option(`${axis.name}: ${root.dataset[direction]}`, `${direction}:${axis.name}`));
  }
  order.value = new URLSearchParams(location.search).get("order") ?? "";
  if (order.selectedIndex < 0) order.value = "";
}

async function begin() {
  const reply = await fetch(`/compare/axes${location.search}`);
  if (!reply.ok) return;
  told = await reply.json();
  if (told.axes.length < 2 && !most) return;
  root.hidden = false;
  if (order) offerOrders();
  write();
  draw();
  let width = box.clientWidth;
  new ResizeObserver(() => {
    if (box.clientWidth !== width) draw();
    width = box.clientWidth;
  }).observe(box);
}

which?.addEventListener("change", () => {
  bounds.clear();
  write();
  draw();
});
order?.addEventListener("change", () => {
  const here = new URL(location.href);
  here.searchParams.set("order", order.value);
  history.replaceState(null, "", here);
  page = 0;
  draw();
});
pages?.addEventListener("click", (event) => {
  page += Number(event.target.dataset.turn ?? 0);
  draw();
});
if (root) begin();
