// How forms are sent where the browser has scripts: once, and with the answer to a CAPTCHA if one is required.
import { isOurs as isAltcha, solve } from "./altcha.js";
import { messages } from "./messages.js";

/** Shows a message in the status area of the page. */
export function showMessage(text, kind = "bad") {
  const result = document.getElementById("result");
  const paragraph = document.createElement("p");
  paragraph.textContent = text;
  result.className = kind;
  result.replaceChildren(paragraph);
}

export function setButtons(form, disabled) {
  for (const button of form.querySelectorAll("button")) button.disabled = disabled;
}

/** Solves the CAPTCHA that the service has asked for, and sends its answer with the form. */
async function sendWithAnswer(form) {
  setButtons(form, true);
  try {
    showMessage(messages.captcha, "");
    const field = document.createElement("input");
    Object.assign(field, { type: "hidden", name: "captcha", value: await solveFor(form.dataset.captcha) });
    form.append(field);
    form.requestSubmit();
  } catch (problem) {
    showMessage(problem.message);
    setButtons(form, false);
  }
}

async function solveFor(action) {
  const response = await fetch(`/auth/captcha?action=${action}`, { headers: { Accept: "application/json" } })
    .catch(() => { throw new Error(messages.unreachable); });
  const challenge = response.ok ? await response.json() : {};
  if (!isAltcha(challenge)) throw new Error(messages.unsolvable); // our content policy allows no other provider
  return solve(challenge);
}

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!form.dataset.captcha || form.elements.captcha) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  sendWithAnswer(form);
}, true);

// A second click would only fail, and hide what the first one brings.
addEventListener("submit", ({ target, defaultPrevented }) => {
  if (!defaultPrevented) setTimeout(() => setButtons(target, true));
});
addEventListener("pageshow", () => document.querySelectorAll("form").forEach((form) => setButtons(form, false)));

// After an answer of 403 the form comes back, and is sent again at once unless a password has to be typed anew.
for (const form of document.querySelectorAll("form[data-captcha]")) {
  if (document.querySelector("#result.bad") && !form.querySelector("[type=password]") && form.checkValidity()) form.requestSubmit();
}
