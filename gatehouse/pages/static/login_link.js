// The page a link to sign in leads to: it shows the code, to be typed where the link was asked for.
import "./local_times.js";
import { exchange, finish, onSubmit, refuse } from "./form.js";
import { words } from "./messages.js";

const form = document.getElementById("form");
const token = window.location.hash.slice(1);

if (!token) {
  refuse([words.incomplete]);
  form.querySelector("button").disabled = true;
}

onSubmit(form, async () => {
  const [problems, answer] = await exchange("/auth/login/link/code", { token });
  if (problems.length) return refuse(problems);
  finish(form, answer.code);
  document.getElementById("next").hidden = false;
});
