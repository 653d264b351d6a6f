// What every page does: search, copy, light and dark, language.

const $ = (selector, root = document) => root.querySelector(selector);
const YEAR = 31536000;

function remember(name, value) {
  document.cookie = `${name}=${value}; path=/; max-age=${YEAR}; samesite=strict`;
}

function toast(text) {
  const box = $(".toast");
  box.textContent = text;
  box.classList.add("on");
  setTimeout(() => box.classList.remove("on"), 1500);
}

async function copy(text) {
  await navigator.clipboard.writeText(text);
  toast($(".toast").dataset.copied);
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  const { copy: words, language } = button.dataset;
  if (words !== undefined) copy(words);
  if (language) {
    remember("nsml-language", language);
    location.reload();
  }
  if ("themeTurn" in button.dataset) turnTheme();
  if ("find" in button.dataset) openFinder();
});

function turnTheme() {
  const root = document.documentElement;
  const isDark = root.dataset.theme
    ? root.dataset.theme === "dark"
    : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = isDark ? "light" : "dark";
  remember("nsml-theme", root.dataset.theme);
  document.dispatchEvent(new Event("themechange"));
}

document.addEventListener("change", (event) => {
  if ("send" in event.target.dataset) event.target.form.requestSubmit();
  if ("as" in event.target.dataset) actFor(event.target.value);
});

// The address says for whom a form is, so that it can be sent as it stands.
function actFor(team) {
  const here = new URL(location.href);
  if (team) here.searchParams.set("as", team);
  else here.searchParams.delete("as");
  history.replaceState(null, "", here);
}

// ---------------------------------------------------------------------------------------- search

const finder = $(".finder");

function openFinder() {
  if (!finder || finder.open) return;
  finder.showModal();
  $("input", finder).select();
  look();
}

document.addEventListener("keydown", (event) => {
  const isTyping = event.target.closest("input, textarea, select, [contenteditable]");
  const isAsked =
    (event.key === "/" && !isTyping) || (event.key === "k" && (event.metaKey || event.ctrlKey));
  if (isAsked && finder) {
    event.preventDefault();
    openFinder();
  }
});

let asked = 0;

async function look() {
  const mine = ++asked;
  const words = $("input", finder).value;
  const reply = await fetch(`/search?q=${encodeURIComponent(words)}`);
  if (!reply.ok || mine !== asked) return;
  show((await reply.json()).found);
}

function show(found) {
  const list = $("ul", finder);
  const items = found.map((one, at) => {
    const item = document.createElement("li");
    item.id = `found-${at}`;
    item.role = "option";
    item.dataset.to = one.to;
    item.append(one.title);
    const detail = document.createElement("small");
    detail.textContent = one.detail;
    item.append(detail);
    return item;
  });
  if (!items.length) {
    const none = document.createElement("li");
    none.textContent = list.dataset.none;
    items.push(none);
  }
  list.replaceChildren(...items);
  choose(0);
}

function choose(at) {
  const items = [...finder.querySelectorAll("[role=option]")];
  if (!items.length) return;
  const index = (at + items.length) % items.length;
  items.forEach((item, i) => item.setAttribute("aria-selected", String(i === index)));
  items[index].scrollIntoView({ block: "nearest" });
  $("input", finder).setAttribute("aria-activedescendant", items[index].id);
}

function chosen() {
  return [...finder.querySelectorAll("[role=option]")].findIndex(
    (item) => item.getAttribute("aria-selected") === "true",
  );
}

if (finder) {
  $("input", finder).addEventListener("input", look);
  finder.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) {
      event.preventDefault();
      choose(chosen() + step);
    }
    if (event.key === "Enter") {
      event.preventDefault();
      const item = finder.querySelectorAll("[role=option]")[chosen()];
      if (item) location.href = item.dataset.to;
    }
  });
  finder.addEventListener("click", (event) => {
    if (event.target === finder) finder.close();
    const item = event.target.closest("[data-to]");
    if (item) location.href = item.dataset.to;
  });
}
