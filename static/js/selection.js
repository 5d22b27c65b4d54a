// Choosing rows of the list: shift-click chooses all between, the box in the head all of the page. The bar of acts
// shows itself by CSS once somebody is chosen; without scripts it always stands there and works the same.
let last = null;

const bar = () => document.querySelector("[data-bulk]");
const boxes = () => [...document.querySelectorAll("[data-bulk-one]")];

const show = () => {
  const form = bar();
  if (!form) return;
  const all = boxes();
  const chosen = all.filter((box) => box.checked).length;
  const everybody = form.querySelector("[data-bulk-all]");
  if (chosen === 0 && everybody) everybody.checked = false;
  const head = document.querySelector("[data-bulk-page]");
  if (head) {
    head.checked = chosen > 0 && chosen === all.length;
    head.indeterminate = chosen > 0 && chosen < all.length;
  }
  const count = form.querySelector(".bulk-count");
  const language = document.documentElement.lang || "en";
  const pattern = new Intl.PluralRules(language).select(chosen) === "one" ? count.dataset.one : count.dataset.other;
  const words = chosen ? pattern.replace("%s", new Intl.NumberFormat(language).format(chosen)) : "";
  if (count.textContent !== words) count.textContent = words;
};

document.addEventListener("click", (event) => {
  const box = event.target.closest?.("[data-bulk-one]");
  if (!box) return;
  const all = boxes();
  if (event.shiftKey && last && all.includes(last)) {
    const [from, to] = [all.indexOf(last), all.indexOf(box)].sort((one, other) => one - other);
    for (const between of all.slice(from, to + 1)) between.checked = box.checked;
  }
  last = box;
  show();
});

document.addEventListener("change", (event) => {
  if (event.target.matches("[data-bulk-page]")) {
    for (const box of boxes()) box.checked = event.target.checked;
    show();
  } else if (event.target.matches("[data-bulk-one]")) show();
});

// "x" chooses the row that j and k have come to.
document.addEventListener("keydown", (event) => {
  if (event.key !== "x" || event.metaKey || event.ctrlKey || event.altKey) return;
  if (event.target.matches?.("input, textarea, select")) return;
  const box = document.activeElement?.closest("[data-row]")?.querySelector("[data-bulk-one]");
  if (!box) return;
  event.preventDefault();
  box.checked = !box.checked;
  last = box;
  show();
});

document.addEventListener("htmx:afterSwap", show);
addEventListener("pageshow", show);
show();
