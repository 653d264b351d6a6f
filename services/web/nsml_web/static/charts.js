// Curves, drawn by uPlot: one chart for each quantity, such as the loss of training and of tests.

/* global uPlot */

const HEIGHT = 220;
const POINTS_MAX = 4000;
const PAUSE_MS = 200;
const SPOKEN_MOST = 20;
const NEAR = "300px";
const BETWEEN = " · ";
const DASHES = [[], [6, 4], [2, 3], [10, 4, 2, 4]];

function colour(at) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--c${at % 10}`).trim();
}

function style(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

export class Charts {
  // `fetchRows(from, to)` gets all series, or a part of them in more detail.
  // `axis` is what their x is called.
  constructor(root, fetchRows, order = [], axis = "step") {
    this.root = root;
    this.order = order;
    this.axis = axis;
    this.fetchRows = fetchRows;
    this.areAlike = false; // lines without a name each, of more sessions than there are colours
    this.charts = new Map();
    this.isDue = false;
    document.addEventListener("themechange", () => this.each((chart) => chart.rebuild()));
  }

  each(act) {
    for (const chart of this.charts.values()) act(chart);
  }

  async load() {
    this.set(await this.fetchRows());
  }

  set(rows) {
    this.each((chart) => chart.forget());
    this.add(rows);
  }

  add(rows) {
    for (const row of rows) {
      const name = row.name.slice(row.name.lastIndexOf("/") + 1);
      if (!this.charts.has(name)) this.charts.set(name, new Chart(this, name));
      this.charts.get(name).add(row);
    }
    this.redraw();
  }

  redraw() {
    if (this.isDue) return;
    this.isDue = true;
    setTimeout(() => requestAnimationFrame(() => {
      this.isDue = false;
      this.each((chart) => chart.draw());
      this.root.dataset.drawn = String(performance.now());
      let most = 0;
      this.each((chart) => { most = Math.max(most, chart.longest()); });
      if (most > POINTS_MAX) this.load();
    }), PAUSE_MS);
  }
}

class Chart {
  constructor(charts, name) {
    this.charts = charts;
    this.name = name;
    this.series = new Map();
    this.zoomed = null;
    this.plot = null;
    this.labels = "";
    this.figure = document.createElement("figure");
    this.figure.className = "chart";
    this.caption = document.createElement("figcaption");
    this.caption.textContent = name;
    this.box = document.createElement("div");
    this.figure.append(this.caption, this.box);
    charts.root.append(this.figure);
    this.isSeen = false;
    new IntersectionObserver((seen) => this.look(seen.at(-1).isIntersecting), { rootMargin: NEAR }).observe(this.figure);
    new ResizeObserver(() => {
      if (this.plot) this.plot.setSize({ width: this.box.clientWidth, height: HEIGHT });
    }).observe(this.box);
  }

  // Of many charts those are drawn that are seen, or will be soon.
  look(isSeen) {
    this.isSeen = isSeen;
    if (isSeen && this.isStale) this.draw();
  }

  forget() {
    this.series.clear();
  }

  longest() {
    return Math.max(0, ...[...this.series.values()].map((one) => one[0].length));
  }

  static label(row) {
    return row.of ? row.of + BETWEEN + row.name : row.name;
  }

  add(row) {
    const label = Chart.label(row);
    if (!this.series.has(label)) this.series.set(label, [[], []]);
    put(this.series.get(label), row);
  }

  draw() {
    const shown = this.zoomed ?? this.series;
    const labels = [...shown.keys()];
    const tables = [...shown.values()].filter((one) => one[0].length);
    if (tables.length !== labels.length || !labels.length) {
      this.figure.hidden = !tables.length;
      if (!tables.length) return;
    }
    this.figure.setAttribute("aria-label", this.spoken(labels, tables));
    this.isStale = !this.isSeen;
    if (this.isStale) return;
    const data = tables.length === 1 ? tables[0] : uPlot.join(tables);
    if (!this.plot || this.labels !== labels.join("\n")) this.build(labels, data);
    else this.plot.setData(data, !this.zoomed);
  }

  // What a screen reader says of the picture.
  spoken(labels, tables) {
    const few = tables.slice(0, SPOKEN_MOST);
    return few.map(([x, y], at) => `${labels[at]}: ${y.at(-1)} (${x.at(-1)})`).join(", ");
  }

  // Of several sessions, each has one colour on all charts, and its series are told apart by dashes.
  line(label, at) {
    if (this.charts.areAlike) return { stroke: `${colour(0)}66`, width: 1 };
    const [of, name] = label.split(BETWEEN);
    if (name === undefined) return { stroke: colour(at) };
    const names = [...new Set([...this.series.keys()].map((each) => each.split(BETWEEN)[1]))];
    return { stroke: colour(this.charts.order.indexOf(of)), dash: DASHES[names.indexOf(name) % DASHES.length] };
  }

  rename() {
    this.labels = "";
  }

  unzoom() {
    this.zoomed = null;
    this.labels = "";
  }

  rebuild() {
    this.labels = "";
    this.draw();
  }

  build(labels, data) {
    this.plot?.destroy();
    this.labels = labels.join("\n");
    const axis = { stroke: style("--soft"), grid: { stroke: style("--line"), width: 1 }, ticks: { stroke: style("--line"), width: 1 } };
    const series = labels.map((label, at) => ({
      label,
      width: 1.5,
      ...this.line(label, at),
      spanGaps: true,
      points: { show: (_, index, from, to) => to - from < 30 },
    }));
    this.plot = new uPlot({
      width: this.box.clientWidth || 400,
      height: HEIGHT,
      scales: { x: { time: false } },
      axes: [axis, { ...axis, size: 60 }],
      series: [{ label: this.charts.axis }, ...series],
      legend: { show: labels.length <= 12 },
      hooks: { setSelect: [(plot) => this.zoom(plot)] },
    }, data, this.box);
    this.plot.over.addEventListener("dblclick", () => {
      this.zoomed = null;
      this.draw();
    });
  }

  // What is chosen with the mouse is asked for again, in as many points as the whole had.
  async zoom(plot) {
    if (!plot.select.width) return;
    const from = plot.posToVal(plot.select.left, "x");
    const to = plot.posToVal(plot.select.left + plot.select.width, "x");
    const rows = await this.charts.fetchRows(from, to);
    const found = new Map();
    for (const row of rows) {
      if (!this.series.has(Chart.label(row)) || !row.x.length) continue;
      found.set(Chart.label(row), put([[], []], row));
    }
    if (!found.size) return;
    this.zoomed = found;
    this.draw();
    this.plot.setScale("x", { min: from, max: to });
  }
}

// Appends a row's points; what goes back in steps takes over from there, as a later attempt does.
function put(known, row) {
  const [xs, ys] = known;
  for (let i = 0; i < row.x.length; i++) {
    while (xs.length && xs.at(-1) >= row.x[i]) {
      xs.pop();
      ys.pop();
    }
    xs.push(row.x[i]);
    ys.push(row.y[i]);
  }
  return known;
}
