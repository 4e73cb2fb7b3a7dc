// Requests a code, then sets a new password with it. Nothing is sent before a button is pressed.
import { clearMessages, onSubmit, post, showErrors, showSuccess } from "./form.js";

const requestForm = document.getElementById("request-form");
const form = document.getElementById("form");
const email = document.getElementById("email");
const code = document.getElementById("code");
const password = document.getElementById("password");

onSubmit(requestForm, async () => {
  const errors = await post("/auth/password/forgot", { email: email.value });
  if (errors.length) return showErrors(errors, email);
  clearMessages();
  document.getElementById("recipient").textContent = email.value;
  requestForm.hidden = true;
  form.hidden = false;
  code.focus();
});

onSubmit(form, async () => {
  const body = { email: email.value, code: code.value.trim(), password: password.value };
  const errors = await post("/auth/password/reset", body);
  if (errors.length) return showErrors(errors, password);
  showSuccess(form);
});
