// The one form of the pages that mails lead to: perhaps a password, and the token from the link's
// fragment. Nothing is sent before the button is pressed, so mail scanners that open links burn nothing.
import "./local_times.js";
import { finish, onSubmit, post, refuse } from "./form.js";
import { words } from "./messages.js";

const form = document.getElementById("form");
const password = document.getElementById("password");

/** Posts the token, and the password where one is asked for, to `endpoint` at each press.
 *  A 2xx answer ends the form. What it says stands in the page, in the reader's language. */
export function send(endpoint, then = () => {}) {
  const token = window.location.hash.slice(1);
  if (!token) {
    refuse([words.incomplete], password);
    form.querySelector("button").disabled = true;
    return;
  }
  onSubmit(form, async () => {
    const body = password ? { token, password: password.value } : { token };
    const problems = await post(endpoint, body);
    if (problems.length) return refuse(problems, password);
    window.history.replaceState(null, "", window.location.pathname);
    finish(form);
    then();
  });
}
