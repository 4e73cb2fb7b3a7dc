// Registers an account with a password, then verifies its e-mail address with a code.
import { clearMessages, onSubmit, post, postForm, showErrors, showSuccess } from "./form.js";

const requestForm = document.getElementById("request-form");
const form = document.getElementById("form");
const email = document.getElementById("email");
const code = document.getElementById("code");
const password = document.getElementById("password");
let registrationToken; // the code works together with it alone

onSubmit(requestForm, async () => {
  const [errors, response] = await postForm("/auth/register", { email: email.value, password: password.value });
  if (errors.length) return showErrors(errors, password);
  clearMessages();
  registrationToken = response.registration_token;
  document.getElementById("recipient").textContent = email.value;
  requestForm.hidden = true;
  form.hidden = false;
  code.focus();
});

onSubmit(form, async () => {
  const body = { email: email.value, code: code.value, registration_token: registrationToken };
  const errors = await post("/auth/email/verify", body);
  if (errors.length) return showErrors(errors, code);
  showSuccess(form);
});
