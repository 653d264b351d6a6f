// Forms that say the command they stand for, as it is typed into them.

const quoted = (word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'"'"'`)}'`);

function words(form) {
  const found = [];
  for (const field of form.elements) {
    const { word, option } = field.dataset;
    const isOn = field.type !== "checkbox" || field.checked;
    const value = (field.selectedOptions?.[0]?.dataset.said ?? field.value ?? "").trim();
    if (word !== undefined) found.push(value || word);
    else if (!option || !isOn || !value) continue;
    else if (field.type === "checkbox" && value === "on") found.push(option);
    else for (const each of "many" in field.dataset ? value.split(/[\s,]+/) : [value])
      found.push(option, each + (field.dataset.unit ?? ""));
  }
  return found;
}

for (const line of document.querySelectorAll("[data-typed]")) {
  const form = line.closest("form");
  const tell = () => {
    const text = [line.dataset.typed, ...words(form).map(quoted)].join(" ");
    line.querySelector("code").textContent = text;
    line.querySelector("button").dataset.copy = text;
  };
  form.addEventListener("input", tell);
  tell();
}
