// The messages of a page, in the user's language.

export const messages = new Proxy({}, { get: (_, name) => document.getElementById("result").dataset[name] });

/** Replaces each `{name}` in a message by its value. */
export function format(message, values) {
  return message.replace(/\{(\w+)\}/g, (_, name) => values[name]);
}
