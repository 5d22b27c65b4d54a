// The definition editor: problems at their fields while one types, choices that act at once, steps back and forth, and
// a swap that nobody feels: what was unfolded stays so, and what was typed while the server answered is kept.
const form = () => document.querySelector("form[data-editor]");
const inEditor = (element) => element instanceof Element && element.closest("form[data-editor]") !== null;
const unfolded = new Set();
const typed = new Map();
const touched = new Set();
let unsaved = false;
let saved = false;
let anchor = { id: "", top: 0, scroll: 0 };

const mark = (name, message) => {
  const said = document.getElementById(`f-${name}-e`);
  if (!said) return;
  said.textContent = message;
  said.hidden = !message;
  const control = document.getElementById(`f-${name}`);
  if (!control?.matches("input, select, textarea")) return;
  if (message) control.setAttribute("aria-invalid", "true");
  else control.removeAttribute("aria-invalid");
};

// The list of problems beside the form is the truth; each is repeated at its field once somebody has been there.
const spread = () => {
  const list = document.getElementById("editor-aside");
  if (!list) return;
  const remarks = new Map();
  for (const item of list.querySelectorAll("[data-at]")) {
    remarks.set(item.dataset.at, item.querySelector("[data-says]").textContent);
  }
  for (const said of form().querySelectorAll(".field-error:not([hidden])")) {
    const name = said.id.slice(2, -2);
    if (!remarks.has(name)) mark(name, "");
  }
  for (const [name, message] of remarks) {
    const shown = document.getElementById(`f-${name}-e`)?.hidden === false;
    if (shown || touched.has(name)) mark(name, message);
  }
  const count = form().querySelector("[data-problem-count]");
  if (count) count.textContent = list.querySelector("#problems-title").textContent;
};

const saidOf = (picker) => {
  const labels = [...picker.querySelectorAll("input[type=checkbox]:checked")].map((box) =>
    box.parentElement.textContent.trim(),
  );
  const names = labels.slice(0, 3).join(", ");
  const { any, more } = form().dataset;
  if (labels.length <= 3) return names || any;
  return more.replace("{names}", names).replace("{number}", labels.length - 3);
};

document.addEventListener("input", (event) => {
  const field = event.target;
  if (!inEditor(field)) return;
  if (field.matches("[data-picker-search]")) {
    const wanted = field.value.trim().toLowerCase();
    for (const option of field.parentElement.querySelectorAll(".field-box")) {
      option.hidden = !`${option.textContent} ${option.firstElementChild.value}`.toLowerCase().includes(wanted);
    }
    event.stopPropagation();
    return;
  }
  unsaved = true;
  touched.add(field.name);
  if (field.id) typed.set(field.id, field);
  const picker = field.closest(".picker");
  if (picker) picker.querySelector("[data-chosen]").textContent = saidOf(picker);
}, true);

// Enter in the search box of a list is no wish to send the form.
document.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && event.target.matches?.("[data-picker-search]")) event.preventDefault();
});

document.addEventListener("change", (event) => {
  const field = event.target;
  if (inEditor(field) && field.matches("[data-changes]")) field.form.requestSubmit(field.parentElement.querySelector("button"));
});

document.addEventListener("toggle", (event) => {
  const fold = event.target;
  if (!inEditor(fold) || !fold.id) return;
  if (fold.open) unfolded.add(fold.id);
  else unfolded.delete(fold.id);
}, true);

// A link to a field in a folded part unfolds it first.
document.addEventListener("click", (event) => {
  const link = event.target.closest?.('a[href^="#f-"]');
  const field = link && document.getElementById(decodeURIComponent(link.hash.slice(1)));
  if (!field || !inEditor(field)) return;
  event.preventDefault();
  for (let fold = field.closest("details"); fold; fold = fold.parentElement.closest("details")) fold.open = true;
  const control = field.matches("input, select, textarea") ? field : field.querySelector("summary, input, select, textarea");
  (control ?? field).focus({ preventScroll: true });
  field.scrollIntoView({ block: "center" });
});

document.addEventListener("htmx:beforeRequest", (event) => {
  if (event.detail.elt === form()) typed.clear();
});

