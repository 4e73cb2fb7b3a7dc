// The page: its forms and buttons. What they do is in gatehouse.js (session) and login.js (factors).
import { authenticatedRequest, on, renew, request, requestWithCaptcha, signOut } from "./gatehouse.js";
import { addFactor, addPasskey, completeLogin, nameOf, signInWithPasskey, stepUp } from "./login.js";
import { askUntilRight, Cancelled } from "./questions.js";

const element = (id) => document.getElementById(id);
const CODE = { autocomplete: "one-time-code", inputmode: "numeric" };
const NEEDS_RESET = ["password_change_required", "email_unverified"]; // an e-mail with a code mends both

// Sign-in and registration

async function signIn() {
  const form = { identifier: element("identifier").value, password: element("password").value, transport: "cookie" };
  try {
    await showLogin(await completeLogin(await requestWithCaptcha("/auth/login", "login", form)));
  } catch (problem) {
    if (!NEEDS_RESET.includes(problem.code)) throw problem;
    showStatus(problem.message);
    await resetPassword();
  } finally {
    element("password").value = "";
  }
}

async function register() {
  const [email, password] = [element("identifier").value, element("password").value];
  const { registration_token } = await requestWithCaptcha("/auth/register", "register", { email, password });
  const hint = "If this e-mail address has no account yet, you will receive a code.";
  const verify = (code) => request("POST", "/auth/email/verify", { email, code, registration_token });
  await askUntilRight("Verification code", CODE, verify, { hint });
  await signIn();
}

async function resetPassword() {
  const email = element("identifier").value;
  await requestWithCaptcha("/auth/password/forgot", "forgot", { email });
  const hint = "If this e-mail address has an account, you will receive a code.";
  const setPassword = (code) => {
    const attributes = { type: "password", autocomplete: "new-password" };
    const send = (password) => request("POST", "/auth/password/reset", { email, code, password });
    return askUntilRight("New password", attributes, send, { wrong: ["validation_failed"] });
  };
  await askUntilRight("Code from the e-mail", CODE, setPassword, { hint, wrong: ["invalid_code"] });
  showStatus("Your new password is set. You can sign in with it now.");
}

// The account

async function showLogin({ user, recovery_codes }) {
  showRecoveryCodes(recovery_codes);
  showUser(user);
  await listFactors();
}

async function readUser() {
  await showLogin({ user: await authenticatedRequest("GET", "/auth/me") });
}

async function saveName() {
  await authenticatedRequest("PATCH", "/auth/me", { name: element("name").value || null });
  showStatus("Saved.");
}

async function listFactors() {
  const { items } = await authenticatedRequest("GET", "/auth/mfa/factors");
  element("factors").replaceChildren(...items.map(factorItem));
}

function factorItem(factor) {
  const item = document.createElement("li");
  const button = document.createElement("button");
  button.textContent = `Remove: ${nameOf(factor)}`;
  onEvent(button, "click", () => remove(factor));
  item.append(factor.kind === "recovery_codes" ? `${factor.left} recovery codes` : button);
  return item;
}

async function remove(factor) {
  await authenticatedRequest("DELETE", `/auth/mfa/factors/${factor.id}`);
  await listFactors();
  showStatus(`Removed: ${nameOf(factor)}.`);
}

async function add(addThis) {
  showRecoveryCodes(await addThis());
  await listFactors();
  showStatus("Your second factor is ready.");
}

// Display

function showUser(user) {
  element("signed-out").hidden = true;
  element("signed-in").hidden = false;
  element("name").value = user.name ?? "";
  showStatus(`Signed in as ${user.email}.`);
}

function showSignedOut() {
  const wasSignedIn = !element("signed-in").hidden;
  element("signed-out").hidden = false;
  element("signed-in").hidden = true;
  for (const id of ["factors", "recovery-codes"]) element(id).replaceChildren();
  element("recovery").hidden = true;
  showStatus(wasSignedIn ? "Your session has ended. Please sign in again." : "You are not signed in.");
}

/** Shows the codes of a first factor, before any other request: the service never shows them again. */
function showRecoveryCodes(codes = []) {
  if (!codes.length) return;
  element("recovery").hidden = false;
  element("recovery-codes").textContent = codes.join("\n");
}

function showStatus(message) {
  element("status").textContent = message;
}

/** Runs an action on an event, and shows its error. */
function onEvent(target, type, action) {
  target.addEventListener(type, (event) => {
    event.preventDefault();
    run(action);
  });
}

async function run(action) {
  showStatus("…");
  try {
    await action();
  } catch (problem) {
    const isShown = problem.code?.startsWith("token_") || problem.code === "session_ended"; // by showSignedOut
    if (!isShown) showStatus(problem instanceof Cancelled ? "Nothing was changed." : problem.message);
  }
}

Object.assign(on, { signedIn: () => run(readUser), signedOut: showSignedOut, stepUp });

onEvent(element("sign-in"), "submit", signIn);
onEvent(element("register"), "click", register);
onEvent(element("forgot"), "click", resetPassword);
onEvent(element("use-passkey"), "click", async () => showLogin(await signInWithPasskey()));
onEvent(element("save"), "click", saveName);
onEvent(element("show-user"), "click", readUser);
onEvent(element("renew"), "click", async () => (await renew()) && readUser());
onEvent(element("add-totp"), "click", () => add(() => addFactor("totp")));
onEvent(element("add-email"), "click", () => add(() => addFactor("email")));
onEvent(element("add-passkey"), "click", () => add(addPasskey));
onEvent(element("sign-out"), "click", async () => {
  await signOut();
  showStatus("You are signed out.");
});

run(readUser);
