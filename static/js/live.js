// Parts of a page that keep themselves up to date. The contract is in config/web/live.py.
//   [data-live="<url>"] [data-live-every="<seconds>"]  a region; "" asks the address of the page
//   [data-live-part="<key>"]                           replaced where the server's markup of it has changed
//   [data-live-list]                                   parts in it may come; the server is told which ones are shown
//   [data-live-empty]                                  what is said while there is nothing; goes when something comes
//   [data-live-new] with data-one, data-other          the button "n new"; behind it waits what would move the page
//   time[data-live-at]                                 when the server was last heard
import { ask, repeat } from "./connection.js";

const LEAST = 5;
const PART = "[data-live-part]";
const FOCUSABLE = "a[href], button, summary, input, select, textarea";

// What scripts and clocks change of a part is no news: the token of a form, the age of a moment, marks of htmx.
const seal = (part) =>
  part.outerHTML
    .replace(/(name="csrfmiddlewaretoken" value=)"[^"]*"/g, "$1")
    .replace(/(<time[^>]*data-relative[^>]*>)[^<]*/g, "$1")
    .replace(/ autofocus(="")?/g, "")
    .replace(/ ?htmx-(request|added|settling|swapping)/g, "");

const parts = (root) => new Map([...root.querySelectorAll(PART)].map((part) => [part.dataset.livePart, part]));

const dirty = (field) =>
  field.type === "checkbox" || field.type === "radio"
    ? field.checked !== field.defaultChecked
    : field.tagName === "SELECT"
      ? [...field.options].some((option) => option.selected !== option.defaultSelected && option.selected)
      : field.type !== "hidden" && field.value !== field.defaultValue;

// A person who types, chooses, or has opened something in a part keeps it as it is.
const occupied = (part) =>
  part.querySelector("details[open]:not([data-live-open]), dialog[open], .htmx-request") !== null ||
  [...part.querySelectorAll("input, select, textarea")].some((field) => field === document.activeElement || dirty(field));

const inSight = (box) => box.bottom > 0 && box.top < innerHeight;

class Region {
  constructor(root) {
    this.root = root;
    this.tag = "";
    this.seals = new WeakMap();
    this.waiting = [];
    for (const part of parts(root).values()) this.seals.set(part, seal(part));
    this.more = root.querySelector("[data-live-new]");
    this.more?.addEventListener("click", () => this.bringIn());
    const every = Math.max(LEAST, Number(root.dataset.liveEvery) || 20) * 1000;
    repeat(every, () => (root.isConnected ? this.once() : false));
  }

  once() {
    const headers = { "X-Ripen-Live": "1" };
    if (this.tag) headers["If-None-Match"] = this.tag;
    const shown = [...this.root.querySelectorAll(`[data-live-list] ${PART}`)].map((part) => part.dataset.livePart);
    if (shown.length) headers["X-Ripen-Shown"] = shown.slice(0, 200).join(",");
    return ask(this.root.dataset.live || location.pathname + location.search, headers, async (answer) => {
      const text = await answer.text();
      this.held = false;
      this.take(new DOMParser().parseFromString(text, "text/html"));
      // What was held back comes again with the next answer.
      this.tag = this.held ? "" : (answer.headers.get("ETag") ?? "");
    }).then((goesOn) => {
      if (goesOn) this.mark();
      return goesOn;
    });
  }

  mark() {
    const now = new Date().toISOString();
    for (const time of this.root.querySelectorAll("time[data-live-at]")) time.dateTime = now;
    document.dispatchEvent(new CustomEvent("ripen:times"));
  }

  take(answer) {
    const here = parts(this.root);
    const fresh = [];
    for (const [key, part] of parts(answer)) {
      const old = here.get(key);
      if (!old) fresh.push(part);
      else if (!old.parentElement.closest(PART) && (this.seals.get(old) ?? seal(old)) !== seal(part)) this.replace(old, part);
    }
    const lists = [...answer.querySelectorAll("[data-live-list]")];
    this.waiting = [];
    for (const part of fresh) {
      const from = part.parentElement.closest("[data-live-list]");
      if (!from || part.parentElement.closest(PART)) continue;
      this.waiting.push({ part, list: from.dataset.liveList, order: [...parts(lists.find((list) => list === from)).keys()] });
    }
    // Whatever comes at the end of a list and moves nothing that is in sight comes in by itself.
    this.waiting = this.waiting.filter((item) => !this.append(item));
    this.offer();
  }

