// Sessions as lines across axes. The table beside them says the same, and holds the choice: from
// and to of each column, typed there or drawn with the mouse on an axis.

const SPACE = "http://www.w3.org/2000/svg";
const HEIGHT = 318;
const TOP = 46;
const BOTTOM = 20;
const SIDE = 72;
const AXIS_MIN = 110;
const LOG_FROM = 100;
const SNAP = 6;

const root = document.querySelector("[data-parallel]");
const box = root?.querySelector("[data-lines]");
const table = root?.querySelector("table");
const which = root?.querySelector("select");
const bounds = new Map(); // of each axis that is narrowed: [from, to]
let told = { sessions: [], axes: [] };

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
    low: 0, high: words.length - 1, isLog: false, ticks: words, words,
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
    const axis = told.axes.find((one) => one.name === name);
    const value = column(axis).numbers[at];
    return value !== null && value >= from && value <= to;
  });
}

// ---------------------------------------------------------------------------------------- picture

function draw() {
  const axes = told.axes;
  const width = Math.max(box.clientWidth, axes.length * AXIS_MIN);
  const svg = make("svg", { width, height: HEIGHT, role: "img", "aria-label": root.dataset.says });
  const x = (at) => SIDE + (axes.length < 2 ? 0 : (at * (width - 2 * SIDE)) / (axes.length - 1));
  const columns = axes.map(column);
  const scales = columns.map(scale);
  told.sessions.forEach((_, at) => {
    const points = columns.map(({ numbers }, i) => (numbers[at] === null ? null : [x(i), scales[i].y(numbers[at])]));
    line(svg, points, at);
  });
  axes.forEach((axis, i) => drawAxis(svg, axis, columns[i], scales[i], x(i)));
  box.replaceChildren(svg);
  [...table.tBodies[0].rows].forEach((row, at) => row.classList.toggle("left-out", !isChosen(at)));
}

// A line breaks where a session has nothing.
function line(svg, points, at) {
  let path = "";
  points.forEach((point, i) => {
    if (point) path += `${i && points[i - 1] ? "L" : "M"}${point.map((one) => one.toFixed(1))}`;
  });
  const classes = `line c${at % 10}${isChosen(at) ? "" : " left-out"}`;
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
  draw();
}

function light(at) {
  for (const one of box.querySelectorAll(".line")) one.classList.toggle("lit", one.dataset.at === String(at));
  [...table.tBodies[0].rows].forEach((row, i) => row.classList.toggle("lit", i === at));
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
    draw();
  });
  return input;
}

function write() {
  const [titles, limits] = table.tHead.rows;
  for (const row of [titles, limits]) while (row.cells.length > 1) row.lastElementChild.remove();
  table.tBodies[0].replaceChildren();
  for (const axis of told.axes) {
    cell(titles, "th", axis.name);
    const isNumber = axis.numbers.given ?? axis.numbers[which.value];
    cell(limits, "td", ...(isNumber ? [limit(axis, "from"), " ", limit(axis, "to")] : []));
  }
  told.sessions.forEach((name, at) => {
    const row = table.tBodies[0].insertRow();
    const link = document.createElement("a");
    link.href = `/sessions/${name}`;
    link.textContent = name;
    const dot = document.createElement("i");
    dot.className = `dot c${at % 10}`;
    cell(row, "th", dot, link);
    for (const axis of told.axes) {
      const numbers = axis.numbers[which.value];
      cell(row, "td", axis.kind === "metric" ? short(numbers[at]) : axis.texts[at]);
    }
    for (const event of ["pointerenter", "focusin"]) row.addEventListener(event, () => light(at));
    for (const event of ["pointerleave", "focusout"]) row.addEventListener(event, () => light(-1));
  });
}

async function begin() {
  const reply = await fetch(`/compare/axes${location.search}`);
  if (!reply.ok) return;
  told = await reply.json();
  if (told.axes.length < 2) return;
  root.hidden = false;
  write();
  draw();
  new ResizeObserver(draw).observe(box);
}

which?.addEventListener("change", () => {
  bounds.clear();
  write();
  draw();
});
if (root) begin();
