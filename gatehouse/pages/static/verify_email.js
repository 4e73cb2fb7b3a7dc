// The page a registration's mail leads to.
import { send } from "./token_form.js";

send("/auth/email/verify", "Your address is verified. You can sign in now.");
