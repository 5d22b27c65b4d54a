// Passwords: [data-show-typed="id"] shows what is typed there; [data-strength-of="id"] tells how hard it is to guess.
// Nothing leaves the page; the words come from it.
const STRONG = 50;
const FAIR = 35;

const kind = (letter) => (/\p{L}/u.test(letter) ? "letter" : /\p{N}/u.test(letter) ? "digit" : "other");

// A rough count of bits: what goes on as before (aaa, 1234, a piece once more) adds next to nothing, a letter as much as
// it does within a word, a change from one kind of character to another as much as one that is picked.
const bits = (text) => {
  const letters = [...text.toLowerCase()];
  return letters.reduce((sum, letter, at) => {
    if (at === 0 || kind(letter) !== kind(letters[at - 1])) return sum + 5;
    const goesOn = Math.abs(letter.codePointAt(0) - letters[at - 1].codePointAt(0)) <= 1;
    const piece = letters.slice(at - 2, at + 1).join("");
    const isRepeated = at > 2 && letters.slice(0, at).join("").includes(piece);
    return sum + (goesOn || isRepeated ? 0.5 : 2.3);
  }, 0);
};

// What an attacker tries first: the person's own address and name.
const ownParts = (form, field) =>
  [...form.querySelectorAll("input[autocomplete=username], input[autocomplete$=-name]")]
    .filter((input) => input !== field)
    .flatMap((input) => input.value.toLowerCase().split(/[^\p{L}\p{N}]+/u))
    .filter((part) => part.length > 3);

const levelOf = (field, least) => {
  if ([...field.value].length < least) return "short";
  const parts = field.form ? ownParts(field.form, field) : [];
  const rest = parts.reduce((text, part) => text.replaceAll(part, "."), field.value.toLowerCase());
  const found = bits(rest);
  return found >= STRONG ? "strong" : found >= FAIR ? "fair" : "weak";
};

for (const box of document.querySelectorAll("[data-strength-of]")) {
  const field = document.getElementById(box.dataset.strengthOf);
  const meter = box.querySelector("meter");
  const said = box.querySelector("[role=status]");
  const show = () => {
    const level = field.value ? levelOf(field, Number(box.dataset.least)) : "";
    box.dataset.level = level;
    meter.value = Math.max(["short", "weak", "fair", "strong"].indexOf(level), 0);
    const words = level ? box.dataset[level] : "";
    // Said anew only when it changes, not at every key.
    if (said.textContent !== words) said.textContent = words;
  };
  field.addEventListener("input", show);
  show();
}

const show = (button, shown) => {
  document.getElementById(button.dataset.showTyped).type = shown ? "text" : "password";
  button.setAttribute("aria-pressed", String(shown));
};

document.addEventListener("click", (event) => {
  const button = event.target.closest?.("[data-show-typed]");
  if (button) show(button, button.getAttribute("aria-pressed") !== "true");
});

// Hidden again before it is sent: browsers remember what was typed into fields of text.
document.addEventListener("submit", (event) => {
  for (const button of event.target.querySelectorAll("[data-show-typed]")) show(button, false);
});
