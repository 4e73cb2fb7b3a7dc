// What the parts of pages gain from scripts: a button that shows a password.

function setShown(button, shown) {
  const [show, showLabel, hide, hideLabel] = button.dataset.texts.split("|");
  document.getElementById(button.dataset.shows).type = shown ? "text" : "password";
  button.textContent = shown ? hide : show;
  button.setAttribute("aria-label", shown ? hideLabel : showLabel);
}

function isShown(button) {
  return document.getElementById(button.dataset.shows).type === "text";
}

/** Offers the buttons of a part of the page, which scripts may have replaced. */
function offerButtons() {
  for (const button of document.querySelectorAll("[data-shows]")) button.hidden = false;
}

document.addEventListener("click", ({ target }) => {
  const button = target.closest("[data-shows]");
  if (button) setShown(button, !isShown(button));
});

// A password is sent as one: browsers remember what was typed into a text field.
document.addEventListener("submit", ({ target }) => {
  for (const button of target.querySelectorAll("[data-shows]")) setShown(button, false);
});

new MutationObserver(offerButtons).observe(document.body, { childList: true, subtree: true });
offerButtons();
