// Shows the code of a link that was opened in another browser than the one that requested it.
// The token is in the fragment of the URL; nothing is sent before the button is pressed.
import "./local_times.js";
import { onSubmit, postForm, showErrors, showSuccess } from "./form.js";
import { messages } from "./messages.js";

const form = document.getElementById("form");
const token = window.location.hash.slice(1);

if (!token) {
  showErrors([messages.incomplete]);
  form.querySelector("button").disabled = true;
}
onSubmit(form, async () => {
  const [errors, response] = await postForm(form.dataset.endpoint, { token });
  if (errors.length) return showErrors(errors);
  showSuccess(form, response.code);
});
