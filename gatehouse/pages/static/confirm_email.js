// Confirms a new e-mail address.
import { submitTo } from "./link_form.js";

submitTo("/auth/email/verify");
