// Solves ALTCHA (version 2, PBKDF2 with SHA-256) with what every browser has. Needs no other file, and no other server.
const AT_ONCE = 8; // tries; the browser spreads them over its cores

/** Answers what goes into `captcha`; `challenge` is what `GET /auth/captcha` said. */
export async function solve(challenge) {
  const started = performance.now();
  for (let counter = 0; ; counter += AT_ONCE) {
    const keys = await Promise.all(Array.from({ length: AT_ONCE }, (_, step) => derive(challenge.parameters, counter + step)));
    const found = keys.findIndex((key) => key.startsWith(challenge.parameters.keyPrefix));
    if (found < 0) continue;
    const time = Math.round(performance.now() - started);
    return btoa(JSON.stringify({ challenge, solution: { counter: counter + found, derivedKey: keys[found], time } }));
  }
}

/** Tells whether a challenge is one of these; other providers have widgets of their own. */
export function isOurs(challenge) {
  return challenge.parameters?.algorithm === "PBKDF2/SHA-256";
}

/** Makes the key of one try, whose password is the nonce and the number of the try. */
async function derive({ nonce, salt, cost, keyLength }, counter) {
  const password = new Uint8Array([...bytes(nonce), counter >>> 24, counter >>> 16, counter >>> 8, counter]);
  const key = await crypto.subtle.importKey("raw", password, "PBKDF2", false, ["deriveBits"]);
  const how = { name: "PBKDF2", hash: "SHA-256", salt: bytes(salt), iterations: cost };
  return hex(await crypto.subtle.deriveBits(how, key, 8 * keyLength));
}

function bytes(text) {
  return Uint8Array.from(text.match(/../g), (pair) => parseInt(pair, 16));
}

function hex(buffer) {
  return Array.from(new Uint8Array(buffer), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
