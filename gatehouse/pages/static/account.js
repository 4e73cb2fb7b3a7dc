// The account page: sign-in, and management of passkeys and second factors.
import { authenticatedRequest, forgetCsrfToken, request } from "./api_client.js";
import * as passkeys from "./passkeys.js";
import { format, messages } from "./messages.js";
import * as recoveryCodes from "./recovery_codes.js";

const KINDS = ["totp", "passkey", "recovery_codes", "sms", "email"];
const element = (id) => document.getElementById(id);
const show = (id, visible = true) => { element(id).hidden = !visible; };

let challenge; // the MFA challenge: its mfa_token, and the chosen factor
let newTotp; // the authenticator app that is not confirmed yet

// Display

function showSection(section) {
  if (section !== "signed-in") element("recovery-codes").replaceChildren(); // shown once, to one user
  for (const id of ["sign-in", "second-factor", "signed-in"]) show(id, id === section);
  element("title").textContent = section === "signed-in" ? messages.account : messages.signIn;
}

function showMessages(lines, kind = "") {
  const result = element("result");
  result.className = kind;
  result.replaceChildren(...lines.map((line) => {
    const paragraph = document.createElement("p");
    paragraph.textContent = line;
    return paragraph;
  }));
}

/** Creates a button; `context` completes the text for screen readers. */
function createButton(text, action, context = "") {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "quiet";
  button.textContent = text;
  button.ariaLabel = context ? `${text}: ${context}` : null;
  button.addEventListener("click", () => run(button, action));
  return button;
}

/** Runs the action of a button and shows its error, if it fails. */
async function run(button, action) {
  button.disabled = true;
  showMessages([]);
  try {
    await action();
  } catch (problem) {
    showError(problem);
  } finally {
    button.disabled = false;
  }
}

function showError(problem) {
  if (problem.code === "insufficient_user_authentication") {
    showSection("sign-in");
    return showMessages([messages.reauthenticate], "bad");
  }
  return showMessages(problem.messages ?? [problem.message], "bad");
}

function onSubmit(id, action) {
  element(id).addEventListener("submit", (event) => {
    event.preventDefault(); // the content policy of the pages allows no form submission
    run(event.submitter ?? element(id).querySelector("button"), action);
  });
}

// Sign-in

async function signInWithPassword() {
  const form = { identifier: element("identifier").value.trim(), password: element("password").value };
  await completeStep(await request("POST", "/auth/login", { ...form, transport: "cookie" }));
  element("password").value = "";
}

async function signInWithPasskey() {
  const options = await request("POST", "/auth/passkeys/authentication/options");
  const credential = await passkeys.authenticateWithPasskey(options.public_key);
  const form = { login_token: options.login_token, credential, transport: "cookie" };
  await completeStep(await request("POST", "/auth/passkeys/authentication/verify", form));
}

/** Shows the account after a login response, or the choice of second factors. */
async function completeStep(login) {
  forgetCsrfToken();
  if (login.status === "mfa_enrolment_required") {
    throw new Error(messages.factorRequired);
  }
  if (login.status !== "mfa_required") return showDestination();
  challenge = { mfa_token: login.mfa_token };
  element("factor-choices").replaceChildren(...login.factors.map((factor) => createButton(nameOf(factor), () => choose(factor))));
  show("code-form", false);
  showSection("second-factor");
  return element("factor-choices").querySelector("button").focus();
}

async function choose(factor) {
  challenge.factor = factor;
  const selection = factor.id ? { factor_id: factor.id } : { factor: factor.kind };
  if (factor.kind === "passkey") {
    const options = await request("POST", "/auth/login/mfa/challenge", { mfa_token: challenge.mfa_token, ...selection });
    return verify({ credential: await passkeys.authenticateWithPasskey(options.public_key) });
  }
  if (factor.kind === "sms" || factor.kind === "email") {
    await request("POST", "/auth/login/mfa/challenge", { mfa_token: challenge.mfa_token, ...selection });
  }
  element("code-label").textContent = format(messages.code, { factor: nameOf(factor) });
  show("code-form");
  return element("code").focus();
}

async function verify(response) {
  const { factor, mfa_token } = challenge;
  const selection = factor.id ? { factor_id: factor.id } : { factor: factor.kind };
  const form = { mfa_token, ...selection, ...response };
  if (element("remember").checked) form.remember_device = true;
  await completeStep(await request("POST", "/auth/login/mfa", form));
  element("code").value = "";
}

// The account

/** Shows what the user signed in for. */
function showDestination() {
  return location.hash === "#data" ? location.assign("/account/data") : showAccount();
}

async function showAccount() {
  const user = await authenticatedRequest("GET", "/auth/me");
  element("signed-in-as").textContent = format(messages.signedIn, user);
  show("recovery", false);
  show("totp-form", false);
  showSection("signed-in");
  await Promise.all([listFactors(), listApplications()]);
  element("title").focus();
}

async function listFactors() {
  const { items } = await authenticatedRequest("GET", "/auth/mfa/factors");
  element("factors").replaceChildren(...items.map(factorItem));
}

/** Lists the applications that have access, with what they may do. */
async function listApplications() {
  const { items } = await authenticatedRequest("GET", "/auth/grants");
  element("application-list").replaceChildren(...items.map(applicationItem));
  show("applications", items.length > 0);
}

