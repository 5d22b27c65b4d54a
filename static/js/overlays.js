// Menus close on Escape and on a click outside; [data-dialog="id"] opens a dialog; [data-confirm] asks first.
const closeMenus = (except) => {
  for (const menu of document.querySelectorAll("details.menu[open], details.topbar-menu[open]")) {
    if (menu !== except && !menu.contains(except)) menu.open = false;
  }
};

document.addEventListener("click", (event) => {
  const target = event.target;
  if (!(target instanceof Element)) return;
  closeMenus(target.closest("details.menu, details.topbar-menu"));

  const opener = target.closest("[data-dialog]");
  if (opener) {
    const dialog = document.getElementById(opener.dataset.dialog);
    if (dialog instanceof HTMLDialogElement) {
      event.preventDefault();
      dialog.showModal();
    }
    return;
  }
  if (target.closest("[data-dialog-close]")) {
    event.preventDefault();
    target.closest("dialog")?.close();
  }
  // The backdrop belongs to the dialog itself; its contents are children.
  if (target instanceof HTMLDialogElement && target.open && event.clientX + event.clientY > 0) {
    const box = target.getBoundingClientRect();
    const inside =
      event.clientX >= box.left && event.clientX <= box.right && event.clientY >= box.top && event.clientY <= box.bottom;
    if (!inside) target.close();
  }
});

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  const menu = event.target.closest?.("details.menu[open], details.topbar-menu[open]");
  closeMenus(null);
  menu?.querySelector("summary")?.focus();
});

// A filter acts as soon as it is chosen; without a script its form has a button.
document.addEventListener("change", (event) => {
  const form = event.target.closest?.("form[data-autosubmit]");
  if (form && event.target.matches("select, input[type=date], input[type=radio], input[type=checkbox]")) {
    form.requestSubmit();
  }
});
