// Relative times age while a page stays open; the server wrote the first text and the exact time in the title.
const STEPS = [
  [60, 1, "second"],
  [3600, 60, "minute"],
  [86400, 3600, "hour"],
  [604800, 86400, "day"],
];
const words = new Intl.RelativeTimeFormat(document.documentElement.lang || "en", { numeric: "always" });

const refresh = () => {
  const now = Date.now();
  for (const element of document.querySelectorAll("time[data-relative]")) {
    const seconds = Math.round((Date.parse(element.dateTime) - now) / 1000);
    const size = Math.abs(seconds);
    if (size < 45) {
      element.textContent = document.body.dataset.justNow;
      continue;
    }
    const step = STEPS.find(([limit]) => size < limit);
    if (!step) continue;
    element.textContent = words.format(Math.trunc(seconds / step[1]), step[2]);
  }
};

document.addEventListener("ripen:times", refresh);
setInterval(refresh, 30000);
