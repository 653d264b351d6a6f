// A login at the provider: asked for again and again, until somebody has said yes there.

const form = document.querySelector("[data-wait]");
const PAUSE = Number(form.dataset.wait) * 1000;

async function ask() {
  const body = new URLSearchParams(new FormData(form));
  const reply = await fetch(form.action, { method: "POST", body, headers: { accept: "application/json" } });
  const told = await reply.json();
  if (reply.status === 202) setTimeout(again, PAUSE);
  else if (reply.ok) location.href = told.to;
  else say(told.error);
}

function again() {
  // Where the web is away for a moment, it is asked later.
  ask().catch(() => setTimeout(again, PAUSE));
}

function say(sentence) {
  const line = form.querySelector("[role=status]");
  line.textContent = sentence;
  line.className = "complaint";
}

setTimeout(again, PAUSE);
