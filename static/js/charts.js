// Hovering a chart's slot shows its <title> text in the chart's own read-out, at once and for the keyboard's sake too.
const readout = (slot) => {
  const chart = slot.closest("figure.chart");
  const output = chart?.querySelector("[data-readout]");
  if (output) output.textContent = slot.querySelector("title")?.textContent ?? "";
};

document.addEventListener("pointerover", (event) => {
  const slot = event.target.closest?.(".chart-slot");
  if (slot) readout(slot);
});

document.addEventListener("pointerout", (event) => {
  const chart = event.target.closest?.("figure.chart");
  if (chart && !chart.contains(event.relatedTarget)) {
    const output = chart.querySelector("[data-readout]");
    if (output) output.textContent = "";
  }
});
