// Sets a new password with the link of a password reset.
import { submitTo } from "./link_form.js";

submitTo("/auth/password/reset");
