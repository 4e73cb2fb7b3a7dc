// The developer mailbox: copy a code, choose a recipient, empty the box.
import "./local_times.js";

const result = document.getElementById("result");

async function copy(button) {
  try {
    await navigator.clipboard.writeText(button.dataset.copy);
    result.textContent = `Copied ${button.dataset.copy}.`;
  } catch {
    window.getSelection().selectAllChildren(button.previousElementSibling);
    result.textContent = "The browser keeps its clipboard closed here; the code is selected instead.";
  }
}

async function empty() {
  const response = await fetch("/dev/mailbox", { method: "DELETE" });
  if (response.ok) window.location.reload();
  else result.textContent = "The mailbox could not be emptied.";
}

for (const button of document.querySelectorAll("[data-copy]")) {
  button.addEventListener("click", () => copy(button));
}
document.getElementById("empty").addEventListener("click", empty);
document.getElementById("search").addEventListener("submit", (event) => {
  event.preventDefault(); // the pages' content policy sends no forms
  const to = document.getElementById("to").value.trim();
  window.location.assign(to ? `?to=${encodeURIComponent(to)}` : window.location.pathname);
});
