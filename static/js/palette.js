// The palette: "/" (from keyboard.js) or Ctrl/Cmd K opens it; what is typed is asked of the server, which answers with
// the options of a listbox. The focus stays in the field; aria-activedescendant says which option Enter opens.
//   [data-palette-open]   a link to the search page that opens the palette instead
//   [data-kept]           a place or an act: that it was chosen is remembered in this browser, and shown first. What
//                         says something about anybody is never remembered; signing out forgets the rest.
const PAUSE = 90;
const REMEMBERED = 5;
const STORE = "palette";

const dialog = document.getElementById("palette");
const field = dialog?.querySelector("[role=combobox]");
const list = dialog?.querySelector("[role=listbox]");
const status = dialog?.querySelector("[data-palette-status]");
let asking = null;
let timer = 0;
let shown = null;

const options = () => [...list.querySelectorAll("[role=option]")];

const chosen = () => list.querySelector('[aria-selected="true"]');

const choose = (option) => {
  chosen()?.setAttribute("aria-selected", "false");
  if (!option) {
    field.removeAttribute("aria-activedescendant");
    return;
  }
  option.setAttribute("aria-selected", "true");
  field.setAttribute("aria-activedescendant", option.id);
  option.scrollIntoView({ block: "nearest" });
};

const recent = () => {
  try {
    const found = JSON.parse(localStorage.getItem(STORE) ?? "[]");
    return Array.isArray(found) ? found : [];
  } catch {
    return [];
  }
};

const remember = (option) => {
  if (!("kept" in option.dataset)) return;
  const path = option.getAttribute("href");
  try {
    localStorage.setItem(STORE, JSON.stringify([path, ...recent().filter((one) => one !== path)].slice(0, REMEMBERED)));
  } catch {
    // Forbidden storage: nothing is remembered then.
  }
};

const forget = () => {
  try {
    localStorage.removeItem(STORE);
  } catch {
    // Forbidden storage: nothing was remembered.
  }
};

const recentFirst = () => {
  const paths = recent();
  const place = (option) => (paths.indexOf(option.getAttribute("href")) + 1 || Infinity);
  for (const group of list.querySelectorAll("[role=group]")) {
    const found = [...group.querySelectorAll("[data-kept]")];
    group.append(...found.toSorted((one, other) => (place(one) === place(other) ? 0 : place(one) - place(other))));
  }
};

const show = (html, text) => {
  const answer = new DOMParser().parseFromString(html, "text/html").body;
  list.replaceChildren(...answer.children);
  list.removeAttribute("aria-busy");
  if (!text) recentFirst();
  shown = text;
  status.textContent = list.firstElementChild?.dataset.paletteSaid ?? "";
  choose(options()[0]);
};

const ask = async () => {
  const text = field.value.trim();
  if (text === shown) return;
  asking?.abort();
  const mine = new AbortController();
  asking = mine;
  list.setAttribute("aria-busy", "true");
  try {
    const url = `${list.dataset.paletteUrl}?part=1&q=${encodeURIComponent(text)}`;
    const answer = await fetch(url, { signal: mine.signal, redirect: "manual" });
    if (!answer.ok) throw new Error(String(answer.status));
    const html = await answer.text();
    if (asking === mine) show(html, text);
  } catch {
    if (mine.signal.aborted) return;
    list.replaceChildren();
    list.removeAttribute("aria-busy");
    shown = null;
    choose(null);
    status.textContent = list.dataset.paletteFailed;
  }
};

export const open = () => {
  if (!dialog || dialog.open || document.querySelector("dialog[open]")) return false;
  dialog.showModal();
  field.select();
  shown = null;
  ask();
  return true;
};

const step = (by) => {
  const all = options();
  if (!all.length) return;
  const at = all.indexOf(chosen());
  choose(all[(at + by + all.length) % all.length]);
};

if (dialog) {
  field.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(ask, PAUSE);
  });
  field.addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    if (event.key === "ArrowDown") step(1);
    else if (event.key === "ArrowUp") step(-1);
    else if (event.key === "Enter" && chosen() && shown === field.value.trim()) {
      if (event.ctrlKey || event.metaKey) {
        chosen().dispatchEvent(new MouseEvent("click", { bubbles: true, cancelable: true, ctrlKey: true, metaKey: event.metaKey }));
      } else chosen().click();
    } else return;
    event.preventDefault();
  });
  list.addEventListener("click", (event) => {
    const option = event.target.closest("[role=option]");
    if (option) remember(option);
  });
  list.addEventListener("pointermove", (event) => {
    const option = event.target.closest("[role=option]");
    if (option && option !== chosen()) choose(option);
  });
  dialog.addEventListener("close", () => {
    asking?.abort();
    clearTimeout(timer);
    // What was looked for is nobody's business who sits down here next.
    field.value = "";
    list.replaceChildren();
    status.textContent = "";
  });
  document.addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && !event.altKey && !event.shiftKey && event.key.toLowerCase() === "k") {
      if (dialog.open) dialog.close();
      else open();
      event.preventDefault();
    }
  });
  document.addEventListener("click", (event) => {
    const opener = event.target.closest?.("[data-palette-open]");
    if (opener && !event.ctrlKey && !event.metaKey && !event.shiftKey && open()) event.preventDefault();
  });
}

document.addEventListener("submit", (event) => {
  if (event.target.matches?.('form[action*="/logout/"]')) forget();
});
