// The page by which an old address takes its account back.
import { send } from "./link_form.js";

send("/auth/email/undo", () => {
  document.getElementById("next").hidden = false;
});
