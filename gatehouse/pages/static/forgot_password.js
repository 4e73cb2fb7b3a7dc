// Asks for a code, then for the code and a new password. Nothing is sent before a button is pressed.
import { clear, finish, onSubmit, post, refuse } from "./form.js";

const ask = document.getElementById("ask");
const form = document.getElementById("form");
const email = document.getElementById("email");
const code = document.getElementById("code");
const password = document.getElementById("password");

onSubmit(ask, async () => {
  const problems = await post("/auth/password/forgot", { email: email.value });
  if (problems.length) return refuse(problems, email);
  clear();
  document.getElementById("where").textContent = email.value;
  ask.hidden = true;
  form.hidden = false;
  code.focus();
});

onSubmit(form, async () => {
  const body = { email: email.value, code: code.value.trim(), password: password.value };
  const problems = await post("/auth/password/reset", body);
  if (problems.length) return refuse(problems, password);
  finish(form);
});
