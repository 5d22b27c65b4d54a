// The progress of long work asks for itself every second. That nobody answers is said once, not every second; the next
// answer takes it back, and the bar goes on where the work is.
import { heard, unheard } from "./connection.js";

let failures = 0;
const isProgress = (event) => event.target instanceof Element && event.target.matches(".run[hx-get]");

// Before anybody else hears of it: toasts tell of each failure of what people do, and this is none.
const fail = (event) => {
  if (!isProgress(event)) return;
  event.stopImmediatePropagation();
  failures += 1;
  // Once is a hiccup.
  if (failures > 1) unheard();
};

for (const name of ["htmx:sendError", "htmx:responseError", "htmx:timeout"]) document.addEventListener(name, fail, true);

document.addEventListener("htmx:beforeSwap", (event) => {
  if (!isProgress(event)) return;
  failures = 0;
  heard();
}, true);
