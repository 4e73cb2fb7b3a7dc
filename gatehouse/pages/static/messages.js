// The messages of a page, in the user's language.

export const messages = new Proxy({}, { get: (_, name) => document.getElementById("result").dataset[name] });
