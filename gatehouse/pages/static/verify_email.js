// The page a registration's mail leads to.
import { send } from "./token_form.js";

send("/auth/email/verify");
