// Forms that say the command they stand for, as it is typed into them.

const quoted = (word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'"'"'`)}'`);

// Some of a command's options say what is to change: what was given is not said again.
const isAsGiven = (field) => field.selectedOptions
  ? field.selectedOptions[0]?.defaultSelected
  : field.value === field.defaultValue;

function said(field) {
  const { word, option, changed, many, unit = "" } = field.dataset;
  const chosen = field.selectedOptions?.[0]?.dataset ?? {};
  const value = (chosen.said ?? field.value ?? "").trim();
  if (word !== undefined) return [value || word];
  if (option === undefined || (changed !== undefined && isAsGiven(field))) return [];
  if (chosen.alone) return [chosen.alone];
  if (field.type === "checkbox") return field.checked ? [option, value].filter((one) => one !== "on") : [];
  if (!value && changed === undefined) return [];
  return (many === undefined ? [value] : value.split(/[\s,]+/)).flatMap((each) => [option, each + unit]);
}

for (const line of document.querySelectorAll("[data-typed]")) {
  const form = line.closest("form");
  const button = line.querySelector("button");
  const tell = () => {
    const words = [...form.elements].flatMap(said);
    const text = [line.dataset.typed, ...words.map(quoted)].join(" ");
    button.dataset.copy = text;
    if (button.title) button.title = text;
    else line.querySelector("code").textContent = text;
  };
  form.addEventListener("input", tell);
  tell();
}
