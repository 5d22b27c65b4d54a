// Keys: "/" the page's own search or else the palette, "g" then c q m f d n o to go places, "j" "k" rows, Enter opens, "c" claims, "?" lists them all.
// A control with data-key is pressed by that key.
import { open } from "./palette.js";

const PLACES = { o: "overview", c: "contacts", q: "queue", m: "mine", f: "funnel", d: "definitions", n: "notifications" };
const ROWS = "[data-row]";
let waiting = 0;

const typing = (target) =>
  target instanceof HTMLElement && (target.isContentEditable || target.matches("input, textarea, select"));

const rows = () => [...document.querySelectorAll(ROWS)].filter((row) => row.offsetParent !== null);

const focusOf = (row) => (row.matches("a, button") ? row : row.querySelector("[data-row-link], a, button"));

const move = (step) => {
  const all = rows();
  if (!all.length) return;
  const at = all.findIndex((row) => row.contains(document.activeElement));
  const next = all[Math.min(Math.max(at + step, 0), all.length - 1)];
  focusOf(next)?.focus();
  next.scrollIntoView({ block: "nearest" });
};

const claim = () => {
  const all = rows();
  const row = all.find((item) => item.contains(document.activeElement));
  const button = (row ?? document).querySelector("[data-claim]");
  button?.click();
};

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.metaKey || event.ctrlKey || event.altKey || typing(event.target)) return;
  if (document.querySelector("dialog[open]")) return;
  const { key } = event;

  if (Date.now() - waiting < 1500 && PLACES[key]) {
    const link = document.querySelector(`[data-place="${PLACES[key]}"]`);
    waiting = 0;
    if (link) {
      event.preventDefault();
      location.assign(link.href);
    }
    return;
  }
  waiting = 0;

  if (key === "g") waiting = Date.now();
  else if (key === "/") {
    const search = document.querySelector("[data-search]");
    event.preventDefault();
    if (search) {
      search.focus();
      search.select();
    } else open();
  } else if (key === "j") move(1);
  else if (key === "k") move(-1);
  else if (key === "c") claim();
  else if (key === "?") document.getElementById("shortcuts")?.showModal();
  else if (/^[a-z0-9]$/.test(key)) document.querySelector(`[data-key="${key}"]`)?.click();
});
