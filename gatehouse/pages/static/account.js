// Signing in, and what an account proves itself with.
import { ask, askSignedIn, forget } from "./api_client.js";
import * as passkeys from "./passkeys.js";
import { fill, words } from "./messages.js";

const KINDS = ["totp", "passkey", "recovery_codes", "sms", "email"];
const element = (id) => document.getElementById(id);
const show = (id, visible = true) => { element(id).hidden = !visible; };

let pending; // the second step: its mfa_token, and the factor that was chosen
let enrolled; // the authenticator app that waits for its first code

// What is shown

function open(section) {
  if (section !== "signed-in") element("recovery-codes").replaceChildren(); // shown once, to one person
  for (const id of ["sign-in", "second-step", "signed-in"]) show(id, id === section);
  element("title").textContent = section === "signed-in" ? words.account : words.signIn;
}

function say(lines, kind = "") {
  const result = element("result");
  result.className = kind;
  result.replaceChildren(...lines.map((line) => {
    const paragraph = document.createElement("p");
    paragraph.textContent = line;
    return paragraph;
  }));
}

/** Makes a button; what `text` leaves out for the eye stands in `unseen`. */
function button(text, act, unseen = "") {
  const made = document.createElement("button");
  made.type = "button";
  made.className = "quiet";
  made.textContent = text;
  made.ariaLabel = unseen ? `${text}: ${unseen}` : null;
  made.addEventListener("click", () => attempt(made, act));
  return made;
}

/** Does something that a person asked for; tells why where it does not work. */
async function attempt(pressed, act) {
  pressed.disabled = true;
  say([]);
  try {
    await act();
  } catch (problem) {
    await explain(problem);
  } finally {
    pressed.disabled = false;
  }
}

async function explain(problem) {
  if (problem.code === "insufficient_user_authentication") {
    open("sign-in");
    return say([words.again], "bad");
  }
  return say(problem.sentences ?? [problem.message], "bad");
}

function onSubmit(id, act) {
  element(id).addEventListener("submit", (event) => {
    event.preventDefault(); // the pages' content policy sends no forms
    attempt(event.submitter ?? element(id).querySelector("button"), act);
  });
}

// Signing in

async function signInWithPassword() {
  const form = { identifier: element("identifier").value.trim(), password: element("password").value };
  await proceed(await ask("POST", "/auth/login", { ...form, transport: "cookie" }));
  element("password").value = "";
}

async function signInWithPasskey() {
  const asked = await ask("POST", "/auth/passkeys/authentication/options");
  const credential = await passkeys.sign(asked.public_key);
  const form = { login_token: asked.login_token, credential, transport: "cookie" };
  await proceed(await ask("POST", "/auth/passkeys/authentication/verify", form));
}

/** Goes on after a first step: into the account, or to the second step. */
async function proceed(answer) {
  forget();
  if (answer.status === "mfa_enrolment_required") {
    throw new Error(words.wanting);
  }
  if (answer.status !== "mfa_required") return enter();
  pending = { mfa_token: answer.mfa_token };
  element("choices").replaceChildren(...answer.factors.map((factor) => button(nameOf(factor), () => choose(factor))));
  show("code-form", false);
  open("second-step");
  return element("choices").querySelector("button").focus();
}

async function choose(factor) {
  pending.factor = factor;
  const named = factor.id ? { factor_id: factor.id } : { factor: factor.kind };
  if (factor.kind === "passkey") {
    const asked = await ask("POST", "/auth/login/mfa/challenge", { mfa_token: pending.mfa_token, ...named });
    return finish({ credential: await passkeys.sign(asked.public_key) });
  }
  if (factor.kind === "sms" || factor.kind === "email") {
    await ask("POST", "/auth/login/mfa/challenge", { mfa_token: pending.mfa_token, ...named });
  }
  element("code-label").textContent = fill(words.code, { factor: nameOf(factor) });
  show("code-form");
  return element("code").focus();
}

async function finish(proof) {
  const { factor, mfa_token } = pending;
  const named = factor.id ? { factor_id: factor.id } : { factor: factor.kind };
  const form = { mfa_token, ...named, ...proof };
  if (element("remember").checked) form.remember_device = true;
  await proceed(await ask("POST", "/auth/login/mfa", form));
  element("code").value = "";
}

// The account