document.addEventListener("htmx:beforeSwap", (event) => {
  if (event.target.id !== "editor-body") return;
  // A text area that somebody resized carries a style, which htmx would copy and the policy refuse.
  for (const element of event.target.querySelectorAll("[style]")) element.removeAttribute("style");
  const active = document.activeElement;
  anchor = { id: active?.id ?? "", top: active?.getBoundingClientRect().top ?? 0, scroll: window.scrollY };
  saved = event.detail.xhr.responseText.includes("data-saved");
});

document.addEventListener("htmx:afterSwap", (event) => {
  if (event.target.id === "editor-aside") spread();
  if (event.target.id !== "editor-body") return;
  for (const id of unfolded) {
    const fold = document.getElementById(id);
    if (fold) fold.open = true;
  }
  for (const [id, old] of typed) {
    const field = document.getElementById(id);
    if (!field || field.type !== old.type) continue;
    if (field.type === "checkbox") field.checked = old.checked;
    else field.value = old.value;
  }
  if (!back) remember();
  back = false;
  if (saved && typed.size === 0) {
    unsaved = false;
    kept = at;
  }
  typed.clear();
  settle();
  showSteps();
});

// Steps: what the form held after each change, so that one can go back and forth; nothing of it is stored anywhere.
const MOST_STEPS = 100;
const OURS = new Set(["csrfmiddlewaretoken", "revision", "do"]);
const steps = [];
let at = -1;
let kept = 0;
let back = false;

const held = () => [...new FormData(form())].filter(([name]) => !OURS.has(name));

const remember = () => {
  const now = held();
  if (at >= 0 && JSON.stringify(now) === JSON.stringify(steps[at])) return;
  steps.splice(at + 1, steps.length, now);
  if (steps.length > MOST_STEPS) {
    steps.shift();
    kept -= 1;
  }
  at = steps.length - 1;
  showSteps();
};

const showSteps = () => {
  for (const button of document.querySelectorAll("[data-step]")) {
    button.disabled = !steps[at + Number(button.dataset.step)];
  }
};

const go = (by) => {
  // What is being typed is a step of its own.
  remember();
  const values = steps[at + by];
  if (!values || !window.htmx) return;
  at += by;
  back = true;
  unsaved = at !== kept;
  typed.clear();
  const body = { do: "check" };
  for (const name of ["csrfmiddlewaretoken", "revision"]) body[name] = form().elements[name].value;
  for (const [name, value] of values) body[name] = name in body ? [body[name], value].flat() : value;
  window.htmx.ajax("POST", form().action, {
    source: document.body,
    target: "#editor-body",
    select: "#editor-body",
    swap: "outerHTML show:none focus-scroll:false",
    values: body,
  });
};

document.addEventListener("click", (event) => {
  const button = event.target.closest?.("[data-step]");
  if (button) go(Number(button.dataset.step));
});

document.addEventListener("change", (event) => {
  if (inEditor(event.target) && !event.target.matches("[data-picker-search]")) remember();
});

// In a field the browser takes back what was typed there.
document.addEventListener("keydown", (event) => {
  if (!(event.ctrlKey || event.metaKey) || event.altKey || !form()) return;
  if (event.target.matches?.("input:not([type=checkbox]), textarea")) return;
  const key = event.key.toLowerCase();
  const by = key === "y" || (key === "z" && event.shiftKey) ? 1 : key === "z" ? -1 : 0;
  if (!by || document.querySelector("dialog[open]")) return;
  event.preventDefault();
  go(by);
});

// Whoever pressed a button sees it where it was; what came new is brought into sight.
const settle = () => {
  window.scrollTo({ top: anchor.scroll, behavior: "instant" });
  const same = anchor.id ? document.getElementById(anchor.id) : null;
  if (same) window.scrollBy({ top: same.getBoundingClientRect().top - anchor.top, behavior: "instant" });
  const next = form().querySelector("[data-focus]") ?? same;
  next?.focus({ preventScroll: true });
  if (next && next !== same) next.scrollIntoView({ block: "nearest", behavior: "instant" });
};

document.addEventListener("submit", (event) => {
  if (event.target === form() && !window.htmx) unsaved = false;
});
if (form()) remember();
window.addEventListener("beforeunload", (event) => {
  if (unsaved && form()) event.preventDefault();
});