  list(name) {
    return [...this.root.querySelectorAll("[data-live-list]")].find((list) => list.dataset.liveList === name);
  }

  append({ part, list, order }) {
    const to = this.list(list);
    if (!to) return true;
    const after = order.slice(order.indexOf(part.dataset.livePart) + 1);
    if ([...parts(to).keys()].some((key) => after.includes(key))) return false;
    const empty = parts(to).size === 0 && this.root.querySelector("[data-live-empty]");
    if (empty) empty.remove();
    else if (to.getBoundingClientRect().bottom < innerHeight && this.followedBy(to)) return false;
    this.put(part, (node) => to.append(node));
    return true;
  }

  // Something in sight stands below the list and would move.
  followedBy(list) {
    for (let node = list; node && node !== document.body; node = node.parentElement) {
      let next = node.nextElementSibling;
      for (; next; next = next.nextElementSibling) {
        const box = next.getBoundingClientRect();
        if (box.height && box.top >= list.getBoundingClientRect().bottom - 1 && inSight(box)) return true;
      }
      if (node === this.root.closest("main")) break;
    }
    return false;
  }

  replace(old, part) {
    if (occupied(old)) {
      this.held = true;
      return;
    }
    const before = old.getBoundingClientRect();
    const focus = old.contains(document.activeElement) ? [...old.querySelectorAll(FOCUSABLE)].indexOf(document.activeElement) : -1;
    const node = this.put(part, (copy) => old.replaceWith(copy));
    const after = node.getBoundingClientRect();
    // Smaller: it keeps its room. Larger, with something in sight below it: it waits until somebody asks.
    if (inSight(before) && after.height < before.height) node.style.minBlockSize = `${before.height}px`;
    else if (inSight(before) && after.height > before.height + 1 && !node.hasAttribute("data-live-grows") && this.followedBy(node)) {
      node.replaceWith(old);
      this.grown = (this.grown ?? new Map()).set(part.dataset.livePart, part);
      return;
    }
    if (focus >= 0) {
      const all = node.querySelectorAll(FOCUSABLE);
      (all[focus] ?? node.querySelector("[data-row-link]") ?? all[0])?.focus({ preventScroll: true });
    }
  }

  put(part, place) {
    const node = document.importNode(part, true);
    this.seals.set(node, seal(part));
    place(node);
    window.htmx?.process(node);
    document.dispatchEvent(new CustomEvent("ripen:times"));
    return node;
  }

  offer() {
    const number = this.waiting.length + (this.grown?.size ?? 0);
    if (!this.more) return;
    const { dataset } = this.more;
    const pattern = new Intl.PluralRules(document.documentElement.lang || "en").select(number) === "one" ? dataset.one : dataset.other;
    const text = this.more.querySelector("[data-live-new-text]") ?? this.more;
    const words = number ? pattern.replace("%s", new Intl.NumberFormat(document.documentElement.lang || "en").format(number)) : "";
    if (text.textContent !== words) text.textContent = words;
    this.more.hidden = number === 0;
  }

  // Somebody asked to see what is new: each at its place, the first of them in focus.
  bringIn() {
    let first = null;
    for (const [key, part] of this.grown ?? []) {
      const old = parts(this.root).get(key);
      if (old) first ??= this.put(part, (node) => old.replaceWith(node));
    }
    this.grown = null;
    for (const { part, list, order } of this.waiting) {
      const to = this.list(list);
      if (!to) continue;
      const known = parts(to);
      const next = order.slice(order.indexOf(part.dataset.livePart) + 1).find((key) => known.has(key));
      const node = this.put(part, (copy) => (next ? known.get(next).before(copy) : to.append(copy)));
      node.classList.add("is-fresh");
      first ??= node;
    }
    this.waiting = [];
    this.offer();
    const target = first?.querySelector("[data-row-link]") ?? first?.querySelector(FOCUSABLE);
    target?.focus();
    first?.scrollIntoView({ block: "nearest" });
  }
}

for (const root of document.querySelectorAll("[data-live]")) new Region(root);
