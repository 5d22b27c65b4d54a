// Runs before the first paint: a remembered theme must not flash, and the styles need to know that scripts run.
(() => {
  const root = document.documentElement;
  root.classList.add("has-js");
  try {
    const theme = localStorage.getItem("theme");
    if (theme === "light" || theme === "dark") root.dataset.theme = theme;
  } catch {
    // Storage may be forbidden; the system's theme is a good answer then.
  }
})();
