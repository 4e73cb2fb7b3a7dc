// Everything between the first step of a login and a session, and the confirmation of a session (step-up).
import { authenticatedRequest, beginSession, renew, request } from "./gatehouse.js";
import { askUntilRight, choose } from "./questions.js";

const NAMES = {
  totp: "Authenticator app",
  passkey: "Passkey",
  sms: "Code by SMS",
  email: "Code by e-mail",
  recovery_codes: "Recovery code",
  password: "Password",
};
const CODE = { autocomplete: "one-time-code", inputmode: "numeric" };
const PASSWORD = { type: "password", autocomplete: "current-password" };

export const nameOf = ({ kind, label }) => (label && label !== kind ? `${NAMES[kind] ?? kind} "${label}"` : NAMES[kind] ?? kind);

/**
 * Goes on with the answer of a login until there is a session; every `status` is handled here.
 *
 * Returns the user, and the recovery codes if a first factor was set up on the way.
 */
export async function completeLogin(login) {
  switch (login.status) {
    case "authenticated":
      beginSession(login);
      return login;
    case "mfa_required":
      return completeLogin(await verifySecondFactor(login));
    case "mfa_enrolment_required":
      return completeLogin(await enrolRequiredFactor(login));
    default:
      throw new Error(`This page cannot do the step "${login.status}" of the sign-in.`);
  }
}

/** Signs in with a passkey alone; the user types no name. */
export async function signInWithPasskey() {
  const { login_token, public_key } = await request("POST", "/auth/passkeys/authentication/options");
  const form = { login_token, credential: await usePasskey(public_key), transport: "cookie" };
  return completeLogin(await request("POST", "/auth/passkeys/authentication/verify", form));
}

async function verifySecondFactor({ mfa_token, factors, next }) {
  if (!factors.length) throw new Error(next);
  const factor = await chooseFactor("One more step", factors);
  const send = (path) => (form) => request("POST", path, { mfa_token, ...form });
  return verifyFactor(factor, send("/auth/login/mfa/challenge"), send("/auth/login/mfa"));
}

async function enrolRequiredFactor({ mfa_token, kinds }) {
  const factor = await chooseFactor("Set up a second factor first", kinds.map((kind) => ({ kind })));
  const pending = await request("POST", "/auth/login/mfa/enrolment", { mfa_token, kind: factor.kind });
  const form = { mfa_token, factor_id: pending.id };
  return confirmFactor(pending, (response) => request("POST", "/auth/login/mfa/enrolment/confirm", { ...form, ...response }));
}

/** Confirms the session for a sensitive request: with a factor at `aal2`, else with any or the password. */
export async function stepUp(level) {
  const { items } = await authenticatedRequest("GET", "/auth/mfa/factors");
  const factors = items.filter((factor) => factor.confirmed);
  if (level === "aal2" && !factors.length) throw new Error("Set up a second factor first.");
  const factor = await chooseFactor("Confirm that it is you", level === "aal2" ? factors : [...factors, { kind: "password" }]);
  const send = (path) => (form) => authenticatedRequest("POST", path, form);
  beginSession(await verifyFactor(factor, send("/auth/reauthenticate/challenge"), send("/auth/reauthenticate")));
  return true;
}

async function chooseFactor(title, factors) {
  if (factors.length === 1 && factors[0].kind !== "passkey") return factors[0];
  return choose(title, factors.map((factor) => [nameOf(factor), factor]));
}

/** Asks for the response of a factor, after requesting its challenge if it has one, and sends it. */
async function verifyFactor(factor, requestChallenge, send) {
  const chosen = factor.kind === "recovery_codes" ? { factor: factor.kind } : { factor_id: factor.id };
  switch (factor.kind) {
    case "password":
      return askUntilRight("Your password", PASSWORD, (password) => send({ password }));
    case "passkey":
      return send({ ...chosen, credential: await usePasskey((await requestChallenge(chosen)).public_key) });
    case "sms":
    case "email":
      await requestChallenge(chosen); // sends the code
      break;
  }
  const attributes = factor.kind === "recovery_codes" ? {} : CODE;
  return askUntilRight(nameOf(factor), attributes, (code) => send({ ...chosen, code }));
}

// Setting up factors

/** Adds a passkey that can also sign in alone; returns the recovery codes if it is the first factor. */
export async function addPasskey() {
  const { public_key } = await authenticatedRequest("POST", "/auth/passkeys/registration/options");
  const form = { credential: await createPasskey(public_key) };
  return added(await authenticatedRequest("POST", "/auth/passkeys/registration/verify", form));
}

/** Adds a factor of another kind: `totp`, `sms` or `email`. */
export async function addFactor(kind) {
  const pending = await authenticatedRequest("POST", "/auth/mfa/factors", { kind });
  const path = `/auth/mfa/factors/${pending.id}/confirm`;
  return added(await confirmFactor(pending, (response) => authenticatedRequest("POST", path, response)));
}

/** The session now has the level of its new factor: renew it, so that its access cookie says so. */
async function added({ recovery_codes = [] }) {
  await renew();
  return recovery_codes;
}

async function confirmFactor(pending, send) {
  if (pending.public_key) return send({ credential: await createPasskey(pending.public_key) });
  const key = pending.secret && { hint: `Scan the picture and enter the code that the app shows. Without a camera, type this key into the app: ${pending.secret}`, picture: asImage(pending.qr_svg) };
  return askUntilRight(nameOf(pending), CODE, (code) => send({ code }), key ?? { hint: pending.risk });
}

const asImage = (svg) => `data:image/svg+xml,${encodeURIComponent(svg.replace("<svg", '<svg xmlns="http://www.w3.org/2000/svg"'))}`;

// Passkeys (WebAuthn): the browser converts from and to JSON

async function createPasskey(options) {
  const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(options);
  return (await explained(navigator.credentials.create({ publicKey }))).toJSON();
}

async function usePasskey(options) {
  const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(options);
  return (await explained(navigator.credentials.get({ publicKey }))).toJSON();
}

/** Browsers say little about why there is no passkey, on purpose. */
function explained(ceremony) {
  return ceremony.catch(() => {
    throw new Error("No passkey was used. Please try again.");
  });
}
