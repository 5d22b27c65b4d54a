// The badge lives: every page that is in sight asks now and then what is unread, and says so when nobody answers.
const EVERY = 20_000;
const SOON = 3_000;
const LONGEST = 60_000;

const box = document.querySelector("[data-live]");
let since = box?.dataset.since ?? "";
let tag = "";
let failures = 0;
let timer = 0;
let asked = 0;
let lost = null;

const say = (tone, text, url = "") => document.dispatchEvent(new CustomEvent("ripen:toast", { detail: { tone, text, url } }));

const show = (number, text) => {
  for (const count of document.querySelectorAll('[data-count="notifications"]')) count.textContent = text;
  for (const holder of document.querySelectorAll('[data-count-box="notifications"]')) holder.hidden = number === 0;
};

const tell = (fresh, number) => {
  if (fresh.length === 1) say("note", [fresh[0].text, fresh[0].names].filter(Boolean).join(": "), fresh[0].url);
  else if (fresh.length) say("note", `${number} unread: ${fresh[0].text}, and more`, "/notifications/");
};

const forget = () => {
  for (const toast of document.querySelectorAll(".toast.is-warn")) {
    if (toast.textContent.includes(lost)) toast.remove();
  }
  lost = null;
  delete document.documentElement.dataset.connection;
};

// What is shown may be old from here on, and whoever reads it must know.
const lose = (text, url = "") => {
  if (lost === text) return;
  if (lost !== null) forget();
  lost = text;
  document.documentElement.dataset.connection = "lost";
  say("warn", text, url);
};

const find = () => {
  failures = 0;
  if (lost === null) return;
  forget();
  say("good", "Connected again. Reload the page to see what changed meanwhile.");
};

const ask = async () => {
  asked = Date.now();
  const answer = await fetch(`${box.dataset.live}?since=${encodeURIComponent(since)}`, {
    headers: tag ? { "If-None-Match": tag } : {},
    cache: "no-store",
    redirect: "manual",
    signal: AbortSignal.timeout(10_000),
  });
  if (answer.status === 403) return false;
  if (answer.type === "opaqueredirect") {
    lose("You are signed out. Sign in to see what is new.", location.pathname + location.search);
    return false;
  }
  if (answer.status !== 304) {
    if (!answer.ok) throw new Error(String(answer.status));
    const told = await answer.json();
    tag = answer.headers.get("ETag") ?? "";
    show(told.number, told.unread);
    tell(told.new, told.unread);
    if (told.at > since) since = told.at;
  }
  find();
  return true;
};

const later = (wait) => {
  clearTimeout(timer);
  // A little apart from each other, so that a morning's pages do not all ask at once.
  timer = setTimeout(run, wait * (0.9 + Math.random() * 0.2));
};

const run = async () => {
  clearTimeout(timer);
  if (document.hidden) return;
  try {
    if (await ask()) later(EVERY);
  } catch {
    failures += 1;
    // Once is a hiccup; whoever is asked again at once and is still silent is away.
    if (failures > 1) lose("No connection to Ripen. What you see may be old; trying again.");
    later(Math.min(SOON * 2 ** (failures - 1), LONGEST));
  }
};

if (box) {
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) later(Math.max(0, Math.min(EVERY, asked + SOON - Date.now())));
  });
  addEventListener("offline", () => {
    failures += 1;
    lose("No connection to Ripen. What you see may be old; trying again.");
  });
  addEventListener("online", () => later(0));
  later(EVERY);
}

// Whoever follows a line has read it; without a script its button says so.
document.addEventListener("click", (event) => {
  const link = event.target.closest?.("a[data-read-url]");
  const token = document.querySelector("input[name=csrfmiddlewaretoken]")?.value;
  if (link && token) {
    fetch(link.dataset.readUrl, { method: "POST", headers: { "X-CSRFToken": token }, keepalive: true, redirect: "manual" }).catch(() => {});
  }
});
