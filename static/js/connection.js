// One idea of "connection lost" for everything that asks by itself: the badge, live parts of pages, progress.
// Its words are on the page (#connection-words), for scripts carry none.
const SOON = 3_000;
const LONGEST = 60_000;

const words = document.getElementById("connection-words")?.dataset ?? {};
let lost = "";

const say = (tone, text, url = "") => document.dispatchEvent(new CustomEvent("ripen:toast", { detail: { tone, text, url } }));

const forget = () => {
  for (const toast of document.querySelectorAll(".toast.is-warn")) {
    if (toast.querySelector("[data-toast-text]")?.textContent === lost) toast.remove();
  }
  lost = "";
  delete document.documentElement.dataset.connection;
};

// What is shown may be old from here on, and whoever reads it must know.
const lose = (text, url = "") => {
  if (!text || lost === text) return;
  if (lost) forget();
  lost = text;
  document.documentElement.dataset.connection = "lost";
  say("warn", text, url);
};

// An answer came, to whomever: what is lost is found.
export const heard = () => {
  if (!lost) return;
  forget();
  say("good", document.querySelector("[data-live]") ? words.back : words.backReload);
};

// Nobody answered, twice in a row.
export const unheard = () => lose(words.lost);

const signedOut = () => lose(words.signedOut, location.pathname + location.search);

// Ask `url` and hand the answer to `take` (never a 304); false: there is nothing more to ask.
export const ask = async (url, headers, take) => {
  const answer = await fetch(url, { headers, cache: "no-store", redirect: "manual", signal: AbortSignal.timeout(10_000) });
  // No longer allowed, or gone: what is shown stays, and nobody asks again.
  if ([403, 404, 410].includes(answer.status)) return false;
  if (answer.type === "opaqueredirect") {
    signedOut();
    return false;
  }
  if (answer.status !== 304) {
    if (!answer.ok) throw new Error(String(answer.status));
    await take(answer);
  }
  heard();
  return true;
};

// Ask now and then while the page is in sight: every `every` ms, a little apart from other pages; after a failure soon,
// then ever more rarely. `once` answers false to stop and throws where nobody answered.
export const repeat = (every, once) => {
  let failures = 0;
  let asked = Date.now();
  let timer = 0;
  let asking = false;
  let stopped = false;

  const later = (wait) => {
    clearTimeout(timer);
    if (!stopped) timer = setTimeout(run, wait * (0.9 + Math.random() * 0.2));
  };

  const run = async () => {
    if (document.hidden || asking) return;
    asking = true;
    asked = Date.now();
    try {
      stopped = !(await once());
      failures = 0;
      later(every);
    } catch {
      failures += 1;
      // Once is a hiccup; whoever is asked again at once and is still silent is away.
      if (failures > 1) unheard();
      // The browser says itself when it is online again.
      later(navigator.onLine ? Math.min(Math.max(SOON, every / 4) * 2 ** (failures - 1), LONGEST) : LONGEST);
    } finally {
      asking = false;
    }
  };

  document.addEventListener("visibilitychange", () => {
    if (document.hidden) clearTimeout(timer);
    else later(Math.max(0, Math.min(every, asked + SOON - Date.now())));
  });
  addEventListener("offline", () => {
    failures += 1;
    unheard();
    later(LONGEST);
  });
  addEventListener("online", () => later(0));
  later(every);
};
