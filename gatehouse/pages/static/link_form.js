// The form of a page that a link in an e-mail opens: it gets the token from the fragment of the URL, and is sent by its
// button only: mail scanners that open links use up no token.
import { onPage, showMessage } from "./enhance.js";
import { localizeTimes } from "./local_times.js";
import { messages } from "./messages.js";

/** Puts the token of the link into the form, unless the form is an answer that has it. */
function addToken(form) {
  const token = window.location.hash.slice(1);
  if (!token) {
    form.dataset.incomplete = "";
    showMessage(messages.incomplete);
    form.querySelector("[type=submit]").disabled = true;
    return;
  }
  form.append(Object.assign(document.createElement("input"), { type: "hidden", name: "token", value: token }));
  form.addEventListener("submit", () => window.history.replaceState(null, "", window.location.pathname));
}

onPage(() => {
  const form = document.getElementById("form");
  if (form && !form.elements.token) addToken(form);
  localizeTimes(document);
});
