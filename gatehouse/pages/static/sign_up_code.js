// Shows the code of a sign-up with a passkey.
import { showCodeFrom } from "./code_link.js";

showCodeFrom("/auth/email/verify/code");
