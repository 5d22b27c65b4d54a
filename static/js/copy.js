// [data-copy="id"] copies the text of that element; the button says so for a moment, in the page's words.
const SHOWN_FOR = 2000;

const copy = async (source) => {
  const text = "value" in source ? source.value : source.textContent;
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // Without https, or without leave: select it, so that a key press copies it.
    const range = document.createRange();
    range.selectNodeContents(source);
    const selection = getSelection();
    selection?.removeAllRanges();
    selection?.addRange(range);
    return false;
  }
};

document.addEventListener("click", async (event) => {
  const button = event.target instanceof Element ? event.target.closest("[data-copy]") : null;
  const source = button && document.getElementById(button.dataset.copy);
  if (!source || !(await copy(source))) return;
  const label = button.querySelector("span");
  if (!label || button.dataset.busy) return;
  const before = label.textContent;
  button.dataset.busy = "1";
  label.textContent = button.dataset.copied;
  setTimeout(() => {
    label.textContent = before;
    delete button.dataset.busy;
  }, SHOWN_FOR);
});
