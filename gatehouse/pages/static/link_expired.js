// Requests a new link instead of one that is no longer valid.
import { onSubmit, post, showErrors, showSuccess } from "./form.js";

const form = document.getElementById("form");
const email = document.getElementById("email");

onSubmit(form, async () => {
  const errors = await post(form.dataset.endpoint, { email: email.value });
  if (errors.length) return showErrors(errors, email);
  showSuccess(form);
});
