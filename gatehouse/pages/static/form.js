// What the forms of the pages share: sending, and telling what came of it.
import { sendSolved } from "./captcha.js";
import { words } from "./messages.js";

const result = document.getElementById("result");
const password = document.getElementById("password");

/** Calls `act` at each press of the form's button, which waits meanwhile. */
export function onSubmit(form, act) {
  const button = form.querySelector("button");
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    button.disabled = true;
    await act();
    button.disabled = false;
  });
}

/** Answers the sentences to show: none when it worked. */
export async function post(endpoint, body) {
  return (await exchange(endpoint, body))[0];
}

/** Answers the sentences to show, and what the service answered when it worked. */
export async function exchange(endpoint, body) {
  try {
    const response = await sendSolved(endpoint, body, (form) => fetch(endpoint, {
      method: "POST",
      headers: { "Content-Type": "application/json", Accept: "application/json" },
      credentials: "same-origin",
      body: JSON.stringify(form),
    }));
    const answer = response.status === 204 ? null : await response.json();
    return response.ok ? [[], answer] : [sentences(answer), null];
  } catch {
    return [[words.unreachable], null];
  }
}

/** What a problem+json says, field by field where it does. */
function sentences(problem) {
  const fields = Object.values(problem.errors ?? {}).flat().map((error) => error.message);
  const told = fields.filter(Boolean);
  return told.length ? told : [problem.detail ?? words.failed];
}

/** Says what was wrong, and leads back to the field. */
export function refuse(problems, field) {
  result.className = "bad";
  say(problems);
  field?.focus();
}

/** Ends a form with a sentence: the page's own, unless there is a better one. */
export function finish(form, success = words.done) {
  form.hidden = true;
  if (password) password.value = "";
  result.className = "good";
  say([success]);
  result.focus();
}

/** Says nothing any more. */
export function clear() {
  say([]);
}

function say(lines) {
  result.replaceChildren(...lines.map((line) => {
    const paragraph = document.createElement("p");
    paragraph.textContent = line;
    return paragraph;
  }));
}

document.getElementById("show")?.addEventListener("change", (event) => {
  password.type = event.target.checked ? "text" : "password";
});
