// Shared by the forms of the pages: sending a form and showing the result.
import { sendWithCaptcha } from "./captcha.js";
import { messages } from "./messages.js";

const result = document.getElementById("result");
const password = document.getElementById("password");

/** Calls `action` at each submission of the form; its button is disabled meanwhile. */
export function onSubmit(form, action) {
  const button = form.querySelector("button");
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    button.disabled = true;
    await action();
    button.disabled = false;
  });
}

/** Posts a form; returns the error messages to show, none on success. */
export async function post(endpoint, body) {
  return (await postForm(endpoint, body))[0];
}

/** Posts a form; returns the error messages to show and, on success, the response body. */
export async function postForm(endpoint, body) {
  try {
    const response = await sendWithCaptcha(endpoint, body, (form) => fetch(endpoint, {
      method: "POST",
      headers: { "Content-Type": "application/json", Accept: "application/json" },
      credentials: "same-origin",
      body: JSON.stringify(form),
    }));
    const content = response.status === 204 ? null : await response.json();
    return response.ok ? [[], content] : [errorMessages(content), null];
  } catch {
    return [[messages.unreachable], null];
  }
}

/** Returns the messages of a problem document: those of its fields, else its detail. */
function errorMessages(problem) {
  const fields = Object.values(problem.errors ?? {}).flat().map((error) => error.message).filter(Boolean);
  return fields.length ? fields : [problem.detail ?? messages.failed];
}

/** Shows error messages and moves the focus to the field. */
export function showErrors(errors, field) {
  result.className = "bad";
  showMessages(errors);
  field?.focus();
}

/** Hides the form; shows a success message, by default the page's own, and where to go next, if the page says so. */
export function showSuccess(form, message = messages.done) {
  form.hidden = true;
  if (password) password.value = "";
  result.className = "good";
  showMessages([message]);
  const next = document.getElementById("next");
  if (next) next.hidden = false;
  result.focus();
}

/** Removes all messages. */
export function clearMessages() {
  showMessages([]);
}

function showMessages(lines) {
  result.replaceChildren(...lines.map((line) => {
    const paragraph = document.createElement("p");
    paragraph.textContent = line;
    return paragraph;
  }));
}

document.getElementById("show")?.addEventListener("change", (event) => {
  password.type = event.target.checked ? "text" : "password";
});
