// The form that submits a model says the command that does the same.

const form = document.querySelector("[data-submit]");

function quoted(word) {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'"'"'`)}'`;
}

function say() {
  const words = ["nsml", "submit", form.dataset.submit, form.checkpoint.value];
  if (form.rehearse.checked) words.push("-t");
  if (form.elements.as?.value) words.push("--team", form.elements.as.value);
  if (form.board.value !== form.dataset.own) words.push("--board", form.board.value);
  const line = words.map(quoted).join(" ");
  form.querySelector(".cli code").textContent = line;
  form.querySelector(".cli button").dataset.copy = line;
}

if (form?.checkpoint && form.board) {
  form.addEventListener("input", say);
  say();
}
