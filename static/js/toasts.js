// Toasts: dismiss by button, leave by themselves when they bring good news; announced by their live region.
const LINGER = 6000;

const region = () => document.getElementById("toasts");

const leave = (toast) => {
  toast.classList.add("is-leaving");
  const done = () => toast.remove();
  toast.addEventListener("transitionend", done, { once: true });
  setTimeout(done, 400);
};

const arm = (toast) => {
  if (toast.dataset.armed) return;
  toast.dataset.armed = "yes";
  if (toast.dataset.tone !== "good" && toast.dataset.tone !== "note") return;
  // What can be undone stays until somebody says that it need not be.
  if (toast.querySelector("form")) return;
  let timer = setTimeout(() => leave(toast), LINGER);
  const hold = () => clearTimeout(timer);
  const resume = () => {
    timer = setTimeout(() => leave(toast), LINGER);
  };
  toast.addEventListener("pointerenter", hold);
  toast.addEventListener("focusin", hold);
  toast.addEventListener("pointerleave", resume);
  toast.addEventListener("focusout", resume);
};

const armAll = () => region()?.querySelectorAll(".toast").forEach(arm);

document.addEventListener("click", (event) => {
  const button = event.target.closest?.(".toast-close");
  if (button) leave(button.closest(".toast"));
});

// A part of a page answers with its toasts in a <template>; they are moved into the live region from there.
document.addEventListener("htmx:afterSwap", () => {
  for (const source of document.querySelectorAll("template[data-toasts]")) {
    region()?.append(source.content.cloneNode(true));
    source.remove();
  }
  armAll();
});

const say = (tone, text, url = "") => {
  const template = document.getElementById(`toast-${tone}`);
  if (!template || !region()) return;
  const toast = template.content.firstElementChild.cloneNode(true);
  const words = toast.querySelector("[data-toast-text]");
  if (url) {
    const link = document.createElement("a");
    link.href = url;
    link.textContent = text;
    words.replaceChildren(link);
  } else words.textContent = text;
  region().append(toast);
  arm(toast);
};

// Scripts carry no words: those are on the page, in its language.
const words = () => region()?.dataset ?? {};

document.addEventListener("htmx:sendError", () => say("bad", words().unreachable));
document.addEventListener("htmx:responseError", (event) => {
  const status = event.detail.xhr.status;
  say("bad", status === 403 ? words().forbidden : words().failed?.replace("{status}", status));
});
document.addEventListener("ripen:toast", (event) => say(event.detail.tone, event.detail.text, event.detail.url));

armAll();
