// Reverts a change of the e-mail address.
import { submitTo } from "./link_form.js";

submitTo("/auth/email/undo");