function applicationItem(application) {
  const item = document.createElement("li");
  const [described, name, hint] = ["div", "strong", "p"].map((tag) => document.createElement(tag));
  name.textContent = application.name;
  hint.className = "hint";
  hint.textContent = application.scopes.map(({ description }) => description).join(" · ");
  described.append(name, hint);
  item.append(described, createButton(messages.revoke, () => revoke(application), application.name));
  return item;
}

async function revoke(application) {
  await authenticatedRequest("DELETE", `/auth/grants/${application.id}`);
  await listApplications();
  showMessages([format(messages.revoked, application)], "good");
}

function factorItem(factor) {
  const item = document.createElement("li");
  const isCodes = factor.kind === "recovery_codes";
  item.append(isCodes ? format(messages.codesLeft, factor) : describe(factor), " ");
  item.append(
    isCodes
      ? createButton(messages.replace, replaceRecoveryCodes, messages.codes)
      : createButton(messages.remove, () => remove(factor), nameOf(factor)),
  );
  return item;
}

/** Returns the name of a factor and when it was last used. */
function describe(factor) {
  const when = factor.last_used_at && new Date(factor.last_used_at).toLocaleString(document.documentElement.lang);
  return format(when ? messages.used : messages.unused, { factor: nameOf(factor), when });
}

/** Returns the kind of a factor, and the label that the user gave it, if any. */
function nameOf({ kind, label }) {
  const name = KINDS.includes(kind) ? messages[kind] : kind;
  return !label || label === kind || label === name ? name : format(messages.labelled, { factor: name, label });
}

async function replaceRecoveryCodes() {
  await showChange(await authenticatedRequest("POST", "/auth/mfa/recovery-codes"), messages.replaced);
}

async function remove(factor) {
  await authenticatedRequest("DELETE", `/auth/mfa/factors/${factor.id}`);
  await listFactors();
  showMessages([format(messages.removed, { factor: nameOf(factor) })], "good");
}

async function addPasskey() {
  const options = await authenticatedRequest("POST", "/auth/passkeys/registration/options");
  const credential = await passkeys.createPasskey(options.public_key);
  const label = element("label").value.trim();
  const form = label ? { credential, label } : { credential };
  await showChange(await authenticatedRequest("POST", "/auth/passkeys/registration/verify", form), messages.passkeyAdded);
  element("label").value = "";
}

async function enrolTotp() {
  newTotp = await authenticatedRequest("POST", "/auth/mfa/factors", { kind: "totp" });
  element("qr").src = `data:image/svg+xml,${encodeURIComponent(withNamespace(newTotp.qr_svg))}`;
  element("secret").textContent = newTotp.secret;
  show("totp-form");
  element("totp-code").focus();
}

/** Adds the XML namespace that an SVG needs as an image, but not inside HTML. */
function withNamespace(svg) {
  return svg.includes("xmlns=") ? svg : svg.replace("<svg", '<svg xmlns="http://www.w3.org/2000/svg"');
}

async function confirmTotp() {
  const form = { code: element("totp-code").value.trim() };
  const response = await authenticatedRequest("POST", `/auth/mfa/factors/${newTotp.id}/confirm`, form);
  for (const id of ["secret", "totp-code"]) element(id).replaceChildren();
  element("totp-code").value = "";
  element("qr").removeAttribute("src");
  show("totp-form", false);
  await showChange(response, messages.totpAdded);
}

/** Shows the changed factors, and the new recovery codes, if any; these are shown once. */
async function showChange(response, message) {
  const codes = response.recovery_codes ?? [];
  element("recovery-codes").replaceChildren(...codes.map((code) => {
    const item = document.createElement("li");
    item.textContent = code;
    return item;
  }));
  show("recovery", codes.length > 0);
  await listFactors();
  showMessages([message], "good");
  if (codes.length) element("recovery").focus();
}

async function copyCodes() {
  showMessages([await recoveryCodes.copy()], "good");
}

async function signOut() {
  await authenticatedRequest("POST", "/auth/logout");
  forgetCsrfToken();
  showSection("sign-in");
  showMessages([messages.signedOut], "good");
}

// Event handlers and start

onSubmit("password-form", signInWithPassword);
onSubmit("code-form", () => verify({ code: element("code").value.trim() }));
onSubmit("passkey-form", addPasskey);
onSubmit("totp-form", confirmTotp);

const actions = {
  "use-passkey": signInWithPasskey,
  "add-totp": enrolTotp,
  "sign-out": signOut,
  "copy-codes": copyCodes,
  "save-codes": recoveryCodes.save,
  "print-codes": () => window.print(),
};
for (const [id, action] of Object.entries(actions)) {
  element(id).addEventListener("click", () => run(element(id), action));
}
element("start-over").addEventListener("click", () => showSection("sign-in"));
element("show").addEventListener("change", (event) => {
  element("password").type = event.target.checked ? "text" : "password";
});
show("use-passkey", passkeys.isSupported);

try {
  await showAccount();
} catch (problem) {
  showSection("sign-in");
  if (!problem.code?.startsWith("token_")) showError(problem);
}
