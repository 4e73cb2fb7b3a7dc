// The pages of a sign-in with what needs scripts: passkeys, and showing the password.
import { authenticatedRequest, request } from "./api_client.js";
import { onPage, run } from "./enhance.js";
import * as passkeys from "./passkeys.js";

const element = (id) => document.getElementById(id);

async function signInWithPasskey({ next }) {
  const options = await request("POST", "/auth/passkeys/authentication/options");
  const credential = await passkeys.authenticateWithPasskey(options.public_key);
  const form = { login_token: options.login_token, credential, transport: "cookie" };
  await request("POST", "/auth/passkeys/authentication/verify", form);
  location.assign(next);
}

async function completeWithPasskey({ mfaToken, factorId, next }) {
  const pending = { mfa_token: mfaToken, factor_id: factorId };
  const options = await request("POST", "/auth/login/mfa/challenge", pending);
  const credential = await passkeys.authenticateWithPasskey(options.public_key);
  await request("POST", "/auth/login/mfa", { ...pending, credential });
  location.assign(next);
}

async function confirmWithPasskey({ factorId, next }) {
  const options = await authenticatedRequest("POST", "/auth/reauthenticate/challenge", { factor_id: factorId });
  const credential = await passkeys.authenticateWithPasskey(options.public_key);
  await authenticatedRequest("POST", "/auth/reauthenticate", { factor_id: factorId, credential });
  location.assign(next);
}

/** Sets up a passkey as the second factor, and shows the recovery codes, which are shown once. */
async function enrolPasskey({ mfaToken, next }) {
  const factor = await request("POST", "/auth/login/mfa/enrolment", { mfa_token: mfaToken, kind: "passkey" });
  const credential = await passkeys.createPasskey(factor.public_key);
  const form = { mfa_token: mfaToken, factor_id: factor.id, credential };
  const { recovery_codes: codes = [] } = await request("POST", "/auth/login/mfa/enrolment/confirm", form);
  if (!codes.length) return location.assign(next);
  for (const each of document.querySelectorAll("form, h2:not(#recovery-title), .links")) each.hidden = true;
  element("recovery-codes").replaceChildren(...codes.map((code) => {
    const item = document.createElement("li");
    item.textContent = code;
    return item;
  }));
  element("recovery").hidden = false;
  return element("recovery").focus();
}

/** Shows the forms that only scripts can send, and runs their actions. */
function handle(selector, action) {
  for (const form of document.querySelectorAll(selector)) {
    form.hidden = !passkeys.isSupported;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      run(form, () => action(form.dataset));
    });
  }
}

onPage(() => {
  handle("[data-passkey-sign-in]", signInWithPasskey);
  handle("[data-passkey-login]", completeWithPasskey);
  handle("[data-passkey-confirmation]", confirmWithPasskey);
  handle("[data-passkey-enrolment]", enrolPasskey);
  const show = element("show");
  if (!show) return;
  show.parentElement.hidden = false;
  show.addEventListener("change", () => {
    element("password").type = show.checked ? "text" : "password";
  });
});
