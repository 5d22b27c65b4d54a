// The badge lives: every page that is in sight asks now and then what is unread.
import { ask, repeat } from "./connection.js";

const EVERY = 20_000;

const box = document.querySelector("[data-badge-url]");
let since = box?.dataset.since ?? "";
let tag = "";

const say = (text, url) => document.dispatchEvent(new CustomEvent("ripen:toast", { detail: { tone: "note", text, url } }));

const show = (number, text) => {
  for (const count of document.querySelectorAll('[data-count="notifications"]')) count.textContent = text;
  for (const holder of document.querySelectorAll('[data-count-box="notifications"]')) holder.hidden = number === 0;
};

if (box) {
  repeat(EVERY, () =>
    ask(`${box.dataset.badgeUrl}?since=${encodeURIComponent(since)}`, tag ? { "If-None-Match": tag } : {}, async (answer) => {
      const told = await answer.json();
      tag = answer.headers.get("ETag") ?? "";
      show(told.number, told.unread);
      // The sentence comes with the answer, in the language of whoever reads it.
      if (told.toast) say(told.toast.text, told.toast.url);
      if (told.at > since) since = told.at;
    }),
  );
}

// Whoever follows a line has read it; without a script its button says so.
document.addEventListener("click", (event) => {
  const link = event.target.closest?.("a[data-read-url]");
  const token = document.querySelector("input[name=csrfmiddlewaretoken]")?.value;
  if (link && token) {
    fetch(link.dataset.readUrl, { method: "POST", headers: { "X-CSRFToken": token }, keepalive: true, redirect: "manual" }).catch(() => {});
  }
});
