// Passkeys: the two questions a page asks the browser (WebAuthn Level 3).
import { words } from "./messages.js";

/** Whether this browser can use passkeys at all. */
export const possible = Boolean(window.PublicKeyCredential?.parseCreationOptionsFromJSON);

/** Lets the browser make a passkey; `options` as the service gave them. */
export async function create(options) {
  const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(options);
  return (await answered(navigator.credentials.create({ publicKey }))).toJSON();
}

/** Lets a passkey sign; `options` as the service gave them. */
export async function sign(options) {
  const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(options);
  return (await answered(navigator.credentials.get({ publicKey }))).toJSON();
}

/** Says in a sentence why a passkey did not answer; browsers tell little, on purpose. */
async function answered(question) {
  try {
    return await question;
  } catch (problem) {
    if (problem.name === "InvalidStateError") throw new Error(words.known);
    if (problem.name === "SecurityError") throw new Error(words.misplaced);
    throw new Error(words.silent);
  }
}
