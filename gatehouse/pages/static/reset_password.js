// The page a reset's mail leads to.
import { send } from "./token_form.js";

send("/auth/password/reset");
