// Verifies the e-mail address of a registration.
import { submitTo } from "./link_form.js";

submitTo("/auth/email/verify");
