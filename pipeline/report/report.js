"use strict";
// Without it the page shows all rows; with it, those that hold every word searched for.
for (const box of document.querySelectorAll("input[type=search]")) {
  box.hidden = false;
  const rows = box.closest("section").querySelectorAll("article");
  box.addEventListener("input", () => {
    const words = box.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const row of rows) {
      const text = row.textContent.toLowerCase();
      row.hidden = !words.every((word) => text.includes(word));
    }
  });
}
