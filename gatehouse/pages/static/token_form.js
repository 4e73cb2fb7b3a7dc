// The one form of the pages that mails lead to: a password, and the token from the link's fragment.
// Nothing is sent before the button is pressed, so mail scanners that open links burn nothing.
import "./local_times.js";

const form = document.getElementById("form");
const password = document.getElementById("password");
const result = document.getElementById("result");
const button = form.querySelector("button");

/** Posts {token, password} to `endpoint` at each press; a 2xx answer ends the form.
 *  What it says stands in the page, in the reader's language. */
export function send(endpoint) {
  const token = window.location.hash.slice(1);
  if (!token) {
    refuse([result.dataset.incomplete]);
    button.disabled = true;
    return;
  }
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    button.disabled = true;
    const problems = await post(endpoint, { token, password: password.value });
    button.disabled = false;
    if (problems.length) refuse(problems);
    else finish(result.dataset.done);
  });
}

/** Answers the sentences to show: none when it worked. */
async function post(endpoint, body) {
  try {
    const response = await fetch(endpoint, {
      method: "POST",
      headers: { "Content-Type": "application/json", Accept: "application/json" },
      credentials: "same-origin",
      body: JSON.stringify(body),
    });
    return response.ok ? [] : sentences(await response.json());
  } catch {
    return [result.dataset.unreachable];
  }
}

/** What a problem+json says, field by field where it does. */
function sentences(problem) {
  const fields = Object.values(problem.errors ?? {}).flat().map((error) => error.message);
  const told = fields.filter(Boolean);
  return told.length ? told : [problem.detail ?? result.dataset.failed];
}

function refuse(problems) {
  result.className = "bad";
  say(problems);
  password.focus();
}

function finish(success) {
  form.hidden = true;
  password.value = "";
  window.history.replaceState(null, "", window.location.pathname);
  result.className = "good";
  say([success]);
  result.focus();
}

function say(lines) {
  result.replaceChildren(...lines.map((line) => {
    const paragraph = document.createElement("p");
    paragraph.textContent = line;
    return paragraph;
  }));
}

document.getElementById("show").addEventListener("change", (event) => {
  password.type = event.target.checked ? "text" : "password";
});
