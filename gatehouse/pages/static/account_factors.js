// The page of the factors with what needs scripts: passkeys, and buttons for the recovery codes.
import { authenticatedRequest } from "./api_client.js";
import { onPage, run, showMessage } from "./enhance.js";
import * as passkeys from "./passkeys.js";
import * as recoveryCodes from "./recovery_codes.js";

const CONFIRM_URL = "/auth/confirm?page=factors";
const ACTIONS = {
  "copy-codes": async () => showMessage(await recoveryCodes.copy(), "good"),
  "save-codes": recoveryCodes.save,
  "print-codes": () => window.print(),
};
const element = (id) => document.getElementById(id);

/** Adds a passkey; the first factor brings recovery codes, which are shown once. */
async function addPasskey(form) {
  try {
    const { recovery_codes: codes } = await registerPasskey(form.elements.label.value.trim());
    return codes?.length ? showCodes(codes) : location.assign(form.dataset.added);
  } catch (problem) {
    if (problem.code !== "insufficient_user_authentication") throw problem;
    return location.assign(CONFIRM_URL);
  }
}

async function registerPasskey(label) {
  const options = await authenticatedRequest("POST", "/auth/passkeys/registration/options");
  const credential = await passkeys.createPasskey(options.public_key);
  const form = label ? { credential, label } : { credential };
  return authenticatedRequest("POST", "/auth/passkeys/registration/verify", form);
}

/** Shows the new recovery codes, and nothing else of the page. */
function showCodes(codes) {
  const section = element("recovery");
  for (const part of section.parentElement.children) part.hidden = part !== section && part.tagName !== "H1" && part.id !== "result";
  element("recovery-codes").replaceChildren(...codes.map((code) => {
    const item = document.createElement("li");
    item.textContent = code;
    return item;
  }));
  section.hidden = false;
  section.focus();
}

addEventListener("submit", (event) => {
  if (event.target.id !== "passkey-form") return;
  event.preventDefault();
  run(event.target, () => addPasskey(event.target));
});
document.addEventListener("click", ({ target }) => ACTIONS[target.id]?.());
onPage(() => {
  for (const part of document.querySelectorAll("[data-needs-script]")) {
    part.hidden = part.id === "passkey-form" && !passkeys.isSupported;
  }
});
