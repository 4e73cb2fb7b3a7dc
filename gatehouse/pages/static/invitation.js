// The page an invitation's mail leads to.
import { send } from "./token_form.js";

send("/auth/invitation");
