// The theme button: system -> light -> dark -> system, remembered in this browser.
const root = document.documentElement;
const order = ["system", "light", "dark"];

const remember = (theme) => {
  try {
    if (theme === "system") localStorage.removeItem("theme");
    else localStorage.setItem("theme", theme);
  } catch {
    // Forbidden storage: the choice then lasts as long as the page.
  }
};

const show = () => {
  const theme = root.dataset.theme ?? "system";
  for (const button of document.querySelectorAll("[data-theme-toggle]")) {
    const words = button.dataset[theme];
    button.setAttribute("aria-label", words);
    button.title = words;
    for (const icon of button.querySelectorAll("[data-theme-icon]")) {
      icon.toggleAttribute("hidden", icon.dataset.themeIcon !== theme);
    }
  }
};

document.addEventListener("click", (event) => {
  if (!event.target.closest?.("[data-theme-toggle]")) return;
  const theme = order[(order.indexOf(root.dataset.theme ?? "system") + 1) % order.length];
  if (theme === "system") delete root.dataset.theme;
  else root.dataset.theme = theme;
  remember(theme);
  show();
});

show();
