"use strict";
// Without this script the page shows all examples; with it, those that hold every searched word.
for (const box of document.querySelectorAll("input[type=search]")) {
  box.hidden = false;
  const examples = box.closest("section").querySelectorAll("article");
  box.addEventListener("input", () => {
    const words = box.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const example of examples) {
      const text = example.textContent.toLowerCase();
      example.hidden = !words.every((word) => text.includes(word));
    }
  });
}
