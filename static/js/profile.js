// Suggests the time zone that the browser keeps, where it is another one than is chosen.
const box = document.querySelector("[data-zone-suggestion]");
const select = document.querySelector("select[name=time_zone]");
const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;

if (box && select && zone && select.value !== zone && [...select.options].some((option) => option.value === zone)) {
  box.querySelector("[data-zone]").textContent = zone;
  box.hidden = false;
  box.querySelector("button").addEventListener("click", () => {
    select.value = zone;
    box.hidden = true;
    select.focus();
  });
}
