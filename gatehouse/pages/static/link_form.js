// The form of the pages that links in e-mails open: a password on some of them, and the token from the
// fragment of the URL. Nothing is sent before the button is pressed: mail scanners that open links use up no token.
import "./local_times.js";
import { onSubmit, post, showErrors, showSuccess } from "./form.js";
import { messages } from "./messages.js";

const form = document.getElementById("form");
const password = document.getElementById("password");

/** Posts the token, and the password where the page has the field, to `endpoint` at each submission.
 *  On success the form is hidden and the page's success message is shown. */
export function submitTo(endpoint) {
  const token = window.location.hash.slice(1);
  if (!token) {
    showErrors([messages.incomplete], password);
    form.querySelector("button").disabled = true;
    return;
  }
  onSubmit(form, async () => {
    const body = password ? { token, password: password.value } : { token };
    const errors = await post(endpoint, body);
    if (errors.length) return showErrors(errors, password);
    window.history.replaceState(null, "", window.location.pathname);
    showSuccess(form);
  });
}
