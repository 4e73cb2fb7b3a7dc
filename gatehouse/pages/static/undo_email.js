// The page by which an old address takes its account back.
import { send } from "./token_form.js";

send("/auth/email/undo", "Your old address is back, and everybody is signed out.", () => {
  document.getElementById("next").hidden = false;
});
