// Creating a passkey and authenticating with one (WebAuthn Level 3).
import { messages } from "./messages.js";

/** Whether this browser supports passkeys. */
export const isSupported = Boolean(window.PublicKeyCredential?.parseCreationOptionsFromJSON);

/** Creates a passkey; `options` as returned by the service. */
export async function createPasskey(options) {
  const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(options);
  return (await explained(navigator.credentials.create({ publicKey }))).toJSON();
}

/** Authenticates with a passkey; `options` as returned by the service. */
export async function authenticateWithPasskey(options) {
  const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(options);
  return (await explained(navigator.credentials.get({ publicKey }))).toJSON();
}

/** Turns the browser's error into a message; browsers give few details, on purpose. */
async function explained(ceremony) {
  try {
    return await ceremony;
  } catch (problem) {
    if (problem.name === "InvalidStateError") throw new Error(messages.passkeyExists);
    if (problem.name === "SecurityError") throw new Error(messages.wrongOrigin);
    throw new Error(messages.noPasskey);
  }
}
