// The page that the mail to a new address leads to.
import { send } from "./link_form.js";

send("/auth/email/verify");