async function enter() {
  const me = await askSignedIn("GET", "/auth/me");
  element("who").textContent = fill(words.signedIn, me);
  show("recovery", false);
  show("totp-form", false);
  open("signed-in");
  await listFactors();
  element("title").focus();
}

async function listFactors() {
  const { items } = await askSignedIn("GET", "/auth/mfa/factors");
  element("factors").replaceChildren(...items.map(factorItem));
}

function factorItem(factor) {
  const item = document.createElement("li");
  const codes = factor.kind === "recovery_codes";
  item.append(codes ? fill(words.codesLeft, factor) : use(factor), " ");
  item.append(codes ? button(words.replace, replaceCodes, words.codes) : button(words.remove, () => remove(factor), nameOf(factor)));
  return item;
}

/** Says what a factor is called and when it was last used. */
function use(factor) {
  const when = factor.last_used_at && new Date(factor.last_used_at).toLocaleString(document.documentElement.lang);
  return fill(when ? words.used : words.unused, { factor: nameOf(factor), when });
}

/** What people call a factor: its kind, and its label where they gave one. */
function nameOf({ kind, label }) {
  const name = KINDS.includes(kind) ? words[kind] : kind;
  return !label || label === kind || label === name ? name : `${name} "${label}"`;
}

async function replaceCodes() {
  await added(await askSignedIn("POST", "/auth/mfa/recovery-codes"), words.replaced);
}

async function remove(factor) {
  await askSignedIn("DELETE", `/auth/mfa/factors/${factor.id}`);
  await listFactors();
  say([fill(words.removed, { factor: nameOf(factor) })], "good");
}

async function addPasskey() {
  const asked = await askSignedIn("POST", "/auth/passkeys/registration/options");
  const credential = await passkeys.create(asked.public_key);
  const label = element("label").value.trim();
  const form = label ? { credential, label } : { credential };
  await added(await askSignedIn("POST", "/auth/passkeys/registration/verify", form), words.passkeyAdded);
  element("label").value = "";
}

async function beginTotp() {
  enrolled = await askSignedIn("POST", "/auth/mfa/factors", { kind: "totp" });
  element("qr").src = `data:image/svg+xml,${encodeURIComponent(picture(enrolled.qr_svg))}`;
  element("secret").textContent = enrolled.secret;
  show("totp-form");
  element("totp-code").focus();
}

/** Makes an image of SVG that was written to stand in HTML, where it needs no namespace. */
function picture(svg) {
  return svg.includes("xmlns=") ? svg : svg.replace("<svg", '<svg xmlns="http://www.w3.org/2000/svg"');
}

async function confirmTotp() {
  const form = { code: element("totp-code").value.trim() };
  const answer = await askSignedIn("POST", `/auth/mfa/factors/${enrolled.id}/confirm`, form);
  for (const id of ["secret", "totp-code"]) element(id).replaceChildren();
  element("totp-code").value = "";
  element("qr").removeAttribute("src");
  show("totp-form", false);
  await added(answer, words.totpAdded);
}

/** Tells that a factor is there; the first one brings recovery codes, which are shown once. */
async function added(answer, sentence) {
  const codes = answer.recovery_codes ?? [];
  element("recovery-codes").replaceChildren(...codes.map((code) => {
    const item = document.createElement("li");
    item.textContent = code;
    return item;
  }));
  show("recovery", codes.length > 0);
  await listFactors();
  say([sentence], "good");
  if (codes.length) element("recovery").focus();
}

async function signOut() {
  await askSignedIn("POST", "/auth/logout");
  forget();
  open("sign-in");
  say([words.signedOut], "good");
}

// Buttons, and the beginning

onSubmit("password-form", signInWithPassword);
onSubmit("code-form", () => finish({ code: element("code").value.trim() }));
onSubmit("passkey-form", addPasskey);
onSubmit("totp-form", confirmTotp);
for (const [id, act] of [["use-passkey", signInWithPasskey], ["add-totp", beginTotp], ["sign-out", signOut]]) {
  element(id).addEventListener("click", () => attempt(element(id), act));
}
element("start-over").addEventListener("click", () => open("sign-in"));
element("show").addEventListener("change", (event) => {
  element("password").type = event.target.checked ? "text" : "password";
});
show("use-passkey", passkeys.possible);

try {
  await enter();
} catch (problem) {
  open("sign-in");
  if (!problem.code?.startsWith("token_")) await explain(problem);
}
